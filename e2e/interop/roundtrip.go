// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// An object that speaks both wires.
type object interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

var kinds = []func() object{
	func() object { return &corev1.Pod{} },
	func() object { return &corev1.Node{} },
	func() object { return &corev1.ConfigMap{} },
	func() object { return &corev1.Secret{} },
	func() object { return &corev1.Service{} },
	func() object { return &corev1.Event{} },
	func() object { return &coordinationv1.Lease{} },
	func() object { return &authenticationv1.TokenReview{} },
	func() object { return &authenticationv1.TokenRequest{} },
	func() object { return &authorizationv1.SubjectAccessReview{} },
	func() object { return &certificatesv1.CertificateSigningRequest{} },
	func() object { return &nodev1.RuntimeClass{} },
	func() object { return &metav1.Status{} },
	func() object { return &metav1.DeleteOptions{} },
}

// fill sets every field: to something (full), or to the zero value with every pointer and list present.
func fill(v reflect.Value, full bool, n *int, depth int) {
	*n++
	switch v.Type() {
	case reflect.TypeOf(metav1.Time{}):
		if full {
			v.Set(reflect.ValueOf(metav1.Time{Time: time.Unix(1700000000+int64(*n), 0).UTC()}))
		}
		return
	case reflect.TypeOf(metav1.MicroTime{}):
		if full {
			v.Set(reflect.ValueOf(metav1.MicroTime{Time: time.Unix(1700000000+int64(*n), 123456000).UTC()}))
		}
		return
	case reflect.TypeOf(resource.Quantity{}):
		q := resource.MustParse("0")
		if full {
			q = resource.MustParse(fmt.Sprintf("%dMi", *n))
		}
		v.Set(reflect.ValueOf(q))
		return
	case reflect.TypeOf(intstr.IntOrString{}):
		if full && *n%2 == 0 {
			v.Set(reflect.ValueOf(intstr.FromString(fmt.Sprintf("port-%d", *n))))
		} else if full {
			v.Set(reflect.ValueOf(intstr.FromInt32(int32(*n))))
		}
		return
	case reflect.TypeOf([]metav1.ManagedFieldsEntry{}), reflect.TypeOf(metav1.TypeMeta{}):
		return // never read by us; the header is not part of the protobuf
	}
	switch v.Kind() {
	case reflect.Pointer:
		// A pointer to no time is null in JSON, which reads as no pointer: the official types cannot keep it either.
		if elem := v.Type().Elem(); !full && (elem == reflect.TypeOf(metav1.Time{}) || elem == reflect.TypeOf(metav1.MicroTime{})) {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), full, n, depth+1)
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			if v.Field(i).CanSet() {
				fill(v.Field(i), full, n, depth+1)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{}) // not nil: protobuf has no such difference
			if full {
				v.SetBytes([]byte{0, 1, 0xff, byte(*n)})
			}
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := 0; i < 2; i++ {
			fill(v.Index(i), full, n, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.SetString(fmt.Sprintf("key-%d", *n))
		fill(value, full, n, depth+1)
		v.SetMapIndex(key, value)
	case reflect.String:
		if full {
			v.SetString(fmt.Sprintf("text %d: \"é\\\n\u2028", *n))
		}
	case reflect.Bool:
		v.SetBool(full)
	case reflect.Int, reflect.Int32, reflect.Int64:
		if full {
			v.SetInt(int64(*n))
		}
	case reflect.Uint32, reflect.Uint64, reflect.Uint8:
		if full {
			v.SetUint(uint64(*n % 200))
		}
	}
}

// helper is our program: it turns one wire into the other.
type helper struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func (h *helper) convert(kind string, toProtobuf bool, data []byte) ([]byte, error) {
	if toProtobuf {
		return h.ask('p', kind, data)
	}
	return h.ask('j', kind, data)
}

func (h *helper) ask(mode byte, kind string, data []byte) ([]byte, error) {
	head := []byte{mode, byte(len(kind))}
	head = append(head, kind...)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(data)))
	if _, err := h.in.Write(append(head, data...)); err != nil {
		return nil, err
	}
	var answer [5]byte
	if _, err := io.ReadFull(h.out, answer[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.LittleEndian.Uint32(answer[1:]))
	if _, err := io.ReadFull(h.out, body); err != nil {
		return nil, err
	}
	if answer[0] != 0 {
		return nil, fmt.Errorf("%s", body)
	}
	return body, nil
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func difference(a, b string) string {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	from := max(0, at-60)
	return fmt.Sprintf("got ...%s, want ...%s", a[from:min(len(a), at+60)], b[from:min(len(b), at+60)])
}

func roundTrips(program string) {
	command := exec.Command(program)
	in, _ := command.StdinPipe()
	out, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		panic(err)
	}
	h := &helper{in: in, out: bufio.NewReader(out)}
	for _, make := range kinds {
		for _, mode := range []string{"full", "zero", "empty"} {
			original := make()
			name := reflect.TypeOf(original).Elem().Name()
			n := 0
			if mode != "empty" {
				fill(reflect.ValueOf(original).Elem(), mode == "full", &n, 0)
			}
			roundTrip(h, name, mode, original, make)
		}
	}
	compareFormats(h)
	in.Close()
	if err := command.Wait(); err != nil {
		check("the helper's end", []string{err.Error()})
	}
}

// roundTrip goes JSON → struct → protobuf and protobuf → struct → JSON, each end read by the official types.
func roundTrip(h *helper, name, mode string, original object, fresh func() object) {
	want := mustJSON(original)
	var problems []string
	if pb, err := h.convert(name, true, []byte(want)); err != nil {
		problems = append(problems, "from JSON: "+err.Error())
	} else if got := fresh(); got.Unmarshal(pb) != nil {
		problems = append(problems, "our protobuf cannot be read")
	} else if text := mustJSON(got); text != want {
		problems = append(problems, "JSON to protobuf: "+difference(text, want))
	}
	pb, err := original.Marshal()
	if err != nil {
		panic(err)
	}
	if text, err := h.convert(name, false, pb); err != nil {
		problems = append(problems, "from protobuf: "+err.Error())
	} else if got := fresh(); json.Unmarshal(text, got) != nil {
		problems = append(problems, "our JSON cannot be read: "+string(text[:min(len(text), 300)]))
	} else {
		reflect.ValueOf(got).Elem().FieldByName("TypeMeta").SetZero()
		if again := mustJSON(got); again != want {
			problems = append(problems, "protobuf to JSON: "+difference(again, want))
		}
	}
	check("round trip of "+name+", "+mode, problems)
}
