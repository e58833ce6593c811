/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/pb.h"

#include <string.h>

#include "cri/cri.pb-c.h"
#include "k8s/core.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/test/test.h"

static Core__Pod *sample(struct arena *arena)
{
	Core__Pod *pod = PB_NEW(arena, Core__Pod, core__pod__descriptor);

	pod->metadata = PB_NEW(arena, Meta__ObjectMeta, meta__object_meta__descriptor);
	pod->metadata->name = arena_strdup(arena, "nginx");
	pod->spec = PB_NEW(arena, Core__PodSpec, core__pod_spec__descriptor);
	pod->spec->has_hostnetwork = 1;
	for (int i = 0; i < 5; i++) {
		Core__Container *container = PB_NEW(arena, Core__Container, core__container__descriptor);

		container->name = arena_printf(arena, "c%d", i);
		PB_APPEND(arena, container, args, arena_strdup(arena, "a"));
		PB_APPEND(arena, pod->spec, containers, container);
	}
	return pod;
}

TEST(encoded_decoded_and_copied)
{
	_cleanup_arena_ struct arena *arena = arena_new(), *other = arena_new();
	_cleanup_buf_ struct buf wire = BUF_INIT(SIZE_MAX), again = BUF_INIT(SIZE_MAX);
	Core__Pod *pod = sample(arena);
	ProtobufCMessage *back;
	struct err err;

	CHECK_OK(pb_encode(&pod->base, &wire, &err), &err);
	CHECK_OK(pb_decode(&core__pod__descriptor, wire.bytes, wire.size, other, &back, &err), &err);
	CHECK("the same", pb_equal(&pod->base, back));
	Core__Pod *copy = PB_COPY(pod, other);
	copy->spec->containers[4]->args[0][0] = 'b';
	CHECK("a copy is its own", !pb_equal(&pod->base, &copy->base));
	CHECK_STR("the first is untouched", pod->spec->containers[4]->args[0], "a");
	copy->spec->containers[4]->args[0][0] = 'a';
	CHECK_OK(pb_encode(&copy->base, &again, &err), &err);
	CHECK_MEM("same bytes", again.bytes, again.size, wire.bytes, wire.size);
}

/* As the groups of a user from a TokenReview get "system:authenticated" added. */
TEST(a_list_of_a_copy_can_grow)
{
	_cleanup_arena_ struct arena *arena = arena_new(), *other = arena_new();
	Core__Container *container = PB_NEW(arena, Core__Container, core__container__descriptor);

	for (int n = 1; n <= 40; n++) {
		PB_APPEND(arena, container, args, arena_printf(arena, "arg %d", n));

		Core__Container *copy = PB_COPY(container, other);

		PB_APPEND(other, copy, args, arena_strdup(other, "added"));
		CHECK_STR("the first", copy->args[0], "arg 1");
		CHECK_STR("the last of the copy", copy->args[n - 1], arena_printf(arena, "arg %d", n));
		CHECK_STR("what was added", copy->args[n], "added");
	}
}

TEST(absent_and_empty_differ)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__Pod *a = sample(arena), *b = sample(arena);

	CHECK("equal", pb_equal(&a->base, &b->base));
	b->spec->has_hostnetwork = 0;
	CHECK("given or not", !pb_equal(&a->base, &b->base));
	b->spec->has_hostnetwork = 1;
	b->spec->hostnetwork = 1;
	CHECK("value", !pb_equal(&a->base, &b->base));
	b = sample(arena);
	b->spec->n_containers--;
	CHECK("length", !pb_equal(&a->base, &b->base));
}

TEST(messages_start_with_their_defaults)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Cri__PodSandboxConfig *config = PB_NEW(arena, Cri__PodSandboxConfig, cri__pod_sandbox_config__descriptor);

	CHECK_STR("proto3 text", config->hostname, "");
	CHECK("message", !config->metadata);
}

TEST(texts_are_checked)
{
	/* Field 4 of Container is the image: tag 0x12; ContainerStatus and others alike. */
	static const struct {
		const char *rule, *wire;
		size_t size;
		const char *want;
	} rows[] = {
		{ "zero byte",
		  "\x0a\x02"
		  "a\0",
		  4, "Container.name holds a zero byte" },
		{ "not UTF-8", "\x0a\x01\xff", 3, "Container.name is not UTF-8" },
		{ "inside a message", "\x3a\x03\x0a\x01\xff", 5, "EnvVar.name is not UTF-8" },
		{ "cut",
		  "\x0a\x05"
		  "a",
		  3, "not a protobuf message of type Container" },
		{ "an endless number", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11,
		  "not a protobuf message of type Container" },
		{ "a group", "\x0b\x0c", 2, "not a protobuf message of type Container" },
		{ "length past the end of memory", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11,
		  "not a protobuf message of type Container" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		ProtobufCMessage *message;
		struct err err;

		CHECK_INT(rows[i].rule,
			  pb_decode(&core__container__descriptor, rows[i].wire, rows[i].size, arena, &message, &err),
			  ==, -EBADMSG);
		CHECK_STR(rows[i].rule, err.text, rows[i].want);
	}
}

TEST(limits)
{
	_cleanup_arena_ struct arena *arena = arena_new(), *tight = arena_new_limited(600);
	_cleanup_buf_ struct buf wire = BUF_INIT(SIZE_MAX), small = BUF_INIT(3);
	Core__Pod *pod = sample(arena);
	ProtobufCMessage *message;
	char broken[] = "\xc0\x80";
	struct err err;

	CHECK_OK(pb_encode(&pod->base, &wire, &err), &err);
	CHECK_INT("arena", pb_decode(&core__pod__descriptor, wire.bytes, wire.size, tight, &message, &err), ==,
		  -ENOBUFS);
	CHECK_INT("buffer", pb_encode(&pod->base, &small, &err), ==, -ENOBUFS);
	pod->metadata->name = broken;
	CHECK_INT("text", pb_encode(&pod->base, &wire, &err), ==, -EILSEQ);
	CHECK_STR("names it", err.text, "ObjectMeta.name is not UTF-8");
	CHECK_OK(pb_decode(&core__pod__descriptor, NULL, 0, arena, &message, &err), &err);
}
