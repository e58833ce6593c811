# SPDX-License-Identifier: Apache-2.0
#
# Which folder may include which, and so links with it. The one table behind `make`, and behind `make layers`, which
# checks every #include against it. Generated protobuf structs are plain data: `gen` may be named by anyone.
#
#   needs.FOLDER    folders of ours; what none of its files includes is not named
#   public.FOLDER   headers for others besides FOLDER/folder.h; all the rest is the folder's own
#   tests.FOLDER    folders that only its tests include besides
#   libs.FOLDER     libraries whose headers only this folder includes

needs.pkg/base :=
needs.pkg/test := pkg/base pkg/loop
needs.pkg/loop := pkg/base
needs.pkg/sys := pkg/base
needs.pkg/codec := pkg/base gen
needs.pkg/stream := pkg/base
needs.pkg/net := pkg/base pkg/loop
needs.pkg/grpc := pkg/base pkg/loop
needs.pkg/kube := pkg/base pkg/loop pkg/codec pkg/net gen
needs.pkg/cri := pkg/base pkg/loop pkg/codec pkg/grpc gen
needs.gen :=

# A toolbox has one header a tool; net, sys and stream are several things each. The rest are parts that stand alone.
public.pkg/base := arena buf clock err file list log map memory rand rate
public.pkg/test := fake_http
public.pkg/loop := task child
public.pkg/sys := cgroup huge_pages mount mountinfo sysctl
public.pkg/codec := amount base64 crilog duration imageref json meta pb pbjson quantity quote rfc3339 utf8 yaml
public.pkg/stream := http_head tracker
public.pkg/net := algorithms digest http_client tls_server x509
public.pkg/kube := event listwatch
public.kubelet/cm := resources
public.kubelet/object := field
public.kubelet/runtime := observed labels
public.kubelet/pod := world
public.kubelet/gate/channel := terms

# Inside the kubelet: pod uses the managers, they never use pod; api only asks; only kubelet.c sees everything.
kubelet.pkg := pkg/base pkg/loop pkg/codec pkg/sys pkg/kube pkg/cri gen
needs.kubelet/config := pkg/base pkg/codec gen
needs.kubelet/cm := $(kubelet.pkg)
needs.kubelet/object := $(kubelet.pkg)
needs.kubelet/volume := $(kubelet.pkg) kubelet/cm kubelet/object
needs.kubelet/runtime := $(kubelet.pkg) pkg/net kubelet/cm kubelet/object
needs.kubelet/pleg := $(kubelet.pkg) kubelet/runtime
needs.kubelet/source := $(kubelet.pkg)
needs.kubelet/pod/status := pkg/base pkg/codec kubelet/cm kubelet/runtime gen
needs.kubelet/pod := $(kubelet.pkg) kubelet/pod/status kubelet/cm kubelet/object kubelet/volume kubelet/runtime kubelet/pleg
needs.kubelet/node := $(kubelet.pkg) kubelet/config
needs.kubelet/cert := $(kubelet.pkg) pkg/net
# The border of rights: kubelet/gate runs as root, kubelet/gate/child with no rights, and only the channel is on both sides.
needs.kubelet/gate/channel := pkg/base pkg/loop pkg/codec gen
needs.kubelet/gate/child := pkg/base pkg/loop pkg/codec pkg/stream pkg/net kubelet/gate/channel gen
needs.kubelet/gate := pkg/base pkg/loop pkg/codec pkg/stream kubelet/gate/channel gen
tests.kubelet/gate := kubelet/gate/child
needs.kubelet/api := $(kubelet.pkg) pkg/net kubelet/runtime kubelet/gate
tests.kubelet/api := pkg/stream
needs.kubelet := $(kubelet.pkg) kubelet/config kubelet/cm kubelet/object kubelet/volume kubelet/runtime kubelet/pleg \
	kubelet/source kubelet/pod kubelet/node kubelet/cert kubelet/gate kubelet/gate/child kubelet/api pkg/net

libs.pkg/stream := -l:libz.a
libs.pkg/loop := -l:libuv_a.a -lpthread -ldl -lrt
libs.pkg/codec := -l:libyajl_s.a -l:libyaml.a
libs.gen := -l:libprotobuf-c.a
libs.pkg/net := $(DEPS)/lib/libcurl.a \
	-l:libnghttp2.a -l:libssl.a -l:libcrypto.a -l:libz.a -lpthread -ldl
libs.pkg/grpc = -l:libgrpc_unsecure.a -l:libgpr.a -l:libaddress_sorting.a -l:libupb.a -l:libre2.a -l:libcares.a \
	-l:libz.a /usr/lib/$(MULTIARCH)/libabsl_*.a \
	-Wl,-Bstatic -lstdc++ -Wl,-Bdynamic -static-libgcc -lpthread -ldl -lrt -lm
