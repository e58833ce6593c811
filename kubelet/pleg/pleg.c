/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pleg/pleg.h"

#include <stdio.h>
#include <string.h>

#include "kubelet/pleg/termination.h"
#include "kubelet/runtime/labels.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/list.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/pb.h"
#include "pkg/cri/cri.h"

enum {
	RELIST_MS = 1000,
	UNHEALTHY_MS = 3 * 60 * 1000,
};

struct pleg {
	struct pleg_options options;
	struct map *entries; /* uid to struct entry */
	struct loop_timer timer;
	struct task *listing; /* the call of the relist that is out */
	bool running, synced;
	int64_t listed_ms; /* begin of the last relist that worked, 0: none */
	size_t n_first;    /* reads of the first relist that are still out */
	uint64_t round;    /* of relists: which entries were seen in this one */
	size_t n_tasks;    /* reads and refreshes that have not ended */
	void (*stopped)(void *owner);
	void *stopped_owner;
	bool stop_posted;
};

/* What is known of one pod. */
struct entry {
	struct pleg *pleg;
	char *uid;
	struct runtime_pod *pod; /* NULL: nothing */
	uint64_t seen;           /* digest of the list entries behind `pod`; 0: nothing */
	uint64_t listed, round;  /* digest in relist `round` */
	struct read *read;
	bool unread;         /* its first read failed, and none has worked since */
	bool dirty;          /* read again after this read, for the relist */
	struct list waiting; /* refreshes that want a read that begins later */
	size_t n_refreshes;  /* that have not ended */
};

/* One read of one pod. */
struct read {
	struct entry *entry;
	struct arena *arena; /* becomes the pod's */
	struct runtime_pod *pod;
	struct task *step;
	bool tell, first; /* for the relist; for the first one */
	uint64_t digest;
	struct list refreshes;
	size_t at;
	struct ended {
		const char *file, *log;
		bool from_log, fresh;
	} * ended; /* of each container */
	struct err err;
};

struct refresh {
	struct task task;
	struct entry *entry;
	struct list link;
	bool cancelled;
	task_done_fn *done;
	void *owner;
};

static void read_start(struct entry *entry, bool tell);

/* ---- digest of list entries: the same in whatever order they come ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
	for (const unsigned char *at = bytes; size--; at++)
		hash = (hash ^ *at) * 1099511628211u;
	return hash;
}

static uint64_t digest_of(const char *id, int state)
{
	uint64_t hash = mix(14695981039346656037u, id, strlen(id));

	hash = mix(hash, &state, sizeof state);
	return hash | 1; /* never 0 */
}

/* ---- entries ---- */

static struct entry *entry_get(struct pleg *pleg, const char *uid)
{
	struct entry *entry = map_get(pleg->entries, uid);

	if (entry)
		return entry;
	entry = xcalloc(1, sizeof *entry);
	entry->pleg = pleg;
	entry->uid = xstrdup(uid);
	list_init(&entry->waiting);
	map_set(pleg->entries, uid, entry);
	return entry;
}

static void entry_collect(struct entry *entry)
{
	if (entry->pod || entry->unread || entry->read || entry->n_refreshes || !entry->pleg->running)
		return;
	map_remove(entry->pleg->entries, entry->uid);
	free(entry->uid);
	free(entry);
}

/* ---- end of everything ---- */

static void stop_done(void *arg)
{
	struct pleg *pleg = arg;

	pleg->stopped(pleg->stopped_owner);
}

static void stop_when_idle(struct pleg *pleg)
{
	if (!pleg->stopped || pleg->stop_posted || pleg->listing || pleg->n_tasks)
		return;
	pleg->stop_posted = true;
	loop_post(pleg->options.loop, stop_done, pleg);
}

/* ---- one pod ---- */

static void refresh_end(struct refresh *refresh, const struct runtime_pod *pod, const struct err *err)
{
	list_remove(&refresh->link);
	refresh->entry->n_refreshes--;
	refresh->entry->pleg->n_tasks--;
	refresh->done(refresh->owner, err ? NULL : pod, err);
	free(refresh);
}

static void cancel_waiting(struct entry *entry)
{
	struct err err;

	err_canceled(&err);
	while (!list_empty(&entry->waiting))
		refresh_end(list_first(&entry->waiting, struct refresh, link), NULL, &err);
}

static void read_end(struct read *read)
{
	struct entry *entry = read->entry;
	struct pleg *pleg = entry->pleg;
	struct arena *old = entry->pod ? entry->pod->arena : NULL;
	bool failed = read->err.code != 0, tell = read->tell && !failed, first = read->first;
	_cleanup_free_ char *uid = xstrdup(entry->uid);

	entry->read = NULL;
	pleg->n_tasks--;
	if (failed) {
		if (read->tell && pleg->running)
			log_error(&read->err, "PLEG: unable to read a pod", "podUID", entry->uid, NULL);
		arena_free(read->arena);
		old = NULL;
		entry->unread |= first;
	} else {
		bool nothing = read->pod->n_sandboxes == 0 && read->pod->n_containers == 0;

		entry->pod = nothing ? NULL : read->pod;
		entry->seen = read->digest;
		entry->unread = false;
		if (nothing)
			arena_free(read->arena);
	}

	while (!list_empty(&read->refreshes))
		refresh_end(list_first(&read->refreshes, struct refresh, link), entry->pod,
			    read->err.code ? &read->err : NULL);
	arena_free(old); /* after those who still hold it have heard of the new one */
	free(read);

	if (!pleg->running)
		cancel_waiting(entry);
	else if (entry->dirty || !list_empty(&entry->waiting))
		read_start(entry, entry->dirty);
	else
		entry_collect(entry);
	if (tell && pleg->running)
		pleg->options.changed(pleg->options.owner, uid);
	if (first && --pleg->n_first == 0 && !pleg->synced) {
		pleg->synced = true;
		if (pleg->options.synced && pleg->running)
			pleg->options.synced(pleg->options.owner);
	}
	stop_when_idle(pleg);
}

/* False when the read has ended with this answer. What vanished between list and status is no failure. */
static bool read_goes_on(struct read *read, const struct err *err)
{
	read->step = NULL;
	if (!read->entry->pleg->running && !read->err.code)
		err_canceled(&read->err);
	else if (err && err->code != -ENOENT)
		read->err = *err;
	if (!read->err.code)
		return true;
	read_end(read);
	return false;
}

static void read_call(struct read *read, enum cri_method method, const ProtobufCMessage *request, task_done_fn *done)
{
	read->step = cri_call(read->entry->pleg->options.cri, method, request, 0, done, read);
}

static int newest_container(const void *a, const void *b)
{
	const struct runtime_container *left = a, *right = b;

	return left->created_ns == right->created_ns ? strcmp(left->id, right->id)
						     : (left->created_ns < right->created_ns) * 2 - 1;
}

static int newest_sandbox(const void *a, const void *b)
{
	const struct runtime_sandbox *left = a, *right = b;

	return left->created_ns == right->created_ns ? strcmp(left->id, right->id)
						     : (left->created_ns < right->created_ns) * 2 - 1;
}

static void messages_work(void *owner)
{
	struct read *read = owner;

	for (size_t i = 0; i < read->pod->n_containers; i++) {
		struct runtime_container *container = &read->pod->containers[i];
		const struct ended *ended = &read->ended[i];
		const char *said;

		if (!ended->fresh)
			continue;
		said = termination_message(ended->file, ended->from_log, ended->log, read->arena);
		if (!str_empty(container->message) && *said)
			container->message = arena_printf(read->arena, "%s: %s", container->message, said);
		else if (*said)
			container->message = said;
	}
}

/* Drops what vanished and brings the newest to the front. */
static void read_finish(struct read *read)
{
	struct runtime_pod *pod = read->pod;
	size_t kept = 0;

	for (size_t i = 0; i < pod->n_containers; i++)
		if (pod->containers[i].name)
			pod->containers[kept++] = pod->containers[i];
	pod->n_containers = kept;
	qsort(pod->containers, pod->n_containers, sizeof *pod->containers, newest_container);
	read_end(read);
}

static void messages_done(void *owner, const void *result, const struct err *err)
{
	if (read_goes_on(owner, err))
		read_finish(owner);
}

static enum runtime_state state_of(Cri__ContainerState state)
{
	switch (state) {
	case CRI__CONTAINER_STATE__CONTAINER_CREATED:
		return RUNTIME_CREATED;
	case CRI__CONTAINER_STATE__CONTAINER_RUNNING:
		return RUNTIME_RUNNING;
	case CRI__CONTAINER_STATE__CONTAINER_EXITED:
		return RUNTIME_EXITED;
	default:
		return RUNTIME_UNKNOWN;
	}
}

static void set_user(struct runtime_container *container, const Cri__ContainerStatus *status, struct arena *arena)
{
	const Cri__LinuxContainerUser *user = status->user ? status->user->linux : NULL;

	if (!user)
		return;
	container->has_user = true;
	container->uid = user->uid;
	container->gid = user->gid;
	container->n_groups = user->n_supplemental_groups;
	container->groups = arena_alloc(arena, (user->n_supplemental_groups + 1) * sizeof *container->groups);
	for (size_t i = 0; i < user->n_supplemental_groups; i++)
		container->groups[i] = user->supplemental_groups[i];
}

static void set_resources(struct runtime_container *container, const Cri__ContainerStatus *status)
{
	const Cri__LinuxContainerResources *resources = status->resources ? status->resources->linux : NULL;

	if (!resources)
		return;
	container->cpu_shares = resources->cpu_shares;
	container->cpu_quota_us = resources->cpu_quota;
	container->cpu_period_us = resources->cpu_period;
	container->memory_limit_bytes = resources->memory_limit_in_bytes;
}

/* Where the message is, and whether the log may stand in for it. */
static void set_ended(struct ended *ended, const struct runtime_container *container,
		      const struct labels_container *labels, const Cri__ContainerStatus *status, struct arena *arena)
{
	ended->fresh = true;
	ended->log = container->log_path;
	ended->from_log = labels->termination_message_from_logs && container->exit_code != 0 &&
			  !str_eq(container->reason, "ContainerCannotRun");
	for (size_t i = 0; i < status->n_mounts && !str_empty(labels->termination_message_path); i++)
		if (str_eq(status->mounts[i]->container_path, labels->termination_message_path))
			ended->file = arena_text(arena, status->mounts[i]->host_path);
}

static void set_container(struct read *read, struct runtime_container *container, struct ended *ended,
			  const Cri__ContainerStatus *status)
{
	struct arena *arena = read->arena;
	struct labels_container labels;

	labels_get_container(status, &labels);
	container->name = arena_text(arena, labels.name);
	container->image = arena_text(arena, status->image ? status->image->image : "");
	container->image_id = arena_text(arena, str_or(status->image_ref, status->image_id));
	container->state = state_of(status->state);
	container->restart_count = labels.restart_count;
	container->spec_hash = labels.hash;
	container->created_ns = status->created_at;
	container->started_ns = container->state == RUNTIME_CREATED ? 0 : status->started_at;
	container->log_path = arena_text(arena, status->log_path);
	container->reason = container->message = "";
	set_user(container, status, arena);
	set_resources(container, status);
	if (container->state == RUNTIME_EXITED) {
		container->finished_ns = status->finished_at;
		container->exit_code = status->exit_code;
		container->reason = arena_text(arena, status->reason);
		container->message = arena_text(arena, status->message);
		set_ended(ended, container, &labels, status, arena);
	}
	read->pod->name = str_or(read->pod->name, arena_text(arena, labels.pod_name));
	read->pod->namespace_ = str_or(read->pod->namespace_, arena_text(arena, labels.pod_namespace));
}

/* A container that had ended stays as it was: its status and message are taken from the last read. */
static bool reuse(struct read *read, struct runtime_container *container)
{
	const struct runtime_pod *before = read->entry->pod;
	struct arena *arena = read->arena;

	if (container->state != RUNTIME_EXITED)
		return false;
	for (size_t i = 0; before && i < before->n_containers; i++) {
		const struct runtime_container *old = &before->containers[i];

		if (old->state != RUNTIME_EXITED || !str_eq(old->id, container->id))
			continue;

		const char *id = container->id, *sandbox_id = container->sandbox_id, *image = container->image_ref;

		*container = *old;
		container->id = id;
		container->sandbox_id = sandbox_id;
		container->image_ref = image;
		container->name = arena_text(arena, old->name);
		container->image = arena_text(arena, old->image);
		container->image_id = arena_text(arena, old->image_id);
		container->reason = arena_text(arena, old->reason);
		container->message = arena_text(arena, old->message);
		container->log_path = arena_text(arena, old->log_path);
		container->groups = arena_alloc(arena, (old->n_groups + 1) * sizeof *container->groups);
		if (old->n_groups)
			memcpy(container->groups, old->groups, old->n_groups * sizeof *container->groups);
		read->pod->name = str_or(read->pod->name, arena_text(arena, before->name));
		read->pod->namespace_ = str_or(read->pod->namespace_, arena_text(arena, before->namespace_));
		return true;
	}
	return false;
}

static void next_container(struct read *read);

static void container_done(void *owner, const void *result, const struct err *err)
{
	struct read *read = owner;
	const Cri__ContainerStatusResponse *response = result;

	if (!read_goes_on(read, err))
		return;
	if (!err && response->status)
		set_container(read, &read->pod->containers[read->at], &read->ended[read->at], response->status);
	read->at++;
	next_container(read);
}

static void next_container(struct read *read)
{
	struct runtime_pod *pod = read->pod;
	Cri__ContainerStatusRequest request = CRI__CONTAINER_STATUS_REQUEST__INIT;
	bool ended = false;

	while (read->at < pod->n_containers && reuse(read, &pod->containers[read->at]))
		read->at++;
	if (read->at < pod->n_containers) {
		request.container_id = (char *)(uintptr_t)pod->containers[read->at].id;
		read_call(read, CRI_CONTAINER_STATUS, &request.base, container_done);
		return;
	}
	for (size_t i = 0; i < pod->n_containers; i++)
		ended |= read->ended[i].fresh;
	if (ended)
		read->step = loop_work(read->entry->pleg->options.loop, messages_work, messages_done, read);
	else
		read_finish(read);
}

static void containers_listed(void *owner, const void *result, const struct err *err)
{
	struct read *read = owner;
	const Cri__ListContainersResponse *list = result;
	struct runtime_pod *pod = read->pod;

	if (!read_goes_on(read, err))
		return;
	if (err)
		list = NULL;
	pod->n_containers = list ? list->n_containers : 0;
	pod->containers = arena_alloc(read->arena, (pod->n_containers + 1) * sizeof *pod->containers);
	read->ended = arena_alloc(read->arena, (pod->n_containers + 1) * sizeof *read->ended);
	for (size_t i = 0; i < pod->n_containers; i++) {
		const Cri__Container *listed = list->containers[i];

		pod->containers[i].id = arena_text(read->arena, listed->id);
		pod->containers[i].sandbox_id = arena_text(read->arena, listed->pod_sandbox_id);
		pod->containers[i].image_ref = arena_text(read->arena, listed->image ? listed->image->image : "");
		pod->containers[i].state = state_of(listed->state);
		read->digest += digest_of(listed->id, (int)listed->state);
	}
	read->at = 0;
	next_container(read);
}

static void list_containers(struct read *read)
{
	Cri__ListContainersRequest request = CRI__LIST_CONTAINERS_REQUEST__INIT;
	Cri__ContainerFilter filter = CRI__CONTAINER_FILTER__INIT;
	Cri__ContainerFilter__LabelSelectorEntry entry = CRI__CONTAINER_FILTER__LABEL_SELECTOR_ENTRY__INIT,
						 *entries[] = { &entry };

	entry.key = (char *)(uintptr_t)LABEL_POD_UID;
	entry.value = read->entry->uid;
	filter.n_label_selector = 1;
	filter.label_selector = entries;
	request.filter = &filter;
	read_call(read, CRI_LIST_CONTAINERS, &request.base, containers_listed);
}

static void next_sandbox(struct read *read);

static void set_sandbox(struct read *read, struct runtime_sandbox *sandbox, const Cri__PodSandboxStatus *status)
{
	const Cri__NamespaceOption *namespaces =
		status->linux && status->linux->namespaces ? status->linux->namespaces->options : NULL;
	const Cri__PodSandboxNetworkStatus *network = status->network;

	sandbox->ready = status->state == CRI__POD_SANDBOX_STATE__SANDBOX_READY;
	sandbox->host_network = namespaces && namespaces->network == CRI__NAMESPACE_MODE__NODE;
	sandbox->created_ns = status->created_at;
	if (!sandbox->ready || !network || str_empty(network->ip))
		return; /* a dead sandbox may still tell an address that another pod has by now */
	sandbox->ips = arena_alloc(read->arena, (network->n_additional_ips + 1) * sizeof *sandbox->ips);
	sandbox->ips[sandbox->n_ips++] = arena_text(read->arena, network->ip);
	for (size_t i = 0; i < network->n_additional_ips; i++)
		sandbox->ips[sandbox->n_ips++] = arena_text(read->arena, network->additional_ips[i]->ip);
}

static void sandbox_done(void *owner, const void *result, const struct err *err)
{
	struct read *read = owner;
	const Cri__PodSandboxStatusResponse *response = result;
	struct runtime_pod *pod = read->pod;

	if (!read_goes_on(read, err))
		return;
	if (!err && response->status)
		set_sandbox(read, &pod->sandboxes[read->at++], response->status);
	else
		pod->sandboxes[read->at] = pod->sandboxes[--pod->n_sandboxes]; /* vanished */
	next_sandbox(read);
}

static void next_sandbox(struct read *read)
{
	struct runtime_pod *pod = read->pod;
	Cri__PodSandboxStatusRequest request = CRI__POD_SANDBOX_STATUS_REQUEST__INIT;

	if (read->at == pod->n_sandboxes) {
		if (pod->n_sandboxes)
			qsort(pod->sandboxes, pod->n_sandboxes, sizeof *pod->sandboxes, newest_sandbox);
		list_containers(read);
		return;
	}
	request.pod_sandbox_id = (char *)(uintptr_t)pod->sandboxes[read->at].id;
	read_call(read, CRI_POD_SANDBOX_STATUS, &request.base, sandbox_done);
}

static void sandboxes_listed(void *owner, const void *result, const struct err *err)
{
	struct read *read = owner;
	const Cri__ListPodSandboxResponse *list = result;
	struct runtime_pod *pod = read->pod;

	if (!read_goes_on(read, err))
		return;
	pod->n_sandboxes = err ? 0 : list->n_items;
	pod->sandboxes = arena_alloc(read->arena, (pod->n_sandboxes + 1) * sizeof *pod->sandboxes);
	for (size_t i = 0; i < pod->n_sandboxes; i++) {
		const Cri__PodSandbox *listed = list->items[i];

		pod->sandboxes[i].id = arena_text(read->arena, listed->id);
		pod->sandboxes[i].attempt = listed->metadata ? listed->metadata->attempt : 0;
		pod->sandboxes[i].created_ns = listed->created_at;
		if (listed->metadata) {
			pod->name = arena_text(read->arena, listed->metadata->name);
			pod->namespace_ = arena_text(read->arena, listed->metadata->namespace_);
		}
		read->digest += digest_of(listed->id, (int)listed->state);
	}
	next_sandbox(read);
}

static void read_start(struct entry *entry, bool tell)
{
	struct read *read = xcalloc(1, sizeof *read);
	Cri__ListPodSandboxRequest request = CRI__LIST_POD_SANDBOX_REQUEST__INIT;
	Cri__PodSandboxFilter filter = CRI__POD_SANDBOX_FILTER__INIT;
	Cri__PodSandboxFilter__LabelSelectorEntry label = CRI__POD_SANDBOX_FILTER__LABEL_SELECTOR_ENTRY__INIT,
						  *labels[] = { &label };

	read->entry = entry;
	read->tell = tell;
	read->arena = arena_new();
	read->pod = arena_alloc(read->arena, sizeof *read->pod);
	*read->pod = (struct runtime_pod){
		.arena = read->arena, .uid = arena_text(read->arena, entry->uid), .name = "", .namespace_ = ""
	};
	list_init(&read->refreshes);
	list_for_each(refresh, &entry->waiting, struct refresh, link) {
		list_remove(&refresh->link);
		list_append(&read->refreshes, &refresh->link);
	}
	entry->dirty = false;
	entry->read = read;
	entry->pleg->n_tasks++;

	label.key = (char *)(uintptr_t)LABEL_POD_UID;
	label.value = entry->uid;
	filter.n_label_selector = 1;
	filter.label_selector = labels;
	request.filter = &filter;
	read_call(read, CRI_LIST_POD_SANDBOX, &request.base, sandboxes_listed);
}

/* ---- refresh ---- */

static void refresh_cancelled(void *arg)
{
	struct refresh *refresh = arg;
	struct entry *entry = refresh->entry;
	struct err err;

	err_canceled(&err);
	refresh_end(refresh, NULL, &err);
	stop_when_idle(entry->pleg);
	entry_collect(entry);
}

/* A read that nobody wants any more ends too: with a runtime that hangs it would last for minutes. */
static void refresh_cancel(struct task *task)
{
	struct refresh *refresh = container_of(task, struct refresh, task);
	const struct entry *entry = refresh->entry;
	const struct read *read = entry->read;

	if (refresh->cancelled)
		return;
	refresh->cancelled = true;
	list_remove(&refresh->link);
	loop_post(entry->pleg->options.loop, refresh_cancelled, refresh);
	if (read && !read->tell && !entry->dirty && list_empty(&read->refreshes))
		task_cancel(read->step);
}

static void refresh_begin(void *arg)
{
	struct entry *entry = arg;

	if (entry->read || list_empty(&entry->waiting))
		return; /* read_end() starts the next one */
	if (entry->pleg->running) {
		read_start(entry, false);
		return;
	}

	cancel_waiting(entry);
	stop_when_idle(entry->pleg);
}

struct task *pleg_refresh(struct pleg *pleg, const char *uid, task_done_fn *done, void *owner)
{
	struct refresh *refresh = xcalloc(1, sizeof *refresh);

	refresh->task.cancel = refresh_cancel;
	refresh->entry = entry_get(pleg, uid);
	refresh->done = done;
	refresh->owner = owner;
	list_init(&refresh->link);
	list_append(&refresh->entry->waiting, &refresh->link);
	refresh->entry->n_refreshes++;
	pleg->n_tasks++;
	loop_post(pleg->options.loop, refresh_begin, refresh->entry);
	return &refresh->task;
}

/* ---- relist ---- */

static void relist_end(struct pleg *pleg)
{
	pleg->listing = NULL;
	if (pleg->running)
		loop_timer_start(&pleg->timer, RELIST_MS);
	stop_when_idle(pleg);
}

static void relist_failed(struct pleg *pleg, const struct err *err)
{
	if (pleg->running)
		log_error(err, "GenericPLEG: Unable to retrieve pods", NULL);
	relist_end(pleg);
}

static void count(struct pleg *pleg, const char *uid, uint64_t digest)
{
	struct entry *entry;

	if (!uid)
		return; /* of another client of the runtime */
	entry = entry_get(pleg, uid);
	if (entry->round != pleg->round)
		entry->listed = 0;
	entry->round = pleg->round;
	entry->listed += digest;
}

/* Starts a read of each pod whose entries are not those behind what is known of it. */
static void compare(struct pleg *pleg)
{
	bool first = !pleg->synced && pleg->n_first == 0;
	size_t at = 0;
	const char *uid;
	void *value;

	while (map_next(pleg->entries, &at, &uid, &value)) {
		struct entry *entry = value;
		uint64_t listed = entry->round == pleg->round ? entry->listed : 0;

		if (!listed && entry->unread) {
			entry->unread = false; /* it went without having been read */
			entry_collect(entry);
			continue;
		}
		if (listed == entry->seen)
			continue;
		if (entry->read)
			entry->dirty = true;
		else
			read_start(entry, true);
		if (first && !entry->read->first) {
			entry->read->first = true;
			pleg->n_first++;
		}
	}
	if (first && pleg->n_first == 0) {
		pleg->synced = true;
		if (pleg->options.synced)
			pleg->options.synced(pleg->options.owner);
	}
}

static void relist_containers(void *owner, const void *result, const struct err *err)
{
	struct pleg *pleg = owner;
	const Cri__ListContainersResponse *list = result;

	if (err || !pleg->running) {
		relist_failed(pleg, err);
		return;
	}
	for (size_t i = 0; i < list->n_containers; i++) {
		const Cri__Container *container = list->containers[i];

		count(pleg, labels_container_pod_uid(container->labels, container->n_labels),
		      digest_of(container->id, (int)container->state));
	}
	compare(pleg);
	pleg->listed_ms = loop_now_ms(pleg->options.loop);
	relist_end(pleg);
}

static void relist_sandboxes(void *owner, const void *result, const struct err *err)
{
	struct pleg *pleg = owner;
	const Cri__ListPodSandboxResponse *list = result;
	Cri__ListContainersRequest request = CRI__LIST_CONTAINERS_REQUEST__INIT;

	if (err || !pleg->running) {
		relist_failed(pleg, err);
		return;
	}
	pleg->round++;
	for (size_t i = 0; i < list->n_items; i++)
		count(pleg, labels_pod_uid(list->items[i]->labels, list->items[i]->n_labels),
		      digest_of(list->items[i]->id, (int)list->items[i]->state));
	pleg->listing = cri_call(pleg->options.cri, CRI_LIST_CONTAINERS, &request.base, 0, relist_containers, pleg);
}

static void relist(void *owner)
{
	struct pleg *pleg = owner;
	Cri__ListPodSandboxRequest request = CRI__LIST_POD_SANDBOX_REQUEST__INIT;

	pleg->listing = cri_call(pleg->options.cri, CRI_LIST_POD_SANDBOX, &request.base, 0, relist_sandboxes, pleg);
}

/* ---- life ---- */

struct pleg *pleg_new(const struct pleg_options *options)
{
	struct pleg *pleg = xcalloc(1, sizeof *pleg);

	pleg->options = *options;
	pleg->entries = map_new();
	loop_timer_init(&pleg->timer, options->loop, relist, pleg);
	return pleg;
}

void pleg_start(struct pleg *pleg)
{
	pleg->running = true;
	loop_timer_start(&pleg->timer, 0);
}

void pleg_stop(struct pleg *pleg, void (*stopped)(void *owner), void *owner)
{
	size_t at = 0;
	const char *uid;
	void *value;

	pleg->running = false;
	pleg->stopped = stopped;
	pleg->stopped_owner = owner;
	loop_timer_stop(&pleg->timer);
	task_cancel(pleg->listing);
	while (map_next(pleg->entries, &at, &uid, &value)) {
		struct entry *entry = value;

		if (entry->read)
			task_cancel(entry->read->step);
	}
	stop_when_idle(pleg);
}

void pleg_free(struct pleg *pleg)
{
	size_t at = 0;
	const char *uid;
	void *value;

	if (!pleg)
		return;
	while (map_next(pleg->entries, &at, &uid, &value)) {
		struct entry *entry = value;

		if (entry->pod)
			arena_free(entry->pod->arena);
		free(entry->uid);
		free(entry);
	}
	map_free(pleg->entries);
	free(pleg);
}

const struct runtime_pod *pleg_get(struct pleg *pleg, const char *uid)
{
	const struct entry *entry = map_get(pleg->entries, uid);

	return entry ? entry->pod : NULL;
}

bool pleg_is_unread(const struct pleg *pleg, const char *uid)
{
	const struct entry *entry = map_get(pleg->entries, uid);

	return entry && entry->unread && entry->round == pleg->round && entry->listed;
}

const struct runtime_pod *pleg_next(struct pleg *pleg, size_t *at)
{
	const char *uid;
	void *value;

	while (map_next(pleg->entries, at, &uid, &value))
		if (((struct entry *)value)->pod)
			return ((struct entry *)value)->pod;
	return NULL;
}

bool pleg_is_synced(const struct pleg *pleg)
{
	return pleg->synced;
}

int pleg_health(const struct pleg *pleg, struct err *err)
{
	int64_t passed_ms = loop_now_ms(pleg->options.loop) - pleg->listed_ms;
	char passed[DURATION_TEXT_MAX], limit[DURATION_TEXT_MAX];

	if (!pleg->listed_ms)
		return err_set(err, -ETIMEDOUT, "pleg has yet to be successful");
	if (passed_ms <= UNHEALTHY_MS)
		return 0;
	duration_format(passed_ms * NS_PER_MS, passed);
	duration_format((int64_t)UNHEALTHY_MS * NS_PER_MS, limit);
	return err_set(err, -ETIMEDOUT, "pleg was last seen active %s ago; threshold is %s", passed, limit);
}
