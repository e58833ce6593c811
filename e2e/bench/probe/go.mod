module cubelet.dev/e2e/bench/probe

go 1.26
