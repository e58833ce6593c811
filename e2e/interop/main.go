// SPDX-License-Identifier: Apache-2.0

// Interop compares our .proto files and codecs with the official Go modules of Kubernetes.
//
//	interop OURS.fds OFFICIAL.fds OUR-CRI.fds OFFICIAL-CRI.fds ROUNDTRIP-PROGRAM
package main

import (
	"fmt"
	"os"
)

var passed, failed int

// check counts one comparison and says what differs.
func check(name string, problems []string) {
	if len(problems) == 0 {
		passed++
		return
	}
	failed++
	fmt.Printf("not ok %s\n", name)
	for i, problem := range problems {
		if i == 20 {
			fmt.Printf("#   and %d more\n", len(problems)-i)
			break
		}
		fmt.Printf("#   %s\n", problem)
	}
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: interop OURS.fds OFFICIAL.fds OUR-CRI.fds OFFICIAL-CRI.fds ROUNDTRIP")
		os.Exit(2)
	}
	compareDescriptors(load(os.Args[1]), load(os.Args[2]))
	compareDescriptors(load(os.Args[3]), load(os.Args[4]))
	compareServices(load(os.Args[3]), load(os.Args[4]))
	compareJSONNames(load(os.Args[1]))
	compareConfiguration(load(os.Args[1]))
	roundTrips(os.Args[5])
	fmt.Printf("interop: %d passed, %d failed, 0 skipped\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
