/* SPDX-License-Identifier: Apache-2.0 */
/* /pods, /runningpods/ and /configz: what this kubelet was told, what its runtime has, and how it is set. */
#include "kubelet/api/call.h"
#include "kubelet/api/sink.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/pbjson.h"

enum {
	CONFIG_MAX = 4 << 20, /* the file has at most 1 MiB; JSON escapes and defaults make it longer */
	PODS_MAX = 10000,     /* of one list; maxPods is 110 by default and was never above a few hundred */
};

static const struct gate_header json_headers[] = { { "Content-Type", "application/json" } };

static const char list_start[] = "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":";

static int append_pod(const Core__Pod *pod, bool first, struct buf *into, struct err *err)
{
	buf_putc(into, first ? '[' : ',');
	return pbjson_encode_item(&pod->base, into, err);
}

/* ---- /pods, one pod a turn: the list of a full node is megabytes that need not be in memory at once ---- */

struct pod_list {
	struct call *call;
	struct sink sink;
	struct {
		const char *namespace_, *name;
	} * names;
	size_t n, at;
	bool begun, ended;
};

static void list_stop(struct call *call)
{
	struct pod_list *list = call->work;

	sink_close(&list->sink);
}

static void list_broken(void *owner)
{
	struct pod_list *list = owner;
	struct call *call = list->call;

	sink_close(&list->sink);
	gate_abort(call->api->gate, call->id);
	call_end(call);
}

static void list_next(void *owner)
{
	struct pod_list *list = owner;
	struct call *call = list->call;
	const struct api_pods *pods = &call->api->options.pods;
	struct err err;

	if (list->ended) {
		sink_close(&list->sink);
		gate_end(call->api->gate, call->id);
		call_end(call);
		return;
	}
	if (list->at == 0 && !list->begun)
		buf_puts(&list->sink.out, list_start);
	while (list->at < list->n) {
		size_t at = list->at++;
		const Core__Pod *pod = pods->find(pods->owner, list->names[at].namespace_, list->names[at].name);

		if (!pod) /* deleted since */
			continue;
		if (append_pod(pod, !list->begun, &list->sink.out, &err) < 0) {
			log_error(&err, "Cannot list a pod", "pod", list->names[at].name, NULL);
			list_broken(list);
			return;
		}
		list->begun = true;
		sink_push(&list->sink);
		return;
	}
	buf_puts(&list->sink.out, list->begun ? "]}\n" : "null}\n");
	list->ended = true;
	sink_push(&list->sink);
}

void pods_serve(struct call *call)
{
	const struct api_pods *pods = &call->api->options.pods;
	struct pod_list *list = arena_alloc(call->arena, sizeof *list);
	const Core__Pod *pod;
	size_t at = 0;

	list->call = call;
	while (list->n < PODS_MAX && (pod = pods->next(pods->owner, &at)))
		list->n++;
	list->names = arena_alloc(call->arena, (list->n + 1) * sizeof *list->names);
	at = 0;
	for (size_t i = 0; i < list->n && (pod = pods->next(pods->owner, &at)); i++) {
		list->names[i].namespace_ = arena_text(call->arena, pod->metadata->namespace_);
		list->names[i].name = arena_text(call->arena, pod->metadata->name);
	}
	if (sink_open(&list->sink, call->api->options.loop, call->api->gate, call->id, json_headers,
		      ARRAY_LEN(json_headers), list_next, list_broken, list) < 0) {
		call_end(call);
		return;
	}
	call->work = list;
	call->stop_work = list_stop;
}

/* ---- /runningpods/ ---- */

static bool is_running(const struct runtime_pod *observed)
{
	bool running = false;

	for (size_t i = 0; i < observed->n_sandboxes; i++)
		running = running || observed->sandboxes[i].ready;
	for (size_t i = 0; i < observed->n_containers; i++)
		running = running || observed->containers[i].state == RUNTIME_RUNNING;
	return running;
}

static Core__Pod *pod_of(const struct runtime_pod *observed, struct arena *arena)
{
	Core__Pod *pod = PB_NEW(arena, Core__Pod, core__pod__descriptor);

	pod->metadata = PB_NEW(arena, Meta__ObjectMeta, meta__object_meta__descriptor);
	pod->metadata->name = arena_strdup(arena, observed->name);
	pod->metadata->namespace_ = arena_strdup(arena, observed->namespace_);
	pod->metadata->uid = arena_strdup(arena, observed->uid);
	pod->spec = PB_NEW(arena, Core__PodSpec, core__pod_spec__descriptor);
	pod->status = PB_NEW(arena, Core__PodStatus, core__pod_status__descriptor);
	for (size_t i = 0; i < observed->n_containers; i++) {
		if (observed->containers[i].state != RUNTIME_RUNNING)
			continue;
		Core__Container *container = PB_NEW(arena, Core__Container, core__container__descriptor);

		container->name = arena_strdup(arena, observed->containers[i].name);
		container->image = arena_text(arena, observed->containers[i].image_ref);
		container->resources =
			PB_NEW(arena, Core__ResourceRequirements, core__resource_requirements__descriptor);
		PB_APPEND(arena, pod->spec, containers, container);
	}
	return pod;
}

void running_pods_serve(struct call *call)
{
	const struct api_pods *pods = &call->api->options.pods;
	_cleanup_buf_ struct buf body = BUF_INIT(SINK_PIECE_MAX);
	const struct runtime_pod *observed;
	bool first = true;
	size_t at = 0;
	struct err err;

	buf_puts(&body, list_start);
	while ((observed = pods->next_observed(pods->owner, &at))) {
		_cleanup_arena_ struct arena *arena = arena_new();

		if (!is_running(observed))
			continue;
		if (append_pod(pod_of(observed, arena), first, &body, &err) < 0) {
			call_refuse(call, 500, "%s", err.text);
			return;
		}
		first = false;
	}
	buf_puts(&body, first ? "null}\n" : "]}\n");
	if (body.overflow)
		call_refuse(call, 500, "the list of running pods is too long");
	else
		call_answer(call, 200, json_headers, ARRAY_LEN(json_headers), buf_text(&body), body.size);
}

/* ---- /configz ---- */

void configz_serve(struct call *call)
{
	static const struct gate_header headers[] = { { "Content-Type", "application/json" },
						      { "X-Content-Type-Options", "nosniff" } };
	_cleanup_buf_ struct buf body = BUF_INIT(CONFIG_MAX);
	struct err err;

	buf_puts(&body, "{\"kubeletconfig\":");
	if (pbjson_encode(&call->api->options.config->base, &body, &err) < 0) {
		call_error(call, 500, "%s", err.text);
		return;
	}
	buf_putc(&body, '}');
	call_answer(call, 200, headers, ARRAY_LEN(headers), buf_text(&body), body.size);
}
