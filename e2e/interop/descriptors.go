// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
)

type message = descriptorpb.DescriptorProto
type field = descriptorpb.FieldDescriptorProto

type set struct {
	messages map[string]*message
	enums    map[string]*descriptorpb.EnumDescriptorProto
	services []*descriptorpb.ServiceDescriptorProto
}

// Texts that the API lets contain U+0000 are bytes in our files: the same on the wire.
var bytesForText = map[string]bool{".k8s.io.api.core.v1.ConfigMap.DataEntry.value": true}

// Members whose fields appear in their parent's JSON object.
var inlined = map[string]bool{
	"volumeSource": true, "handler": true, "ephemeralContainerCommon": true, "localObjectReference": true,
}

// Fields whose JSON name is another than their protobuf name.
var renamed = map[string]string{"BoundObjectReference.uID": "uid"}

func load(path string) *set {
	raw, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(raw, &files); err != nil {
		panic(err)
	}
	all := &set{messages: map[string]*message{}, enums: map[string]*descriptorpb.EnumDescriptorProto{}}
	for _, file := range files.File {
		prefix := "." + file.GetPackage()
		if strings.HasPrefix(prefix, ".google") || prefix == "." {
			continue
		}
		for _, m := range file.MessageType {
			all.add(prefix, m)
		}
		for _, e := range file.EnumType {
			all.enums[prefix+"."+e.GetName()] = e
		}
		all.services = append(all.services, file.Service...)
	}
	return all
}

func (all *set) add(prefix string, m *message) {
	name := prefix + "." + m.GetName()
	all.messages[name] = m
	for _, nested := range m.NestedType {
		all.add(name, nested)
	}
	for _, e := range m.EnumType {
		all.enums[name+"."+e.GetName()] = e
	}
}

func describe(f *field) string {
	return fmt.Sprintf("%s %s %s%s = %d", strings.TrimPrefix(f.GetLabel().String(), "LABEL_"),
		strings.TrimPrefix(f.GetType().String(), "TYPE_"), f.GetName(), f.GetTypeName(), f.GetNumber())
}

func fields(m *message) map[int32]*field {
	byNumber := map[int32]*field{}
	for _, f := range m.Field {
		byNumber[f.GetNumber()] = f
	}
	return byNumber
}

// Our configuration files have no official descriptor; compareConfiguration looks at them.
func isOwn(name string) bool {
	return strings.HasPrefix(name, ".config.") || strings.HasPrefix(name, ".gate.")
}

func compareDescriptors(ours, official *set) {
	for name, m := range ours.messages {
		if isOwn(name) {
			continue
		}
		other, ok := official.messages[name]
		if !ok {
			check("message "+name, []string{"there is no official one"})
			continue
		}
		check("message "+name, compareMessages(name, m, other))
	}
	for name, e := range ours.enums {
		other := official.enums[name]
		var problems []string
		if other == nil || len(other.Value) != len(e.Value) {
			problems = append(problems, "other values")
		} else {
			for i := range e.Value {
				if e.Value[i].GetName() != other.Value[i].GetName() || e.Value[i].GetNumber() != other.Value[i].GetNumber() {
					problems = append(problems, e.Value[i].GetName())
				}
			}
		}
		check("enum "+name, problems)
	}
}

func compareMessages(name string, m, other *message) (problems []string) {
	official := fields(other)
	for number, f := range fields(m) {
		o, ok := official[number]
		if !ok {
			problems = append(problems, describe(f)+" is not official")
			continue
		}
		delete(official, number)
		a, b := describe(f), describe(o)
		if bytesForText[name+"."+f.GetName()] {
			a = strings.Replace(a, "BYTES", "STRING", 1)
		}
		if a != b {
			problems = append(problems, a+", officially "+b)
		}
	}
	for _, o := range official {
		problems = append(problems, describe(o)+" is missing")
	}
	return problems
}

func compareServices(ours, official *set) {
	calls := func(s *set) map[string]string {
		all := map[string]string{}
		for _, service := range s.services {
			for _, m := range service.Method {
				all[service.GetName()+"/"+m.GetName()] = fmt.Sprint(m.GetInputType(), m.GetOutputType(), m.GetServerStreaming())
			}
		}
		return all
	}
	a, b := calls(ours), calls(official)
	var problems []string
	if len(a) != len(b) {
		problems = append(problems, fmt.Sprintf("%d calls, officially %d", len(a), len(b)))
	}
	for name, call := range b {
		if a[name] != call {
			problems = append(problems, name+": "+a[name]+", officially "+call)
		}
	}
	check("the calls of CRI", problems)
}

// compareJSONNames follows the official Go types and their two tags.
func compareJSONNames(ours *set) {
	seen := map[reflect.Type]bool{}
	for name, root := range map[string]any{
		"core.v1.PodList": corev1.PodList{}, "core.v1.NodeList": corev1.NodeList{}, "core.v1.Event": corev1.Event{},
		"core.v1.ConfigMap": corev1.ConfigMap{}, "core.v1.Secret": corev1.Secret{}, "core.v1.Service": corev1.Service{},
		"coordination.v1.Lease":                     coordinationv1.Lease{},
		"authentication.v1.TokenReview":             authenticationv1.TokenReview{},
		"authentication.v1.TokenRequest":            authenticationv1.TokenRequest{},
		"authorization.v1.SubjectAccessReview":      authorizationv1.SubjectAccessReview{},
		"certificates.v1.CertificateSigningRequest": certificatesv1.CertificateSigningRequest{},
		"node.v1.RuntimeClass":                      nodev1.RuntimeClass{},
	} {
		compareNames(ours, ".k8s.io.api."+name, reflect.TypeOf(root), seen)
	}
	compareNames(ours, ".k8s.io.apimachinery.pkg.apis.meta.v1.Status", reflect.TypeOf(metav1.Status{}), seen)
}

func numberOf(tag string) string {
	parts := strings.Split(tag, ",")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

func compareNames(ours *set, name string, t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] || t.Kind() != reflect.Struct {
		return
	}
	seen[t] = true
	m, ok := ours.messages[name]
	switch {
	case !ok, strings.HasSuffix(name, ".FieldsV1"), strings.HasSuffix(name, ".IntOrString"), strings.HasSuffix(name, ".Time"):
		return // a shape of its own, which the round trips look at
	}
	var problems []string
	byNumber := map[string]*field{}
	for _, f := range m.Field {
		byNumber[fmt.Sprint(f.GetNumber())] = f
	}
	for i := 0; i < t.NumField(); i++ {
		member := t.Field(i)
		f, ok := byNumber[numberOf(member.Tag.Get("protobuf"))]
		if !ok {
			continue // TypeMeta
		}
		json, options, _ := strings.Cut(member.Tag.Get("json"), ",")
		ourName := f.GetName()
		if to, ok := renamed[m.GetName()+"."+ourName]; ok {
			ourName = to
		}
		if json == "" {
			if !inlined[f.GetName()] || !(member.Anonymous || strings.Contains(options, "inline")) {
				problems = append(problems, f.GetName()+" is inlined officially")
			}
		} else if json != ourName {
			problems = append(problems, ourName+" is "+json+" in JSON officially")
		}
		inner := member.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if f.GetTypeName() != "" {
			compareNames(ours, f.GetTypeName(), inner, seen)
		}
	}
	check("JSON names of "+name, problems)
}

// compareConfiguration checks our configuration types, which have no official protobuf, against the Go types.
func compareConfiguration(ours *set) {
	compareStruct(ours, ".config.KubeletConfiguration", reflect.TypeOf(kubeletv1beta1.KubeletConfiguration{}))
	compareStruct(ours, ".config.ImagePullIntent", reflect.TypeOf(kubeletv1beta1.ImagePullIntent{}))
	compareStruct(ours, ".config.ImagePulledRecord", reflect.TypeOf(kubeletv1beta1.ImagePulledRecord{}))
	compareStruct(ours, ".config.ImagePullCredentials", reflect.TypeOf(kubeletv1beta1.ImagePullCredentials{}))
	compareStruct(ours, ".config.ImagePullSecret", reflect.TypeOf(kubeletv1beta1.ImagePullSecret{}))
	compareStruct(ours, ".config.ImagePullServiceAccount", reflect.TypeOf(kubeletv1beta1.ImagePullServiceAccount{}))
}

func compareStruct(ours *set, name string, t reflect.Type) {
	m := ours.messages[name]
	var problems []string
	byName := map[string]*field{}
	for _, f := range m.Field {
		byName[f.GetName()] = f
	}
	for i := 0; i < t.NumField(); i++ {
		member := t.Field(i)
		json, _, _ := strings.Cut(member.Tag.Get("json"), ",")
		if member.Type == reflect.TypeOf(metav1.TypeMeta{}) { // ours has the header as fields, or reads it apart
			delete(byName, "kind")
			delete(byName, "apiVersion")
		}
		if json == "" || json == "-" {
			continue
		}
		f, ok := byName[json]
		if !ok {
			problems = append(problems, json+" is missing")
			continue
		}
		delete(byName, json)
		inner := member.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if want := kindOf(inner); want != "" && want != kindOfOurs(f) {
			problems = append(problems, fmt.Sprintf("%s is %s, officially %s", json, kindOfOurs(f), want))
		}
		if inner.Kind() == reflect.Struct && strings.HasPrefix(f.GetTypeName(), ".config.") && f.GetTypeName() != ".config.Duration" {
			compareStruct(ours, f.GetTypeName(), inner)
		}
	}
	for left := range byName {
		problems = append(problems, left+" is not official")
	}
	check("configuration "+name, problems)
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Int32:
		return "int32"
	case reflect.Int64:
		return "int64"
	}
	if t == reflect.TypeOf(metav1.Duration{}) {
		return "duration"
	}
	return ""
}

func kindOfOurs(f *field) string {
	if f.GetTypeName() == ".config.Duration" {
		return "duration"
	}
	return strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
}
