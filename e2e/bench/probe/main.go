// SPDX-License-Identifier: Apache-2.0

// Times operations through an API server with as little of its own as possible: kubectl costs more than what is measured.
//
//	probe -api URL -ca FILE -cert FILE -key FILE start N   pods created one after the other: creation until seen Running
//	probe … burst N                                        N pods created at once: until all are seen Running
//	probe … exec POD N                                     exec /bin/true over a WebSocket: request until status
//
// Each prints milliseconds, one a line. Pods go into the namespace default and are deleted again.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	pods      = "/api/v1/namespaces/default/pods"
	podsLimit = 2 * time.Minute // for pods to run, or to go
	execLimit = 30 * time.Second
)

type pod struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type client struct {
	base *url.URL
	conf *tls.Config
	http *http.Client
}

func newClient(base, ca, cert, key string) (*client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conf := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
	return &client{u, conf, &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}}}, nil
}

func (c *client) do(method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequest(method, c.base.String()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err == nil && resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return resp, err
}

func (c *client) call(method, path string, body []byte) error {
	resp, err := c.do(method, path, body)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return err
}

// watch calls seen for every change of a bench pod until it returns true.
func (c *client) watch(started func() error, seen func(kind string, p *pod) bool) error {
	resp, err := c.do("GET", pods+"?watch=1&labelSelector=bench&timeoutSeconds=150", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	timer := time.AfterFunc(podsLimit, func() { resp.Body.Close() })
	defer timer.Stop()
	if err := started(); err != nil {
		return err
	}
	decoder := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var event struct {
			Type   string `json:"type"`
			Object pod    `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return fmt.Errorf("waiting for pods: %w", err)
		}
		if seen(event.Type, &event.Object) {
			return nil
		}
	}
}

func (c *client) create(name string) error {
	return c.call("POST", pods, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"labels":{"bench":"1"}},
"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"c","image":"busybox","imagePullPolicy":"IfNotPresent",
"command":["sleep","100000"]}]}}`, name))
}

// run creates n pods at once, prints nothing, and returns the time until the last one runs; then it deletes them.
func (c *client) run(n int) (time.Duration, error) {
	names := map[string]bool{}
	for i := range n {
		names[fmt.Sprintf("bench-%d-%d", time.Now().UnixMilli(), i)] = true
	}
	var start time.Time
	var took time.Duration
	create := func() error {
		start = time.Now()
		for name := range names {
			if err := c.create(name); err != nil {
				return err
			}
		}
		return nil
	}
	running := map[string]bool{}
	err := c.watch(create, func(_ string, p *pod) bool {
		if names[p.Metadata.Name] && p.Status.Phase == "Running" {
			running[p.Metadata.Name] = true
		}
		took = time.Since(start)
		return len(running) == n
	})
	if err != nil {
		return 0, err
	}
	remove := func() error {
		for name := range names {
			if err := c.call("DELETE", pods+"/"+name, nil); err != nil {
				return err
			}
		}
		return nil
	}
	return took, c.watch(remove, func(kind string, p *pod) bool {
		if kind == "DELETED" {
			delete(names, p.Metadata.Name)
		}
		return len(names) == 0
	})
}

// exec runs /bin/true and returns when the status has arrived.
func (c *client) exec(name string) (time.Duration, error) {
	start := time.Now()
	conf := c.conf.Clone()
	conf.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", c.base.Host, conf)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(start.Add(execLimit)); err != nil {
		return 0, err
	}
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return 0, err
	}
	fmt.Fprintf(conn, "GET %s/%s/exec?command=/bin/true&stdout=1&stderr=1 HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"+
		"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n", pods, name, c.base.Host, base64.StdEncoding.EncodeToString(nonce))
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return 0, errors.New(resp.Status)
	}
	for {
		opcode, payload, err := readFrame(r)
		if err != nil {
			return 0, err
		}
		if opcode == 8 {
			return 0, errors.New("closed without a status")
		}
		const errorChannel = 3
		if len(payload) > 1 && payload[0] == errorChannel {
			if !strings.Contains(string(payload), `"Success"`) {
				return 0, errors.New(string(payload[1:]))
			}
			return time.Since(start), nil
		}
	}
}

func readFrame(r *bufio.Reader) (byte, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1] & 0x7f)
	if size >= 126 {
		long := make([]byte, 2)
		if size == 127 {
			long = make([]byte, 8)
		}
		if _, err := io.ReadFull(r, long); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...))
	}
	if size > 1<<20 {
		return 0, nil, fmt.Errorf("frame of %d bytes", size)
	}
	payload := make([]byte, size)
	_, err := io.ReadFull(r, payload)
	return head[0] & 0x0f, payload, err
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		log.Fatalf("not a count: %q", text)
	}
	return n
}

func main() {
	log.SetFlags(0)
	api := flag.String("api", "", "URL")
	ca := flag.String("ca", "", "file")
	cert := flag.String("cert", "", "file")
	key := flag.String("key", "", "file")
	flag.Parse()
	c, err := newClient(*api, *ca, *cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	show := func(took time.Duration, err error) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.1f\n", float64(took.Microseconds())/1000)
	}
	args := flag.Args()
	switch {
	case len(args) == 2 && args[0] == "start":
		for range number(args[1]) {
			show(c.run(1))
		}
	case len(args) == 2 && args[0] == "burst":
		show(c.run(number(args[1])))
	case len(args) == 3 && args[0] == "exec":
		for range number(args[2]) {
			show(c.exec(args[1]))
		}
	default:
		log.Fatal("probe … start N | burst N | exec POD N")
	}
}
