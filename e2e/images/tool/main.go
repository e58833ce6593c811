// SPDX-License-Identifier: Apache-2.0

// Makes images without a registry, and serves them as one for the cases that pull.
//
//	tool make  -name REF -rootfs FILE.tar -out FILE.tar [-cmd ARG]... [-entrypoint ARG]... [-env K=V]... [-user U]
//	tool serve -listen ADDR -image NAME=FILE.tar... [-auth USER:PASSWORD]
//
// With -auth, repositories below "private/" ask for that user and password.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

const (
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func describe(mediaType string, b []byte) descriptor {
	return descriptor{MediaType: mediaType, Digest: digest(b), Size: int64(len(b))}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		log.Fatal(err)
	}
	return b
}

func makeImage(args []string) error {
	var cmd, entrypoint, env list
	flags := flag.NewFlagSet("make", flag.ExitOnError)
	name := flags.String("name", "", "full reference")
	rootfs := flags.String("rootfs", "", "tar of the root file system")
	out := flags.String("out", "", "file to write")
	user := flags.String("user", "", "user of the image")
	flags.Var(&cmd, "cmd", "one word of Cmd")
	flags.Var(&entrypoint, "entrypoint", "one word of Entrypoint")
	flags.Var(&env, "env", "one variable")
	_ = flags.Parse(args)

	plain, err := os.ReadFile(*rootfs)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(plain); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	layer := packed.Bytes()
	config := encode(map[string]any{
		"created": "1970-01-01T00:00:00Z", "architecture": "amd64", "os": "linux",
		"config": map[string]any{"Cmd": cmd, "Entrypoint": entrypoint, "Env": env, "User": *user, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(plain)}},
	})
	manifest := encode(map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest,
		"config": describe(typeConfig, config), "layers": []descriptor{describe(typeLayer, layer)},
	})
	entry := describe(typeManifest, manifest)
	entry.Annotations = map[string]string{"io.containerd.image.name": *name}
	top := encode(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{entry}})

	file, err := os.Create(*out)
	if err != nil {
		return err
	}
	defer file.Close()
	w := tar.NewWriter(file)
	put := func(path string, b []byte) {
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(b))})
		}
		if err == nil {
			_, err = w.Write(b)
		}
	}
	put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	put("index.json", top)
	for _, b := range [][]byte{config, layer, manifest} {
		put("blobs/sha256/"+strings.TrimPrefix(digest(b), "sha256:"), b)
	}
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Close()
}

// One image in memory: its blobs by digest, and the digest of its manifest.
type image struct {
	blobs    map[string][]byte
	manifest string
}

func loadImage(path string) (*image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	img := &image{blobs: map[string][]byte{}}
	for r := tar.NewReader(file); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return img, nil
		}
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if hash, ok := strings.CutPrefix(head.Name, "blobs/sha256/"); ok {
			img.blobs["sha256:"+hash] = b
		}
		if head.Name == "index.json" {
			var top index
			if err := json.Unmarshal(b, &top); err != nil || len(top.Manifests) != 1 {
				return nil, fmt.Errorf("%s: want an index with one manifest", path)
			}
			img.manifest = top.Manifests[0].Digest
		}
	}
}

func serve(args []string) error {
	var files list
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", "", "address")
	auth := flags.String("auth", "", "USER:PASSWORD of private/")
	flags.Var(&files, "image", "NAME=FILE.tar")
	_ = flags.Parse(args)

	images := map[string]*image{}
	for _, f := range files {
		name, path, _ := strings.Cut(f, "=")
		img, err := loadImage(path)
		if err != nil {
			return err
		}
		images[name] = img
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s", r.Method, r.URL.Path)
		path := strings.TrimPrefix(r.URL.Path, "/v2/")
		if user, password, _ := r.BasicAuth(); strings.HasPrefix(path, "private/") && user+":"+password != *auth {
			w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		if path == "" {
			return
		}
		parts := strings.Split(path, "/")
		if len(parts) < 3 {
			http.NotFound(w, r)
			return
		}
		img, kind, ref := images[parts[len(parts)-3]], parts[len(parts)-2], parts[len(parts)-1]
		if img == nil {
			http.NotFound(w, r)
			return
		}
		mediaType := "application/octet-stream"
		if kind == "manifests" {
			mediaType = typeManifest
			if !strings.HasPrefix(ref, "sha256:") {
				ref = img.manifest
			}
		}
		blob, ok := img.blobs[ref]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Docker-Content-Digest", ref)
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(blob)
		}
	}
	return http.ListenAndServe(*listen, http.HandlerFunc(handler))
}

func main() {
	log.SetFlags(log.Ltime)
	if len(os.Args) < 2 {
		log.Fatal("tool make | serve")
	}
	var err error
	switch os.Args[1] {
	case "make":
		err = makeImage(os.Args[2:])
	case "serve":
		err = serve(os.Args[2:])
	default:
		err = errors.New("tool make | serve")
	}
	if err != nil {
		log.Fatal(err)
	}
}
