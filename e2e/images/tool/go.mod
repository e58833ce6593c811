module cubelet.dev/e2e/images/tool

go 1.26
