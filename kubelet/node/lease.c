/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/lease.h"

#include "k8s/coordination.pb-c.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/log.h"
#include "pkg/base/rand.h"
#include "pkg/base/rate.h"
#include "pkg/codec/pb.h"

enum {
	RETRY_FIRST_MS = 200, /* of a creation, doubling; stock's numbers */
	RETRY_LAST_MS = 7000,
	UID_WAIT_MS = 200,  /* the node is about to be registered */
	TIMEOUT_MS = 10000, /* a renewal that takes longer than the period is as good as none */
};

#define FOLDER "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

struct lease {
	struct kube *kube;
	char *node_name, *uid;
	int32_t duration_s;
	struct arena *arena;         /* of `object` */
	Coordination__Lease *object; /* as the API has it, NULL: not known */
	struct loop_timer timer;
	struct task *task;
	int64_t retry_ms;
	bool freed, exists;
};

static int64_t period_ms(const struct lease *lease)
{
	int64_t period = lease->duration_s * INT64_C(1000) / 4;

	return period + rand_below((uint32_t)MAX(period / 25, (int64_t)1));
}

static void free_now(struct lease *lease)
{
	arena_free(lease->arena);
	free(lease->node_name);
	free(lease->uid);
	free(lease);
}

static void keep(struct lease *lease, const Coordination__Lease *object)
{
	struct arena *arena = arena_new();

	lease->object = (Coordination__Lease *)pb_copy(&object->base, arena);
	arena_free(lease->arena);
	lease->arena = arena;
}

static void forget(struct lease *lease)
{
	arena_free(lease->arena);
	lease->arena = NULL;
	lease->object = NULL;
}

static void lease_came(void *owner, const void *result, const struct err *err)
{
	struct lease *lease = owner;

	lease->task = NULL;
	if (lease->freed) {
		free_now(lease);
		return;
	}
	if (!err) {
		keep(lease, result);
		lease->exists = true;
		lease->retry_ms = RETRY_FIRST_MS;
		loop_timer_start(&lease->timer, period_ms(lease));
		return;
	}
	if (err->code == -ENOENT) { /* somebody deleted it */
		forget(lease);
		lease->exists = false;
	} else if (err->code == -EEXIST || err->code == -ESTALE) { /* somebody was faster: look, then renew that one */
		forget(lease);
		lease->exists = true;
	} else {
		log_error(err, "Failed to update lease", NULL);
	}
	loop_timer_start(&lease->timer, lease->retry_ms);
	lease->retry_ms = rate_back_off(lease->retry_ms, RETRY_FIRST_MS, RETRY_LAST_MS);
}

static void got_existing(void *owner, const void *result, const struct err *err)
{
	struct lease *lease = owner;

	lease->task = NULL;
	if (lease->freed) {
		free_now(lease);
		return;
	}
	if (err && err->code == -ENOENT)
		lease->exists = false;
	if (!err)
		keep(lease, result);
	loop_timer_start(&lease->timer, err ? lease->retry_ms : 0);
	if (err)
		lease->retry_ms = rate_back_off(lease->retry_ms, RETRY_FIRST_MS, RETRY_LAST_MS);
}

static void set_spec(const struct lease *lease, Coordination__Lease *object, struct arena *arena)
{
	int64_t now = clock_wall_ns();

	if (!object->spec)
		object->spec = PB_NEW(arena, Coordination__LeaseSpec, coordination__lease_spec__descriptor);
	object->spec->holderidentity = arena_strdup(arena, lease->node_name);
	object->spec->has_leasedurationseconds = 1;
	object->spec->leasedurationseconds = lease->duration_s;
	object->spec->renewtime = PB_NEW(arena, Meta__MicroTime, meta__micro_time__descriptor);
	object->spec->renewtime->has_seconds = object->spec->renewtime->has_nanos = 1;
	object->spec->renewtime->seconds = now / NS_PER_S;
	object->spec->renewtime->nanos = (int32_t)(now % NS_PER_S);
}

static Coordination__Lease *build(const struct lease *lease, struct arena *arena)
{
	Coordination__Lease *object = PB_NEW(arena, Coordination__Lease, coordination__lease__descriptor);
	Meta__OwnerReference *node = PB_NEW(arena, Meta__OwnerReference, meta__owner_reference__descriptor);

	object->metadata = PB_NEW(arena, Meta__ObjectMeta, meta__object_meta__descriptor);
	object->metadata->name = arena_strdup(arena, lease->node_name);
	object->metadata->namespace_ = arena_strdup(arena, "kube-node-lease");
	node->apiversion = arena_strdup(arena, "v1");
	node->kind = arena_strdup(arena, "Node");
	node->name = arena_strdup(arena, lease->node_name);
	node->uid = arena_strdup(arena, lease->uid);
	PB_APPEND(arena, object->metadata, ownerreferences, node);
	set_spec(lease, object, arena);
	return object;
}

static void tick(void *owner)
{
	struct lease *lease = owner;
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *path = arena_printf(arena, FOLDER "/%s", lease->node_name);
	struct kube_ask ask = { .reply = &coordination__lease__descriptor, .timeout_ms = TIMEOUT_MS };

	if (!lease->uid) {
		loop_timer_start(&lease->timer, UID_WAIT_MS);
		return;
	}
	if (lease->object) {
		Coordination__Lease *object = (Coordination__Lease *)pb_copy(&lease->object->base, arena);

		set_spec(lease, object, arena);
		ask.method = "PUT";
		ask.path = path;
		ask.object = &object->base;
		lease->task = kube_ask(lease->kube, &ask, lease_came, lease);
	} else if (lease->exists) {
		ask.method = "GET";
		ask.path = path;
		lease->task = kube_ask(lease->kube, &ask, got_existing, lease);
	} else {
		ask.method = "POST";
		ask.path = FOLDER;
		ask.object = &build(lease, arena)->base;
		lease->task = kube_ask(lease->kube, &ask, lease_came, lease);
	}
}

struct lease *lease_new(struct kube *kube, const char *node_name, int32_t duration_s)
{
	struct lease *lease = xcalloc(1, sizeof *lease);

	lease->kube = kube;
	lease->node_name = xstrdup(node_name);
	lease->duration_s = duration_s;
	lease->retry_ms = RETRY_FIRST_MS;
	lease->exists = true; /* a kubelet that starts again finds its own */
	loop_timer_init(&lease->timer, kube_loop(kube), tick, lease);
	return lease;
}

void lease_start(struct lease *lease)
{
	loop_timer_start(&lease->timer, 0);
}

void lease_free(struct lease *lease)
{
	if (!lease)
		return;
	lease->freed = true;
	loop_timer_stop(&lease->timer);
	if (lease->task)
		task_cancel(lease->task);
	else
		free_now(lease);
}

void lease_set_node_uid(struct lease *lease, const char *uid)
{
	if (str_eq(lease->uid, uid))
		return;
	free(lease->uid);
	lease->uid = xstrdup(uid);
}
