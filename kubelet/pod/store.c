/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/pod.h"
#include "kubelet/pod/worker.h"
#include "pkg/base/base.h"
#include "pkg/base/map.h"

struct pods *pods_new(const struct pods_options *options)
{
	struct pods *pods = xcalloc(1, sizeof *pods);
	const char **ips = xcalloc(options->n_host_ips + 1, sizeof *ips);

	for (size_t i = 0; i < options->n_host_ips; i++)
		ips[i] = xstrdup(options->host_ips[i]);
	pods->options = *options;
	pods->options.host_ips = ips;
	pods->options.runtime_name = xstrdup(options->runtime_name);
	pods->workers = map_new();
	return pods;
}

static void remove_worker(struct worker *worker)
{
	map_remove(worker->pods->workers, worker->uid);
	worker_free(worker);
}

void pods_free(struct pods *pods)
{
	size_t at = 0;
	void *worker;

	if (!pods)
		return;
	base_assert(pods->busy == 0);
	while (map_next(pods->workers, &at, NULL, &worker))
		remove_worker(worker);
	map_free(pods->workers);
	for (size_t i = 0; i < pods->options.n_host_ips; i++)
		free((char *)(uintptr_t)pods->options.host_ips[i]);
	free((void *)(uintptr_t)pods->options.host_ips);
	free((char *)(uintptr_t)pods->options.runtime_name);
	free(pods);
}

void pods_stop(struct pods *pods, void (*stopped)(void *owner), void *owner)
{
	size_t at = 0;
	void *place;

	pods->stopping = true;
	pods->stopped = stopped;
	pods->stopped_owner = owner;
	while (map_next(pods->workers, &at, NULL, &place)) {
		struct worker *worker = place;

		task_cancel(worker->task);
		task_cancel(worker->request);
	}
	store_poke(pods);
}

void store_poke(struct pods *pods)
{
	pods->options.world.wake_in(pods->options.world.owner, 0);
}

void store_task_out(struct pods *pods)
{
	pods->busy++;
}

void store_task_back(struct pods *pods)
{
	pods->busy--;
	store_poke(pods);
}

void pods_run(struct pods *pods)
{
	int64_t now = pods->options.world.now_ms(pods->options.world.owner), next = -1;
	size_t at = 0;
	void *place;

	if (pods->stopping) {
		void (*stopped)(void *owner) = pods->stopped;

		if (pods->busy == 0 && stopped) {
			pods->stopped = NULL;
			stopped(pods->stopped_owner);
		}
		return;
	}
	while (map_next(pods->workers, &at, NULL, &place)) {
		struct worker *worker = place;

		if (worker->dirty || (worker->due_ms >= 0 && worker->due_ms <= now))
			worker_tick(worker);
		if (worker_is_over(worker)) {
			pods->options.world.forget(pods->options.world.owner, worker->uid);
			remove_worker(worker);
		} else if (worker->due_ms >= 0) {
			next = next < 0 ? worker->due_ms : MIN(next, worker->due_ms);
		}
	}
	if (next >= 0)
		pods->options.world.wake_in(pods->options.world.owner, MAX(next - now, 0));
}

static struct worker *get(struct pods *pods, const char *uid)
{
	return uid ? map_get(pods->workers, uid) : NULL;
}

static struct worker *add(struct pods *pods, const char *uid)
{
	struct worker *worker = worker_new(pods, uid);

	map_set(pods->workers, uid, worker);
	return worker;
}

static void poke(struct worker *worker)
{
	worker->dirty = true;
	store_poke(worker->pods);
}

void pods_set(struct pods *pods, Core__Pod *pod, struct arena *arena)
{
	const char *uid = pod->metadata ? pod->metadata->uid : NULL;
	struct worker *worker = get(pods, uid);

	if (str_empty(uid) || !pod->spec || (worker && worker->gone && worker->object.pod)) {
		arena_free(arena);
		return;
	}
	if (!worker)
		worker = add(pods, uid);
	worker_set(worker, pod, arena);
	poke(worker);
}

void pods_gone(struct pods *pods, const char *uid)
{
	struct worker *worker = get(pods, uid);

	if (!worker)
		return;
	worker->gone = true;
	worker->not_before_ms = 0;
	poke(worker);
}

void pods_found(struct pods *pods, const char *uid)
{
	struct worker *worker;

	if (str_empty(uid) || get(pods, uid))
		return;
	worker = add(pods, uid);
	worker->gone = true;
	poke(worker);
}

bool pods_know(const struct pods *pods, const char *uid)
{
	return map_get(pods->workers, uid) != NULL;
}

void pods_poke(struct pods *pods, const char *uid)
{
	struct worker *worker = get(pods, uid);

	if (worker)
		poke(worker);
}

void pods_refresh(struct pods *pods, const char *uid)
{
	struct worker *worker = get(pods, uid);

	if (!worker)
		return;
	worker->refresh_at_ms = 0;
	poke(worker);
}

/* The object with our status in it: what the API will say as soon as it has been told. */
static const Core__Pod *shown(struct worker *worker)
{
	if (!worker->object.pod || !worker->status)
		return worker->object.pod;
	worker->shown = *worker->object.pod;
	worker->shown.status = worker->status;
	return &worker->shown;
}

const Core__Pod *pods_find(struct pods *pods, const char *namespace_, const char *name)
{
	struct worker *found = NULL;
	size_t at = 0;
	void *place;

	while (map_next(pods->workers, &at, NULL, &place)) {
		struct worker *worker = place;
		const Core__Pod *pod = worker->object.pod;

		if (pod && str_eq(pod->metadata->name, name) && str_eq(pod->metadata->namespace_, namespace_) &&
		    (!found || found->gone))
			found = worker;
	}
	return found ? shown(found) : NULL;
}

const Core__Pod *pods_next(struct pods *pods, size_t *at)
{
	void *place;

	while (map_next(pods->workers, at, NULL, &place)) {
		struct worker *worker = place;

		if (worker->object.pod && !worker->gone)
			return shown(worker);
	}
	return NULL;
}

const Core__Pod *pods_next_active(struct pods *pods, size_t *at)
{
	void *place;

	while (map_next(pods->workers, at, NULL, &place)) {
		struct worker *worker = place;

		if (worker->object.pod && worker->admitted && !worker_is_stopped(worker))
			return shown(worker);
	}
	return NULL;
}

size_t pods_count(const struct pods *pods)
{
	return map_size(pods->workers);
}
