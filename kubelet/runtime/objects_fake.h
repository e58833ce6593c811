/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests only: stands in for kubelet/object at link time. What is in `secrets` exists, as logins for reg.io,
 * whatever the namespace; nothing else does. A test file includes it once, behind cri_fake.h.
 */
#include "kubelet/object/object.h"
#include "kubelet/runtime/cri_fake.h"

struct fake_secret {
	const char *name, *uid, *password;
};

static struct fake_secret secrets[4];

struct fake_get {
	struct task task;
	task_done_fn *done;
	void *owner;
	struct arena *arena;
	ProtobufCMessage *secret;
	struct err err;
};

static void fake_got(void *arg)
{
	struct fake_get *get = arg;

	get->done(get->owner, get->secret, get->secret ? NULL : &get->err);
	arena_free(get->arena);
	free(get);
}

static void fake_get_cancel(struct task *task)
{
}

struct task *objects_get(struct objects *objects, enum object_kind kind, const char *namespace_, const char *name,
			 task_done_fn *done, void *owner)
{
	struct fake_get *get = xcalloc(1, sizeof *get);

	get->task.cancel = fake_get_cancel;
	get->arena = arena_new();
	get->done = done;
	get->owner = owner;
	err_set(&get->err, -ENOENT, "%s \"%s\" not found", kind == OBJECT_SECRET ? "secret" : "configmap", name);
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		Core__Secret *secret;
		Core__Secret__DataEntry *entry;

		if (kind != OBJECT_SECRET || !str_eq(secrets[i].name, name))
			continue;
		secret = PB_NEW(get->arena, Core__Secret, core__secret__descriptor);
		secret->metadata = PB_NEW(get->arena, Meta__ObjectMeta, meta__object_meta__descriptor);
		secret->metadata->name = arena_strdup(get->arena, name);
		secret->metadata->namespace_ = arena_strdup(get->arena, namespace_);
		secret->metadata->uid = arena_strdup(get->arena, secrets[i].uid);
		secret->type = arena_strdup(get->arena, "kubernetes.io/dockerconfigjson");
		entry = PB_NEW(get->arena, Core__Secret__DataEntry, core__secret__data_entry__descriptor);
		entry->key = arena_strdup(get->arena, ".dockerconfigjson");
		entry->value.data = (uint8_t *)arena_printf(
			get->arena, "{\"auths\":{\"reg.io\":{\"username\":\"me\",\"password\":\"%s\"}}}",
			secrets[i].password);
		entry->value.len = strlen((char *)entry->value.data);
		PB_APPEND(get->arena, secret, data, entry);
		get->secret = &secret->base;
	}
	loop_post(fake.loop, fake_got, get);
	return &get->task;
}
