// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"math/rand"
	"regexp"
	"strings"
	"time"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/api/resource"

	_ "crypto/sha256" // digests of references
	_ "crypto/sha512"
)

// official reads a text with the official module and writes it again.
type official func(text string) (string, error)

// format: valid texts, and pieces that more texts, good and bad, are put together from.
type format struct {
	kind   string
	read   official
	texts  []string
	pieces []string
	length int
}

func quantity(text string) (string, error) {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return "", err
	}
	milli := q.MilliValue()
	if q.Value() > math.MaxInt64/1000 || q.Value() < math.MinInt64/1000 {
		milli = math.MaxInt64 // the official one overflows here; ours saturates
		if q.Sign() < 0 {
			milli = math.MinInt64
		}
	}
	return fmt.Sprintf("%s %d %d", canonical(q), q.Value(), milli), nil
}

// A Quantity remembers how it was written; its canonical text comes from what it is.
func canonical(q resource.Quantity) string {
	number, suffix := q.CanonicalizeBytes(make([]byte, 0, 64))
	return string(number) + string(suffix)
}

func image(text string) (string, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return "", fmt.Errorf("couldn't parse image name %q: %v", text, err)
	}
	return reference.TagNameOnly(named).String(), nil
}

func duration(text string) (string, error) {
	d, err := time.ParseDuration(text)
	return d.String(), err
}

func moment(text string) (string, error) {
	t, err := time.Parse(time.RFC3339, text)
	return t.UTC().Format(time.RFC3339Nano), err
}

var formats = []format{
	{"quantity", quantity, []string{"0", "1", "100m", "1.5Gi", "12e6", "1E", "0.1Ki", "-5M", "9223372036854775807", "1000000n"},
		[]string{"0", "1", "5", "12", "000", "1024", ".", "-", "+", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-3", "n", "u", "x", " "}, 4},
	{"image", image, []string{"nginx", "nginx:1.25", "registry.k8s.io/pause:3.10", "localhost:5000/a/b@sha256:" + strings.Repeat("0123456789abcdef", 4)},
		[]string{"a", "B", "9", "-", "_", "__", ".", "/", ":", "@", "localhost", "docker.io", "index.docker.io", "[::1]", ":80", ":v1.0",
			"@sha256:" + strings.Repeat("ab", 32), "@sha256:" + strings.Repeat("ab", 20), "@md5:" + strings.Repeat("ab", 16), "library/"}, 5},
	{"duration", duration, []string{"0", "10s", "1h2m3.5s", "100ms", "1us"},
		[]string{"0", "1", "90", "1.5", ".", "-", "+", "h", "m", "s", "ms", "us", "µs", "ns", "d", " "}, 5},
	{"time", moment, []string{"2026-11-25T07:10:00Z", "2026-11-25T07:10:00.123+02:00", "0001-01-01T00:00:00Z"},
		[]string{"2024-02-29", "2023-02-29", "T", "t", "23:59:59", "24:00:00", "07:10:60", ".5", ".123456789", ".", "Z", "+01:00", "-23:59", "+24:00", "x"}, 4},
}

// Exponents of two digits and more are past every quantity: the official module overflows in its own ways there.
var pastAll = regexp.MustCompile(`[eE][-+]?[0-9]{2,}$`)

// compareFormats reads the same texts, good and bad, with our code and the official one.
func compareFormats(h *helper) {
	random := rand.New(rand.NewSource(1)) // the same texts in every run
	for _, f := range formats {
		texts := append([]string{}, f.texts...)
		for i := 0; i < 5000; i++ {
			text := ""
			for n := random.Intn(f.length) + 1; n > 0; n-- {
				text += f.pieces[random.Intn(len(f.pieces))]
			}
			if f.kind != "quantity" || !pastAll.MatchString(text) {
				texts = append(texts, text)
			}
		}
		var problems []string
		for _, text := range texts {
			want, wantErr := f.read(text)
			answer, err := h.ask('f', f.kind, []byte(text))
			got := string(answer)
			switch {
			case (err == nil) != (wantErr == nil):
				problems = append(problems, fmt.Sprintf("%q: got %q, %v; want %q, %v", text, got, err, want, wantErr))
			case err == nil && got != want:
				problems = append(problems, fmt.Sprintf("%q: got %q, want %q", text, got, want))
			case err != nil && f.kind == "image" && err.Error() != wantErr.Error():
				problems = append(problems, fmt.Sprintf("%q: got %q, want %q", text, err, wantErr))
			}
		}
		check("texts of "+f.kind, problems)
	}
}
