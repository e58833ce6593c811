// SPDX-License-Identifier: Apache-2.0

// Badcri stands between a kubelet and its CRI runtime: it passes every call on as raw bytes, and misbehaves as a file
// of rules says. The file is read again for each call, so that a test can change its mind while both sides run.
//
//	badcri -listen SOCKET -to SOCKET -rules FILE
//
// A rule is a line "METHOD BEHAVIOUR [ARGUMENT]"; METHOD is a call of CRI such as RunPodSandbox, "METHOD/TEXT" only those
// with the text in the request, or "*" the connection itself. Each misbehaviour is written to stderr as "METHOD BEHAVIOUR ...". For a call:
//
//	pass             as without a rule, but told
//	unimplemented    as a runtime without this service answers
//	never            no answer, and the runtime is not asked
//	late             the runtime is asked, its answer never comes
//	empty            an answer without any field
//	broken           an answer that is no protobuf
//	oversized        17 MiB of fields that nobody knows after the answer's own
//	cut              half of the answer, then the connection ends
//	utf8             texts of the answer that are no UTF-8
//	error TEXT       the status Unknown with a message; %XX in it are bytes
//	version TEXT     (Version) that version of the kubelet's runtime API
//	url TEXT         (Exec, Attach, PortForward) that URL; {port} and {path} are the real one's, {a} redirects, {b}
//	                 accepts and never says a word, {c} says what is no HTTP, {d} passes on to the real one over IPv6
//	                 (all four are ports), {long} is 10 kB of letters
//
// And for a connection: garbage (bytes that are no HTTP/2), hangup (it ends at once), mute (silence while the rule stands).
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	messageMax = 64 << 20 // above what a kubelet takes
	marker     = "\u2622\u2622-no-utf-8"
	elsewhere  = "http://169.254.169.254/latest/meta-data/"
)

// Of the same length as the marker, as texts carry their length.
var broken = []byte("\xff\xfe\xed\xa0\x80\xc3-no-utf-8")

// --- bytes as they are ---

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

// --- rules ---

type rule struct{ behaviour, argument string }

type proxy struct {
	runtime *grpc.ClientConn
	rules   string
	ports   map[string]string // of "{a}" and so on
	real    atomic.Value      // host:port where the runtime streams, as it last said
}

func (p *proxy) rule(method string, request []byte) rule {
	text, err := os.ReadFile(p.rules)
	if err != nil {
		return rule{}
	}
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.SplitN(line, " ", 3)
		if len(words) < 2 {
			continue
		}
		name, only, _ := strings.Cut(words[0], "/")
		if name != method || !bytes.Contains(request, []byte(only)) {
			continue
		}
		found := rule{behaviour: words[1]}
		if len(words) == 3 {
			found.argument = words[2]
		}
		return found
	}
	return rule{}
}

func told(method string, r rule) {
	fmt.Fprintf(os.Stderr, "%s %s %s\n", method, r.behaviour, r.argument)
}

// --- one call ---

func (p *proxy) handle(_ any, server grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(server)
	method := path.Base(full)
	var request []byte
	if err := server.RecvMsg(&request); err != nil {
		return err
	}
	r := p.rule(method, request)
	if r.behaviour != "" {
		told(method, r)
	}
	switch r.behaviour {
	case "never":
		<-server.Context().Done()
		return status.FromContextError(server.Context().Err()).Err()
	case "unimplemented":
		return status.Error(codes.Unimplemented, "unknown service "+strings.Trim(path.Dir(full), "/"))
	case "error":
		text, err := url.PathUnescape(r.argument)
		if err != nil {
			text = err.Error()
		}
		return status.Error(codes.Unknown, text)
	}
	return p.pass(server, full, request, func(answer []byte) error {
		if r.behaviour == "late" {
			<-server.Context().Done()
			return status.FromContextError(server.Context().Err()).Err()
		}
		changed, err := p.change(server, method, r, answer)
		if err != nil {
			told(method, rule{"failed:", err.Error()})
			return status.Error(codes.Internal, err.Error())
		}
		return server.SendMsg(&changed)
	})
}

func (p *proxy) pass(server grpc.ServerStream, method string, request []byte, each func([]byte) error) error {
	desc := &grpc.StreamDesc{ServerStreams: true}
	runtime, err := p.runtime.NewStream(server.Context(), desc, method)
	if err != nil {
		return err
	}
	if err := runtime.SendMsg(&request); err != nil && err != io.EOF {
		return err
	}
	if err := runtime.CloseSend(); err != nil {
		return err
	}
	for {
		var answer []byte
		if err := runtime.RecvMsg(&answer); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := each(answer); err != nil {
			return err
		}
	}
}

func padded(answer []byte, size int) []byte {
	answer = protowire.AppendTag(answer, 1000, protowire.BytesType)
	return protowire.AppendBytes(answer, make([]byte, size))
}

func (p *proxy) change(server grpc.ServerStream, method string, r rule, answer []byte) ([]byte, error) {
	switch r.behaviour {
	case "", "pass":
		if method == "Exec" || method == "Attach" || method == "PortForward" {
			_, err := p.streamingURL(answer)
			return answer, err
		}
		return answer, nil
	case "empty":
		return nil, nil
	case "broken":
		return []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}, nil
	case "oversized":
		return padded(answer, 17<<20), nil
	case "cut":
		from, _ := peer.FromContext(server.Context())
		from.Addr.(*connAddr).conn.cutAfter.Store(32 << 10)
		return padded(answer, 256<<10), nil
	case "utf8":
		return breakTexts(method, answer)
	case "version":
		var version cri.VersionResponse
		if err := proto.Unmarshal(answer, &version); err != nil {
			return nil, err
		}
		version.Version = r.argument
		return proto.Marshal(&version)
	case "url":
		real, err := p.streamingURL(answer)
		if err != nil {
			return nil, err
		}
		text := strings.NewReplacer("{port}", real.Port(), "{path}", real.Path, "{long}", strings.Repeat("x", 10000),
			"{a}", p.ports["a"], "{b}", p.ports["b"], "{c}", p.ports["c"], "{d}", p.ports["d"]).Replace(r.argument)
		text, err = url.PathUnescape(text)
		if err != nil {
			return nil, err
		}
		told(method, rule{"says", text[:min(len(text), 100)]})
		return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text), nil
	}
	return nil, fmt.Errorf("no behaviour %q for %s", r.behaviour, method)
}

// The answers to Exec, Attach and PortForward look alike on the wire.
func (p *proxy) streamingURL(answer []byte) (*url.URL, error) {
	var exec cri.ExecResponse
	if err := proto.Unmarshal(answer, &exec); err != nil {
		return nil, err
	}
	real, err := url.Parse(exec.Url)
	if err == nil {
		p.real.Store(real.Host)
	}
	return real, err
}

func breakTexts(method string, answer []byte) ([]byte, error) {
	var message proto.Message
	switch method {
	case "ContainerStatus":
		var m cri.ContainerStatusResponse
		if err := proto.Unmarshal(answer, &m); err != nil {
			return nil, err
		}
		if m.Status != nil {
			m.Status.Reason, m.Status.Message = marker, marker
		}
		message = &m
	case "ListContainers":
		var m cri.ListContainersResponse
		if err := proto.Unmarshal(answer, &m); err != nil {
			return nil, err
		}
		for _, container := range m.Containers {
			container.Labels["odd"] = marker
		}
		message = &m
	case "RunPodSandbox":
		message = &cri.RunPodSandboxResponse{PodSandboxId: marker}
	case "Status":
		var m cri.StatusResponse
		if err := proto.Unmarshal(answer, &m); err != nil {
			return nil, err
		}
		for _, condition := range m.Status.Conditions {
			condition.Message = marker
		}
		message = &m
	default:
		return nil, fmt.Errorf("no texts known in %s", method)
	}
	valid, err := proto.Marshal(message)
	return bytes.ReplaceAll(valid, []byte(marker), broken), err
}

// --- connections ---

// connAddr leads from a call to its connection.
type connAddr struct {
	net.Addr
	conn *conn
}

type conn struct {
	net.Conn
	proxy    *proxy
	cutAfter atomic.Int64 // 0: never; else so many bytes more
	mutex    sync.Mutex
}

func (c *conn) RemoteAddr() net.Addr { return &connAddr{c.Conn.RemoteAddr(), c} }

func (c *conn) Write(data []byte) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if left := c.cutAfter.Load(); left > 0 {
		if int64(len(data)) >= left {
			_, _ = c.Conn.Write(data[:left])
			_ = c.Conn.Close()
			return 0, io.ErrClosedPipe
		}
		c.cutAfter.Store(left - int64(len(data)))
	}
	return c.Conn.Write(data)
}

// A connection that was fine turns bad at the next thing that the kubelet says on it.
func (c *conn) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	if r := c.proxy.rule("*", nil); err == nil && r.behaviour != "" {
		c.spoil(r)
		return 0, io.EOF
	}
	return n, err
}

func (c *conn) spoil(r rule) {
	told("*", r)
	switch r.behaviour {
	case "garbage":
		c.mutex.Lock()
		_, _ = c.Conn.Write(bytes.Repeat([]byte("HTTP/1.1 404 Not Found\r\n\r\n\x00\xff"), 1000))
		c.mutex.Unlock()
	case "mute":
		for c.proxy.rule("*", nil) == r {
			time.Sleep(100 * time.Millisecond)
		}
	}
	_ = c.Conn.Close()
}

type listener struct {
	net.Listener
	proxy *proxy
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: accepted, proxy: l.proxy}
		if r := l.proxy.rule("*", nil); r.behaviour != "" {
			go c.spoil(r)
			continue
		}
		return c, nil
	}
}

// --- where streaming URLs may lead ---

func (p *proxy) serve(name, address string, each func(net.Conn)) {
	listening, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	p.ports[name] = strconv.Itoa(listening.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			accepted, err := listening.Accept()
			if err != nil {
				return
			}
			told("stream", rule{name, accepted.RemoteAddr().String()})
			go func() {
				defer accepted.Close()
				each(accepted)
			}()
		}
	}()
}

func (p *proxy) join(from net.Conn) {
	host, _ := p.real.Load().(string)
	to, err := net.Dial("tcp", host)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
	_ = from.(*net.TCPConn).CloseWrite()
}

func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 64<<10))
		_, _ = io.WriteString(c, text)
	}
}

func main() {
	listen := flag.String("listen", "", "socket to listen on")
	to := flag.String("to", "", "socket of the runtime")
	rules := flag.String("rules", "", "file of rules")
	flag.Parse()

	runtime, err := grpc.NewClient("passthrough:///runtime", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", *to)
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(messageMax)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	p := &proxy{runtime: runtime, rules: *rules, ports: map[string]string{}}
	p.serve("a", "127.0.0.1:0", answer("HTTP/1.1 302 Found\r\nLocation: "+elsewhere+"\r\nContent-Length: 0\r\n\r\n"))
	p.serve("b", "127.0.0.1:0", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	p.serve("c", "127.0.0.1:0", answer(strings.Repeat("\x00\xff\r\n", 1000)))
	p.serve("d", "[::1]:0", p.join)
	_ = os.Remove(*listen)
	socket, err := net.Listen("unix", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(p.handle),
		grpc.MaxRecvMsgSize(messageMax), grpc.MaxSendMsgSize(messageMax))
	if err := server.Serve(&listener{socket, p}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
