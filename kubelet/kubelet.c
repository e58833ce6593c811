/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/kubelet.h"

#include <string.h>

#include "kubelet/api/api.h"
#include "kubelet/cert/cert.h"
#include "kubelet/cm/cm.h"
#include "kubelet/gate/gate.h"
#include "kubelet/node/node.h"
#include "kubelet/object/object.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/pod/world.h"
#include "kubelet/runtime/runtime.h"
#include "kubelet/source/source.h"
#include "kubelet/volume/volume.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/codec/duration.h"
#include "pkg/cri/cri.h"
#include "pkg/kube/event.h"
#include "pkg/kube/kube.h"
#include "pkg/sys/mount.h"

enum {
	LIMIT_NODE_AGAIN_MS = 60000, /* upstream's: pods may have to shrink first */
};

#define RUNTIME_API_VERSION "0.1.0"          /* of the kubelet's side of CRI v1; has never been another one */
#define CONTAINER_LOGS "/var/log/containers" /* where log collectors look, fixed upstream too */

struct kubelet {
	struct kubelet_options options;
	const Config__KubeletConfiguration *config;
	struct arena *arena; /* texts that live as long as the process */
	const char *node_name, *runtime_name;
	const char **ips;
	size_t n_ips;

	struct kube *kube;
	struct kube_events *events;
	struct cri *cri;
	struct node *node;
	struct cm *cm;
	struct objects *objects;
	struct volumes *volumes;
	struct runtime *runtime;
	struct pleg *pleg;
	struct world *world;
	struct source *source;
	struct certs *certs;
	struct api *api;
	struct gate *gate;

	bool node_seen, pleg_synced;
	struct loop_timer limit_timer;
	struct err limit_err; /* code 0: the node's limits stand */
};

/* ---- sizes of the node ---- */

static bool enforces_pods(const Config__KubeletConfiguration *config)
{
	for (size_t i = 0; i < config->n_enforcenodeallocatable; i++)
		if (str_eq(config->enforcenodeallocatable[i], "pods"))
			return true;
	return false;
}

/* ---- what managers tell each other ---- */

static void pod_changed(void *owner, const char *uid)
{
	struct kubelet *kubelet = owner;

	pods_poke(world_pods(kubelet->world), uid);
}

static void objects_changed(void *owner, const char *uid)
{
	struct kubelet *kubelet = owner;

	pods_refresh(world_pods(kubelet->world), uid);
}

static void set_pod(void *owner, Core__Pod *pod, struct arena *arena)
{
	struct kubelet *kubelet = owner;

	pods_set(world_pods(kubelet->world), pod, arena);
}

static void pod_gone(void *owner, const char *uid)
{
	struct kubelet *kubelet = owner;

	pods_gone(world_pods(kubelet->world), uid);
}

static void sources_ready(void *owner)
{
	struct kubelet *kubelet = owner;

	log_info("All sources of pods have been read", NULL);
	world_sources_ready(kubelet->world);
}

static void start_source(struct kubelet *kubelet)
{
	struct source_options options = {
		.kube = kubelet->kube,
		.node_name = kubelet->node_name,
		.set = set_pod,
		.gone = pod_gone,
		.ready = sources_ready,
		.owner = kubelet,
	};

	if (!kubelet->source && kubelet->node_seen && kubelet->pleg_synced)
		kubelet->source = source_new(&options);
}

static void node_seen(void *owner, const Core__Node *node)
{
	struct kubelet *kubelet = owner;

	kubelet->node_seen = true;
	start_source(kubelet);
}

static void pleg_synced(void *owner)
{
	struct kubelet *kubelet = owner;

	kubelet->pleg_synced = true;
	start_source(kubelet);
}

static int node_health(void *owner, struct err *err)
{
	struct kubelet *kubelet = owner;

	return kubelet->pleg ? pleg_health(kubelet->pleg, err) : 0;
}

static int pod_network(void *owner, struct err *err)
{
	struct kubelet *kubelet = owner;

	return node_network(kubelet->node, err);
}

static const Core__Node *own_node(void *owner)
{
	struct kubelet *kubelet = owner;

	return node_get(kubelet->node);
}

static const Core__Service *const *services(void *owner, size_t *ret_n)
{
	struct kubelet *kubelet = owner;

	*ret_n = 0;
	return kubelet->source ? source_services(kubelet->source, ret_n) : NULL;
}

/* ---- what the HTTP API asks ---- */

static const Core__Pod *api_find(void *owner, const char *namespace_, const char *name)
{
	struct kubelet *kubelet = owner;

	return pods_find(world_pods(kubelet->world), namespace_, name);
}

static const Core__Pod *api_next(void *owner, size_t *at)
{
	struct kubelet *kubelet = owner;

	return pods_next(world_pods(kubelet->world), at);
}

static const struct runtime_pod *api_observed(void *owner, const char *uid)
{
	struct kubelet *kubelet = owner;

	return pleg_get(kubelet->pleg, uid);
}

static const struct runtime_pod *api_next_observed(void *owner, size_t *at)
{
	struct kubelet *kubelet = owner;

	return pleg_next(kubelet->pleg, at);
}

static int check_syncloop(void *owner, struct err *err)
{
	return 0; /* who answers this runs the same loop */
}

static void set_tls(void *owner, const struct cert_material *material)
{
	struct kubelet *kubelet = owner;
	struct gate_tls tls = {
		.certificate = material->certificate,
		.key = material->key,
		.client_ca = material->client_ca,
		.min_version = str_empty(kubelet->config->tlsminversion) ? NULL : kubelet->config->tlsminversion,
		.cipher_suites = (const char *const *)kubelet->config->tlsciphersuites,
		.n_cipher_suites = kubelet->config->n_tlsciphersuites,
	};

	gate_set_tls(kubelet->gate, &tls);
}

/* ---- making them, each after what it needs ---- */

static int new_kube(struct kubelet *kubelet, struct err *err)
{
	struct kubeconfig *config;
	int r = kubeconfig_load(kubelet->options.config->kubeconfig, &config, err);

	if (r < 0)
		return r;
	kubelet->kube =
		kube_new(kubelet->options.loop, config,
			 arena_printf(kubelet->arena, "kubelet/" CONFIG_KUBERNETES_VERSION " (linux/%s) cubelet",
				      node_architecture(kubelet->arena)));
	kubeconfig_free(config);
	kubelet->events = kube_events_new(kubelet->kube, "kubelet", kubelet->node_name, kubelet->config->eventrecordqps,
					  kubelet->config->eventburst);
	return 0;
}

static int new_clients(struct kubelet *kubelet, struct err *err)
{
	const struct config *config = kubelet->options.config;
	int r = node_name(config->hostname_override, kubelet->arena, &kubelet->node_name, err);

	if (r >= 0)
		r = node_addresses(config->node_ip, kubelet->arena, &kubelet->ips, &kubelet->n_ips, err);
	if (r >= 0)
		r = new_kube(kubelet, err);
	if (r >= 0)
		r = cri_new(kubelet->options.loop, kubelet->config->containerruntimeendpoint,
			    duration_ms(kubelet->config->runtimerequesttimeout), &kubelet->cri, err);
	if (r == -EDESTADDRREQ || (r >= 0 && cri_probe(kubelet->config->containerruntimeendpoint, err) < 0))
		r = err_wrap(err,
			     "validate service connection: validate CRI v1 runtime API for "
			     "endpoint \"%s\"",
			     kubelet->config->containerruntimeendpoint);
	return r;
}

static int new_node(struct kubelet *kubelet, struct err *err)
{
	const struct config *config = kubelet->options.config;
	struct node_options options = {
		.loop = kubelet->options.loop,
		.kube = kubelet->kube,
		.cri = kubelet->cri,
		.events = kubelet->events,
		.config = kubelet->config,
		.name = kubelet->node_name,
		.ips = kubelet->ips,
		.n_ips = kubelet->n_ips,
		.root_dir = config->root_dir,
		.labels = config->node_labels,
		.node_ip = config->node_ip,
		.external_cloud = str_eq(config->cloud_provider, "external"),
		.seen = node_seen,
		.health = node_health,
		.owner = kubelet,
	};

	return node_new(&options, &kubelet->node, err);
}

static int new_cm(struct kubelet *kubelet, struct err *err)
{
	const Config__KubeletConfiguration *config = kubelet->config;
	struct node_amounts node = node_amounts(kubelet->node);
	struct cm_options options = {
		.loop = kubelet->options.loop,
		.cgroup_root = config->cgrouproot,
		.enforce_pods = enforces_pods(config),
		.capacity_milli_cpu = node.capacity.milli_cpu,
		.capacity_memory_bytes = node.capacity.memory_bytes,
		.reserved_milli_cpu = node.reserved.milli_cpu,
		.reserved_memory_bytes = node.reserved.memory_bytes,
		.reserved_pids = node.reserved.pids,
		.pod_pids_limit = config->podpidslimit,
		.cpu_cfs_quota = config->cpucfsquota,
		.cpu_cfs_quota_period_us = duration_ms(config->cpucfsquotaperiod) * US_PER_MS,
	};
	int r = cm_new(&options, &kubelet->cm, err);

	return r < 0 ? r : cm_setup_node(kubelet->cm, err);
}

static void new_volumes(struct kubelet *kubelet)
{
	struct volumes_options options = {
		.loop = kubelet->options.loop,
		.kube = kubelet->kube,
		.event = world_event,
		.event_owner = kubelet->world,
		.root_dir = kubelet->options.config->root_dir,
		.helper_program = "/proc/self/exe",
		.allocatable = node_amounts(kubelet->node).allocatable,
	};

	options.objects = kubelet->objects;
	kubelet->volumes = volumes_new(&options);
}

/* Which image was pulled with what; NULL when its feature gate is off: there is no policy then. */
static const char *image_records_dir(const struct kubelet *kubelet)
{
	if (str_empty(kubelet->config->imagepullcredentialsverificationpolicy))
		return NULL;
	return arena_printf(kubelet->arena, "%s/image_manager", kubelet->options.config->root_dir);
}

static int make_folders(struct kubelet *kubelet, struct err *err)
{
	const char *records = image_records_dir(kubelet);
	int r = dir_make_all(kubelet->options.config->root_dir, 0750, err);

	if (r == 0 && mount_make_shared(kubelet->options.config->root_dir, err) < 0)
		r = err_wrap(err, "error configuring root directory");
	if (r < 0 || !records)
		return r;
	r = runtime_make_folders(records, err);
	return r < 0 ? err_wrap(err, "failed to setup the FSPullRecordsAccessor") : 0;
}

static void new_runtime(struct kubelet *kubelet)
{
	const Config__KubeletConfiguration *config = kubelet->config;
	struct runtime_options options = {
		.loop = kubelet->options.loop,
		.cri = kubelet->cri,
		.objects = kubelet->objects,
		.event = world_event,
		.event_owner = kubelet->world,
		.pod_logs_dir = config->podlogsdir,
		.container_logs_dir = CONTAINER_LOGS,
		.seccomp_dir = arena_printf(kubelet->arena, "%s/seccomp", kubelet->options.config->root_dir),
		.cluster_dns = (const char *const *)config->clusterdns,
		.n_cluster_dns = config->n_clusterdns,
		.cluster_domain = str_or(config->clusterdomain, ""),
		.resolv_conf = str_or(config->resolvconf, ""),
		.node_ip = kubelet->ips[0],
		.cgroup_v2 = cm_is_v2(kubelet->cm),
		.seccomp_default = config->seccompdefault,
		.cpu_cfs_quota = config->cpucfsquota,
		.cpu_cfs_quota_period_us = duration_ms(config->cpucfsquotaperiod) * US_PER_MS,
		.single_process_oom_kill = config->singleprocessoomkill || !cm_is_v2(kubelet->cm),
		.tiered_memory_reservation = str_eq(config->memoryreservationpolicy, "TieredReservation"),
		.memory_throttling_factor = config->has_memorythrottlingfactor ? config->memorythrottlingfactor : 0,
		.memory_capacity_bytes = node_amounts(kubelet->node).capacity.memory_bytes,
		.allocatable = node_amounts(kubelet->node).allocatable,
		.serialize_image_pulls = config->serializeimagepulls,
		.max_parallel_image_pulls = config->maxparallelimagepulls,
		.registry_pull_qps = config->registrypullqps,
		.registry_burst = config->registryburst,
		.image_records_dir = image_records_dir(kubelet),
		.image_verification = config->imagepullcredentialsverificationpolicy,
		.image_allowlist = (const char *const *)config->preloadedimagesverificationallowlist,
		.n_image_allowlist = config->n_preloadedimagesverificationallowlist,
	};

	kubelet->runtime = runtime_new(&options);
}

static void new_pods(struct kubelet *kubelet)
{
	const Config__KubeletConfiguration *config = kubelet->config;
	struct pleg_options pleg = {
		.loop = kubelet->options.loop,
		.cri = kubelet->cri,
		.changed = pod_changed,
		.synced = pleg_synced,
		.owner = kubelet,
	};
	struct world_options world = {
		.unsafe_sysctls = config->allowedunsafesysctls,
		.n_unsafe_sysctls = config->n_allowedunsafesysctls,
		.loop = kubelet->options.loop,
		.kube = kubelet->kube,
		.events = kubelet->events,
		.cm = kubelet->cm,
		.crash_loop = crash_loop_policy(
			config->crashloopbackoff ? duration_ms(config->crashloopbackoff->maxcontainerrestartperiod)
						 : 0),
		.runtime_name = kubelet->runtime_name,
		.host_ips = kubelet->ips,
		.n_host_ips = kubelet->n_ips,
		.node = own_node,
		.services = services,
		.network = pod_network,
		.owner = kubelet,
	};

	kubelet->objects = objects_new(kubelet->options.loop, kubelet->kube);
	objects_on_change(kubelet->objects, objects_changed, kubelet);
	kubelet->pleg = pleg_new(&pleg);
	world.objects = kubelet->objects;
	world.pleg = kubelet->pleg;
	kubelet->world = world_new(&world);
	new_volumes(kubelet);
	new_runtime(kubelet);
	world_set_managers(kubelet->world, kubelet->volumes, kubelet->runtime);
}

static int new_certs(struct kubelet *kubelet, struct err *err)
{
	struct cert_options options = {
		.loop = kubelet->options.loop,
		.config = kubelet->config,
		.cert_dir = kubelet->options.config->cert_dir,
		.host = kubelet->node_name,
		.changed = set_tls,
		.owner = kubelet,
	};

	return certs_new(&options, &kubelet->certs, err);
}

static int new_server(struct kubelet *kubelet, struct err *err)
{
	const Config__KubeletConfiguration *config = kubelet->config;
	struct api_options api = {
		.loop = kubelet->options.loop,
		.cri = kubelet->cri,
		.kube = kubelet->kube,
		.node_name = kubelet->node_name,
		.config = config,
		.pods = { api_find, api_next, api_observed, api_next_observed, kubelet },
		.checks = { { "syncloop", check_syncloop, kubelet } },
		.n_checks = 1,
	};
	struct gate_options gate = {
		.listen = { [GATE_API] = { config->address, config->port },
			    [GATE_HEALTHZ] = { config->healthzbindaddress, config->healthzport },
			    [GATE_READ_ONLY] = { config->address, config->readonlyport } },
		.sandbox_off = kubelet->options.config->gate_sandbox_off,
		.log_json = config->logging && str_eq(config->logging->format, "json"),
		.former_file = arena_printf(kubelet->arena, "%s/kubelet-gate.pid", kubelet->options.config->root_dir),
		.callbacks = { api_request, api_gone },
	};
	int r = api_new(&api, &kubelet->api, err);

	if (r < 0)
		return r;
	gate.owner = kubelet->api;
	r = gate_new(kubelet->options.loop, &gate, &kubelet->gate, err);
	if (r < 0)
		return r;
	api_set_gate(kubelet->api, kubelet->gate);
	set_tls(kubelet, certs_material(kubelet->certs));
	certs_start(kubelet->certs);
	return 0;
}

int kubelet_new(const struct kubelet_options *options, struct kubelet **ret_kubelet, struct err *err)
{
	struct kubelet *kubelet = xcalloc(1, sizeof *kubelet);
	int r;

	kubelet->options = *options;
	kubelet->config = options->config->kubelet;
	kubelet->arena = arena_new();
	r = make_folders(kubelet, err);
	if (r >= 0)
		r = new_clients(kubelet, err);
	if (r >= 0)
		r = new_certs(kubelet, err);
	if (r < 0)
		return r; /* the process ends with this error: nothing is taken apart for it */
	*ret_kubelet = kubelet;
	return 0;
}

/* ---- the start, in two halves around the runtime's answer ---- */

static int make_rest(struct kubelet *kubelet, struct err *err)
{
	int r = new_node(kubelet, err);

	if (r >= 0)
		r = new_cm(kubelet, err);
	if (r < 0)
		return r;
	new_pods(kubelet);
	return new_server(kubelet, err);
}

/* Why this runtime will not do; the words are stock's, which asks twice and complains from two places. */
static int check_runtime(const struct kubelet *kubelet, const Cri__VersionResponse *version, const struct err *err,
			 struct err *ret_why)
{
	if (err) {
		*ret_why = *err;
		if (err->code == -EBADMSG && !str_has_prefix(err->text, "rpc error"))
			return err_wrap(ret_why, "failed to create kubelet: get remote runtime "
						 "typed version failed");
		return err_wrap(ret_why,
				"validate service connection: validate CRI v1 runtime API for "
				"endpoint \"%s\"",
				kubelet->config->containerruntimeendpoint);
	}
	if (!str_eq(version->version, RUNTIME_API_VERSION))
		return err_set(ret_why, -EPROTONOSUPPORT,
			       "failed to create kubelet: runtime api version is not supported: "
			       "\"%s\" instead of \"" RUNTIME_API_VERSION "\"",
			       version->version);
	return 0;
}

static void limit_work(void *owner)
{
	struct kubelet *kubelet = owner;

	if (cm_limit_node(kubelet->cm, &kubelet->limit_err) >= 0)
		kubelet->limit_err.code = 0;
}

static void limited(void *owner, const void *result, const struct err *err)
{
	struct kubelet *kubelet = owner;
	Core__ObjectReference about;

	kube_reference_node(kubelet->node_name, NULL, &about);
	if (kubelet->limit_err.code == 0) {
		kube_event(kubelet->events, &about, "Normal", "NodeAllocatableEnforced",
			   "Updated Node Allocatable limit across pods");
		return;
	}
	kube_event(kubelet->events, &about, "Warning", "FailedNodeAllocatableEnforcement", "%s",
		   kubelet->limit_err.text);
	loop_timer_start(&kubelet->limit_timer, LIMIT_NODE_AGAIN_MS);
}

static void limit_node(void *owner)
{
	struct kubelet *kubelet = owner;

	loop_work(kubelet->options.loop, limit_work, limited, kubelet);
}

static void say_start(struct kubelet *kubelet)
{
	static const char v1_text[] =
		"cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future release. Please "
		"migrate to cgroup v2. More information at "
		"https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1";
	Core__ObjectReference about;

	kube_reference_node(kubelet->node_name, NULL, &about);
	kube_event(kubelet->events, &about, "Normal", "Starting", "Starting kubelet.");
	if (!cm_is_v2(kubelet->cm)) {
		log_info("Warning: cgroup check", "error", v1_text, NULL);
		kube_event(kubelet->events, &about, "Warning", "CgroupV1", "%s", v1_text);
	}
}

static void runtime_answered(void *owner, const void *result, const struct err *err)
{
	struct kubelet *kubelet = owner;
	const Cri__VersionResponse *version = result;
	struct err why;

	if (check_runtime(kubelet, version, err, &why) < 0) {
		kubelet->options.failed(kubelet->options.owner, &why);
		return;
	}
	kubelet->runtime_name = arena_strdup(kubelet->arena, version->runtime_name);
	if (make_rest(kubelet, &why) < 0) {
		kubelet->options.failed(kubelet->options.owner, &why);
		return;
	}
	log_info("Container runtime initialized", "containerRuntime", version->runtime_name, "version",
		 version->runtime_version, "apiVersion", version->runtime_api_version, NULL);
	say_start(kubelet);
	limit_node(kubelet);
	pleg_start(kubelet->pleg);
	node_start(kubelet->node);
	kubelet->options.started(kubelet->options.owner);
}

void kubelet_start(struct kubelet *kubelet)
{
	Cri__VersionRequest request = CRI__VERSION_REQUEST__INIT;

	loop_timer_init(&kubelet->limit_timer, kubelet->options.loop, limit_node, kubelet);
	request.version = (char[]){ RUNTIME_API_VERSION };
	cri_call(kubelet->cri, CRI_VERSION, &request.base, 0, runtime_answered, kubelet);
}

void kubelet_stop(struct kubelet *kubelet)
{
	gate_free(kubelet->gate);
	kubelet->gate = NULL;
}
