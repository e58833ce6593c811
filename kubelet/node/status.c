/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kubelet/config/config.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/meta.h"
#include "pkg/codec/pb.h"
#include "pkg/codec/quantity.h"

enum {
	IMAGE_NAMES_MAX = 5, /* of one image; upstream's number */
	MILLI_PER_CPU = 1000,
	COMPLAINTS_BYTES = 8192, /* a condition's message: a few sentences, and the runtime's own */
};

/* ---- capacity and allocatable ---- */

static char *quantity_text_of(struct arena *arena, int64_t value, enum quantity_format format)
{
	struct quantity quantity = quantity_of(value, format);

	return quantity_text(arena, &quantity);
}

static const char *text_of_map(Config__KubeletConfiguration__KubeReservedEntry *const *entries, size_t n,
			       const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(entries[i]->key, key))
			return entries[i]->value;
	return NULL;
}

/* An eviction threshold: "100Mi" or "10%" of what there is. */
static int64_t threshold_of(const Config__KubeletConfiguration *config, const char *signal, int64_t capacity)
{
	for (size_t i = 0; i < config->n_evictionhard; i++) {
		const char *value = config->evictionhard[i]->value;

		if (!str_eq(config->evictionhard[i]->key, signal))
			continue;
		/* Stock reckons percentages in single precision, and the digits show in the API. */
		if (str_has_suffix(value, "%"))
			return (int64_t)((double)capacity * (double)(strtof(value, NULL) / 100));
		return quantity_text_value(value);
	}
	return 0;
}

static struct amounts reserved_of(const Config__KubeletConfiguration *c)
{
	/* Both maps have entries of the same shape. */
	Config__KubeletConfiguration__KubeReservedEntry *const *system = (void *)c->systemreserved;
	Config__KubeletConfiguration__KubeReservedEntry *const *kube = c->kubereserved;
	size_t n_kube = c->n_kubereserved, n_system = c->n_systemreserved;

	return (struct amounts){
		.milli_cpu = quantity_text_milli(text_of_map(kube, n_kube, "cpu")) +
			     quantity_text_milli(text_of_map(system, n_system, "cpu")),
		.memory_bytes = quantity_text_value(text_of_map(kube, n_kube, "memory")) +
				quantity_text_value(text_of_map(system, n_system, "memory")),
		.storage_bytes = quantity_text_value(text_of_map(kube, n_kube, "ephemeral-storage")) +
				 quantity_text_value(text_of_map(system, n_system, "ephemeral-storage")),
		.pids = quantity_text_value(text_of_map(kube, n_kube, "pid")) +
			quantity_text_value(text_of_map(system, n_system, "pid")),
	};
}

static int64_t hugepage_bytes(const struct node_facts *facts)
{
	int64_t sum = 0;

	for (size_t i = 0; i < facts->n_hugepages; i++)
		sum += facts->hugepages[i].total_bytes;
	return sum;
}

struct node_amounts node_status_amounts(const struct node_facts *facts, const Config__KubeletConfiguration *config)
{
	struct node_amounts amounts = {
		.capacity = { .milli_cpu = facts->cpus * MILLI_PER_CPU,
			      .memory_bytes = facts->memory_bytes,
			      .storage_bytes = facts->disk_bytes },
		.reserved = reserved_of(config),
	};
	const struct amounts *have = &amounts.capacity, *reserved = &amounts.reserved;

	amounts.allocatable = (struct amounts){
		.milli_cpu = have->milli_cpu - reserved->milli_cpu,
		.memory_bytes = have->memory_bytes - reserved->memory_bytes - hugepage_bytes(facts) -
				threshold_of(config, "memory.available", have->memory_bytes),
		.storage_bytes = have->storage_bytes - reserved->storage_bytes -
				 threshold_of(config, "nodefs.available", have->storage_bytes),
	};
	amounts.allocatable.milli_cpu = MAX(amounts.allocatable.milli_cpu, (int64_t)0);
	amounts.allocatable.memory_bytes = MAX(amounts.allocatable.memory_bytes, (int64_t)0);
	amounts.allocatable.storage_bytes = MAX(amounts.allocatable.storage_bytes, (int64_t)0);
	return amounts;
}

int64_t node_status_pods(const struct node_facts *facts, const Config__KubeletConfiguration *config)
{
	int64_t by_cpus = facts->cpus * config->podspercore;

	return config->podspercore > 0 ? MIN(by_cpus, (int64_t)config->maxpods) : config->maxpods;
}

int node_status_check_reserved(const struct node_facts *facts, const Config__KubeletConfiguration *config,
			       struct err *err)
{
	struct amounts reserved = reserved_of(config);

	if (reserved.milli_cpu > facts->cpus * MILLI_PER_CPU)
		return err_set(err, -EINVAL,
			       "invalid Node Allocatable configuration. Resource \"cpu\" has a reservation of %" PRId64
			       "m but capacity of %" PRId64 ". Expected capacity >= reservation.",
			       reserved.milli_cpu, facts->cpus);
	if (reserved.memory_bytes > facts->memory_bytes)
		return err_set(
			err, -EINVAL,
			"invalid Node Allocatable configuration. Resource \"memory\" has a reservation of %" PRId64
			" but capacity of %" PRId64 ". Expected capacity >= reservation.",
			reserved.memory_bytes, facts->memory_bytes);
	return 0;
}

static Resource__Quantity *as_quantity(struct arena *arena, char *text)
{
	Resource__Quantity *quantity = PB_NEW(arena, Resource__Quantity, resource__quantity__descriptor);

	quantity->string = text;
	return quantity;
}

/* One row of both lists. */
static void add_resource(Core__NodeStatus *status, struct arena *arena, const char *name, char *capacity,
			 char *allocatable)
{
	Core__NodeStatus__CapacityEntry *have =
		PB_NEW(arena, Core__NodeStatus__CapacityEntry, core__node_status__capacity_entry__descriptor);
	Core__NodeStatus__AllocatableEntry *may =
		PB_NEW(arena, Core__NodeStatus__AllocatableEntry, core__node_status__allocatable_entry__descriptor);

	have->key = may->key = arena_strdup(arena, name);
	have->value = as_quantity(arena, capacity);
	may->value = as_quantity(arena, allocatable);
	PB_APPEND(arena, status, capacity, have);
	PB_APPEND(arena, status, allocatable, may);
}

static char *milli_text(struct arena *arena, int64_t milli)
{
	struct quantity quantity = { .nano = (__typeof__(quantity.nano))milli * 1000000,
				     .format = QUANTITY_DECIMAL_SI };

	return quantity_text(arena, &quantity);
}

static void set_resources(const struct node_status_input *in, Core__NodeStatus *status, struct arena *arena)
{
	const struct node_facts *facts = in->facts;
	struct node_amounts amounts = node_status_amounts(facts, in->config);
	const struct amounts *have = &amounts.capacity, *may = &amounts.allocatable;
	char *pods = quantity_text_of(arena, node_status_pods(facts, in->config), QUANTITY_DECIMAL_SI);

	add_resource(status, arena, "cpu", milli_text(arena, have->milli_cpu), milli_text(arena, may->milli_cpu));
	add_resource(status, arena, "ephemeral-storage",
		     quantity_text_of(arena, have->storage_bytes, QUANTITY_DECIMAL_SI),
		     quantity_text_of(arena, may->storage_bytes, QUANTITY_DECIMAL_SI));
	for (size_t i = 0; i < facts->n_hugepages; i++) {
		char *name = arena_printf(arena, "hugepages-%s",
					  quantity_text_of(arena, facts->hugepages[i].bytes, QUANTITY_BINARY_SI));
		char *total = quantity_text_of(arena, facts->hugepages[i].total_bytes, QUANTITY_BINARY_SI);

		add_resource(status, arena, name, total, total);
	}
	add_resource(status, arena, "memory", quantity_text_of(arena, have->memory_bytes, QUANTITY_BINARY_SI),
		     quantity_text_of(arena, may->memory_bytes, QUANTITY_BINARY_SI));
	add_resource(status, arena, "pods", pods, pods);
}

/* ---- who and what the node is ---- */

static void add_address(Core__NodeStatus *status, struct arena *arena, const char *type, const char *text)
{
	Core__NodeAddress *address = PB_NEW(arena, Core__NodeAddress, core__node_address__descriptor);

	address->type = arena_strdup(arena, type);
	address->address = arena_strdup(arena, text);
	PB_APPEND(arena, status, addresses, address);
}

static void set_addresses(const struct node_status_input *in, Core__NodeStatus *status, struct arena *arena)
{
	size_t n_provided = in->provided ? in->provided->n_addresses : 0;

	for (size_t i = 0; i < n_provided; i++)
		add_address(status, arena, str_or(in->provided->addresses[i]->type, ""),
			    str_or(in->provided->addresses[i]->address, ""));
	if (n_provided > 0)
		return;
	for (size_t i = 0; i < in->n_ips && !in->await_addresses; i++)
		add_address(status, arena, "InternalIP", in->ips[i]);
	add_address(status, arena, "Hostname", in->name);
}

/* containerd says "v2.3.7"; stock reads it as a version and prints 2.3.7. */
static const char *version_text(const char *version)
{
	return version[0] == 'v' && version[1] >= '0' && version[1] <= '9' ? version + 1 : version;
}

static void set_info(const struct node_status_input *in, Core__NodeStatus *status, struct arena *arena)
{
	const struct node_facts *facts = in->facts;
	Core__NodeSystemInfo *info = PB_NEW(arena, Core__NodeSystemInfo, core__node_system_info__descriptor);

	info->machineid = arena_strdup(arena, facts->machine_id);
	info->systemuuid = arena_strdup(arena, facts->system_uuid);
	info->bootid = arena_strdup(arena, facts->boot_id);
	info->kernelversion = arena_strdup(arena, facts->kernel);
	info->osimage = arena_strdup(arena, facts->os_image);
	info->containerruntimeversion = in->version ? arena_printf(arena, "%s://%s", in->version->runtime_name,
								   version_text(in->version->runtime_version))
						    : arena_strdup(arena, "Unknown");
	info->kubeletversion = arena_strdup(arena, CONFIG_KUBERNETES_VERSION);
	info->kubeproxyversion = arena_strdup(arena, "");
	info->operatingsystem = arena_strdup(arena, "linux");
	info->architecture = arena_strdup(arena, facts->architecture);
	info->has_runninginusernamespace = 1;
	info->runninginusernamespace = facts->user_namespace;
	if (facts->swap_bytes > 0) {
		info->swap = PB_NEW(arena, Core__NodeSwapStatus, core__node_swap_status__descriptor);
		info->swap->has_capacity = 1;
		info->swap->capacity = facts->swap_bytes;
	}
	status->nodeinfo = info;

	status->daemonendpoints = PB_NEW(arena, Core__NodeDaemonEndpoints, core__node_daemon_endpoints__descriptor);
	status->daemonendpoints->kubeletendpoint =
		PB_NEW(arena, Core__DaemonEndpoint, core__daemon_endpoint__descriptor);
	status->daemonendpoints->kubeletendpoint->has_port = 1;
	status->daemonendpoints->kubeletendpoint->port = in->config->port;
}

/* ---- images and handlers ---- */

static int by_size(const void *a, const void *b)
{
	uint64_t x = (*(Cri__Image *const *)a)->size, y = (*(Cri__Image *const *)b)->size;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void set_images(const struct node_status_input *in, Core__NodeStatus *status, struct arena *arena)
{
	size_t n = in->images ? in->images->n_images : 0;
	size_t most = in->config->nodestatusmaximages < 0 ? n : (size_t)in->config->nodestatusmaximages;
	Cri__Image **sorted = arena_alloc(arena, MAX(n, (size_t)1) * sizeof(Cri__Image *));

	if (n)
		memcpy(sorted, in->images->images, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_size);
	for (size_t i = 0; i < MIN(n, most); i++) {
		Core__ContainerImage *image = PB_NEW(arena, Core__ContainerImage, core__container_image__descriptor);

		for (size_t d = 0; d < sorted[i]->n_repo_digests && image->n_names < IMAGE_NAMES_MAX; d++)
			PB_APPEND(arena, image, names, arena_strdup(arena, sorted[i]->repo_digests[d]));
		for (size_t t = 0; t < sorted[i]->n_repo_tags && image->n_names < IMAGE_NAMES_MAX; t++)
			PB_APPEND(arena, image, names, arena_strdup(arena, sorted[i]->repo_tags[t]));
		image->has_sizebytes = 1;
		image->sizebytes = (int64_t)sorted[i]->size;
		PB_APPEND(arena, status, images, image);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(Cri__RuntimeHandler *const *)a)->name, (*(Cri__RuntimeHandler *const *)b)->name);
}

static void set_handlers(const struct node_status_input *in, Core__NodeStatus *status, struct arena *arena)
{
	size_t n = in->runtime ? in->runtime->n_runtime_handlers : 0;
	Cri__RuntimeHandler **sorted = arena_alloc(arena, MAX(n, (size_t)1) * sizeof(Cri__RuntimeHandler *));

	if (n)
		memcpy(sorted, in->runtime->runtime_handlers, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_name);
	for (size_t i = 0; i < n; i++) {
		Core__NodeRuntimeHandler *handler =
			PB_NEW(arena, Core__NodeRuntimeHandler, core__node_runtime_handler__descriptor);
		const Cri__RuntimeHandlerFeatures *has = sorted[i]->features;

		handler->name = arena_strdup(arena, sorted[i]->name);
		if (has) {
			handler->features = PB_NEW(arena, Core__NodeRuntimeHandlerFeatures,
						   core__node_runtime_handler_features__descriptor);
			handler->features->has_recursivereadonlymounts = 1;
			handler->features->recursivereadonlymounts = has->recursive_read_only_mounts;
			handler->features->has_usernamespaces = 1;
			handler->features->usernamespaces = has->user_namespaces;
		}
		PB_APPEND(arena, status, runtimehandlers, handler);
	}
	if (in->runtime && in->runtime->features) {
		status->features = PB_NEW(arena, Core__NodeFeatures, core__node_features__descriptor);
		status->features->has_supplementalgroupspolicy = 1;
		status->features->supplementalgroupspolicy = in->runtime->features->supplemental_groups_policy;
	}
}

/* ---- conditions ---- */

const Core__NodeCondition *node_status_condition(const Core__NodeStatus *status, const char *type)
{
	for (size_t i = 0; status && i < status->n_conditions; i++)
		if (str_eq(status->conditions[i]->type, type))
			return status->conditions[i];
	return NULL;
}

static void add_condition(const struct node_status_input *in, Core__NodeStatus *status, struct arena *arena,
			  const char *type, bool value, const char *reason, const char *message)
{
	const Core__NodeCondition *before = node_status_condition(in->before, type);
	Core__NodeCondition *condition = PB_NEW(arena, Core__NodeCondition, core__node_condition__descriptor);
	bool same = before && str_eq(before->status, value ? "True" : "False") && before->lasttransitiontime;

	condition->type = arena_strdup(arena, type);
	condition->status = arena_strdup(arena, value ? "True" : "False");
	condition->lastheartbeattime = meta_time(arena, in->now_s);
	condition->lasttransitiontime = meta_time(arena, same ? before->lasttransitiontime->seconds : in->now_s);
	condition->reason = arena_strdup(arena, reason);
	condition->message = arena_strdup(arena, message);
	PB_APPEND(arena, status, conditions, condition);
}

/* Sentences about what is wrong: one is said as it is, several as "[a, b]". */
struct complaints {
	struct buf text;
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void complain(struct complaints *complaints, const char *format, ...)
{
	char sentence[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	buf_printf(&complaints->text, "%s%s", complaints->n++ ? ", " : "", sentence);
}

static const Cri__RuntimeCondition *runtime_condition(const Cri__StatusResponse *runtime, const char *type)
{
	for (size_t i = 0; runtime->status && i < runtime->status->n_conditions; i++)
		if (str_eq(runtime->status->conditions[i]->type, type))
			return runtime->status->conditions[i];
	return NULL;
}

bool node_status_runtime_is_ready(const Cri__StatusResponse *runtime)
{
	const Cri__RuntimeCondition *condition = runtime_condition(runtime, "RuntimeReady");

	return condition && condition->status;
}

static void check_runtime_condition(struct complaints *complaints, const Cri__StatusResponse *runtime, const char *type,
				    const char *what)
{
	const Cri__RuntimeCondition *condition = runtime_condition(runtime, type);

	if (!condition)
		complain(complaints, "%s not ready: <nil>", what); /* it did not say: stock prints it so */
	else if (!condition->status)
		complain(complaints, "%s not ready: %s=false reason:%s message:%s", what, type, condition->reason,
			 condition->message);
}

int node_status_network(const Cri__StatusResponse *runtime, struct err *err)
{
	struct complaints complaints = { .text = BUF_INIT(ERR_TEXT_MAX) };

	if (runtime)
		check_runtime_condition(&complaints, runtime, "NetworkReady", "container runtime network");
	else
		complain(&complaints, "network state unknown");
	if (complaints.n)
		err_set(err, -ENETDOWN, "%s", buf_text(&complaints.text));
	buf_done(&complaints.text);
	return complaints.n ? -ENETDOWN : 0;
}

/* In stock's order: the runtime's answering, our own parts, the runtime's words. */
static void set_ready(const struct node_status_input *in, Core__NodeStatus *status, struct arena *arena)
{
	struct complaints complaints = { .text = BUF_INIT(COMPLAINTS_BYTES) };

	if (!in->runtime_was_ready)
		complain(&complaints, "container runtime status check may not have completed yet");
	else if (in->runtime_is_down)
		complain(&complaints, "container runtime is down");
	if (in->unhealthy)
		complain(&complaints, "%s", in->unhealthy);
	if (in->runtime) {
		check_runtime_condition(&complaints, in->runtime, "RuntimeReady", "container runtime");
		check_runtime_condition(&complaints, in->runtime, "NetworkReady", "container runtime network");
	} else {
		complain(&complaints, "network state unknown");
	}
	if (complaints.n == 0)
		add_condition(in, status, arena, "Ready", true, "KubeletReady", "kubelet is posting ready status");
	else
		add_condition(in, status, arena, "Ready", false, "KubeletNotReady",
			      complaints.n == 1 ? buf_text(&complaints.text)
						: arena_printf(arena, "[%s]", buf_text(&complaints.text)));
	buf_done(&complaints.text);
}

Core__NodeStatus *node_status_compute(const struct node_status_input *in, struct arena *arena)
{
	Core__NodeStatus *status = PB_NEW(arena, Core__NodeStatus, core__node_status__descriptor);

	set_resources(in, status, arena);
	/* Pressure is eviction's to tell; until there is one, a node has none. */
	add_condition(in, status, arena, "MemoryPressure", false, "KubeletHasSufficientMemory",
		      "kubelet has sufficient memory available");
	add_condition(in, status, arena, "DiskPressure", false, "KubeletHasNoDiskPressure",
		      "kubelet has no disk pressure");
	add_condition(in, status, arena, "PIDPressure", false, "KubeletHasSufficientPID",
		      "kubelet has sufficient PID available");
	set_ready(in, status, arena);
	set_addresses(in, status, arena);
	set_info(in, status, arena);
	set_images(in, status, arena);
	set_handlers(in, status, arena);
	return status;
}

bool node_status_is_same(const Core__NodeStatus *a, const Core__NodeStatus *b)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__NodeStatus *x = (Core__NodeStatus *)pb_copy(&a->base, arena);
	Core__NodeStatus *y = (Core__NodeStatus *)pb_copy(&b->base, arena);

	for (size_t i = 0; i < x->n_conditions; i++)
		x->conditions[i]->lastheartbeattime = NULL;
	for (size_t i = 0; i < y->n_conditions; i++)
		y->conditions[i]->lastheartbeattime = NULL;
	return pb_equal(&x->base, &y->base);
}
