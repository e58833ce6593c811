/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/validate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kubelet/config/features.h"
#include "kubelet/config/taints.h"
#include "pkg/base/arena.h"
#include "pkg/base/base.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/imageref.h"
#include "pkg/codec/quantity.h"

#define PREVIOUS_VERSION "1.36"
#define BLANKS " \t\n\v\f\r"

enum { SENTENCES_MAX = 64 }; /* more than there are rules; what a long list breaks over and over is cut */

struct verdict {
	struct arena *arena;
	const char *sentences[SENTENCES_MAX];
	size_t n;
};

/* Once each, like everything that stock aggregates. */
static void add_sentence(struct verdict *verdict, const char *sentence)
{
	for (size_t i = 0; i < verdict->n; i++)
		if (str_eq(verdict->sentences[i], sentence))
			return;
	if (verdict->n < SENTENCES_MAX)
		verdict->sentences[verdict->n++] = sentence;
}

__attribute__((format(printf, 2, 3))) static void refuse(struct verdict *verdict, const char *format, ...)
{
	char sentence[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	add_sentence(verdict, arena_printf(verdict->arena, "invalid configuration: %s", sentence));
}

/* The few sentences of stock that do not begin like the others. */
__attribute__((format(printf, 2, 3))) static void refuse_plainly(struct verdict *verdict, const char *format, ...)
{
	va_list args;
	char sentence[ERR_TEXT_MAX];

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	add_sentence(verdict, arena_strdup(verdict->arena, sentence));
}

static int64_t ns_of(const Config__Duration *duration)
{
	return duration ? duration->ns : 0;
}

/* ---- numbers within bounds ---- */

struct bound {
	const char *name; /* as the sentence has it, with the flag */
	int64_t low, high;
	const char *rule; /* the rest of the sentence */
};

static void check_bound(struct verdict *verdict, const struct bound *bound, int64_t value)
{
	if (value < bound->low || value > bound->high)
		refuse(verdict, "%s %" PRId64 " %s", bound->name, value, bound->rule);
}

#define NOT_NEGATIVE 0, INT64_MAX, "must not be a negative number"

#define PERCENT 0, 100, "must be between 0 and 100, inclusive"
#define BIT 0, 31, "must be between 0 and 31, inclusive"

#define CHECK_BOUND(verdict, value, ...) check_bound(verdict, &(struct bound){ __VA_ARGS__ }, value)

static void check_first(struct verdict *v, const Config__KubeletConfiguration *c)
{
	if (c->nodeleasedurationseconds <= 0)
		refuse(v, "nodeLeaseDurationSeconds must be greater than 0");
	if (!str_empty(c->systemcgroups) && str_empty(c->cgrouproot))
		refuse(v, "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not "
			  "specified");
	CHECK_BOUND(v, c->eventburst, "eventBurst (--event-burst)", NOT_NEGATIVE);
	CHECK_BOUND(v, c->eventrecordqps, "eventRecordQPS (--event-qps)", NOT_NEGATIVE);
	if (c->healthzport != 0)
		CHECK_BOUND(v, c->healthzport, "healthzPort (--healthz-port)", 1, 65535,
			    "must be between 1 and 65535, inclusive");
}

enum { SECOND_NS = 1000000000, MILLI_NS = 1000000 };

static void check_quota_period(struct verdict *v, const Config__KubeletConfiguration *c)
{
	char text[DURATION_TEXT_MAX];
	int64_t period = ns_of(c->cpucfsquotaperiod);
	bool custom = feature_is_on(c, "CustomCPUCFSQuotaPeriod");

	duration_format(period, text);
	if (custom && (period < MILLI_NS || period > SECOND_NS))
		refuse(v, "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {%s} must be between 1ms and 1sec, inclusive",
		       text);
	if (!custom && period != 100 * MILLI_NS)
		refuse(v,
		       "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {%s} requires feature gate CustomCPUCFSQuotaPeriod",
		       text);
}

static void check_image_collection(struct verdict *v, const Config__KubeletConfiguration *c)
{
	CHECK_BOUND(v, c->imagegchighthresholdpercent, "imageGCHighThresholdPercent (--image-gc-high-threshold)",
		    PERCENT);
	CHECK_BOUND(v, c->imagegclowthresholdpercent, "imageGCLowThresholdPercent (--image-gc-low-threshold)", PERCENT);
	if (c->imagegclowthresholdpercent >= c->imagegchighthresholdpercent)
		refuse(v,
		       "imageGCLowThresholdPercent (--image-gc-low-threshold) %d must be less than "
		       "imageGCHighThresholdPercent (--image-gc-high-threshold) %d",
		       c->imagegclowthresholdpercent, c->imagegchighthresholdpercent);
	if (c->n_defaultpodsysctls && !feature_is_on(c, "DefaultPodSysctls"))
		refuse(v, "DefaultPodSysctls feature gate is required for Kubelet configuration option "
			  "defaultPodSysctls");
}

static void check_image_ages(struct verdict *v, const Config__KubeletConfiguration *c)
{
	char text[DURATION_TEXT_MAX], other[DURATION_TEXT_MAX];
	int64_t minimum = ns_of(c->imageminimumgcage), maximum = ns_of(c->imagemaximumgcage);

	duration_format(minimum, other);
	duration_format(maximum, text);
	if (minimum < 0)
		refuse(v, "imageMinimumGCAge %s must not be negative", other);
	if (maximum < 0)
		refuse(v, "imageMaximumGCAge %s must not be negative", text);
	if (maximum > 0 && maximum <= minimum)
		refuse(v, "imageMaximumGCAge %s must be greater than imageMinimumGCAge %s", text, other);
}

static void check_numbers(struct verdict *v, const Config__KubeletConfiguration *c)
{
	CHECK_BOUND(v, c->iptablesdropbit, "iptablesDropBit (--iptables-drop-bit)", BIT);
	CHECK_BOUND(v, c->iptablesmasqueradebit, "iptablesMasqueradeBit (--iptables-masquerade-bit)", BIT);
	CHECK_BOUND(v, c->kubeapiburst, "kubeAPIBurst (--kube-api-burst)", NOT_NEGATIVE);
	CHECK_BOUND(v, c->kubeapiqps, "kubeAPIQPS (--kube-api-qps)", NOT_NEGATIVE);
	CHECK_BOUND(v, c->nodestatusmaximages, "nodeStatusMaxImages (--node-status-max-images)", -1, INT64_MAX,
		    "must be -1 or greater");
	CHECK_BOUND(v, c->maxopenfiles, "maxOpenFiles (--max-open-files)", NOT_NEGATIVE);
	CHECK_BOUND(v, c->maxpods, "maxPods (--max-pods)", NOT_NEGATIVE);
	CHECK_BOUND(v, c->oomscoreadj, "oomScoreAdj (--oom-score-adj)", -1000, 1000,
		    "must be between -1000 and 1000, inclusive");
	CHECK_BOUND(v, c->podspercore, "podsPerCore (--pods-per-core)", NOT_NEGATIVE);
	CHECK_BOUND(v, c->port, "port (--port)", 1, 65535, "must be between 1 and 65535, inclusive");
	CHECK_BOUND(v, c->readonlyport, "readOnlyPort (--read-only-port)", 0, 65535,
		    "must be between 0 and 65535, inclusive");
	CHECK_BOUND(v, c->registryburst, "registryBurst (--registry-burst)", NOT_NEGATIVE);
	CHECK_BOUND(v, c->registrypullqps, "registryPullQPS (--registry-qps)", NOT_NEGATIVE);
	if (c->has_maxparallelimagepulls && c->maxparallelimagepulls < 1)
		refuse(v, "maxParallelImagePulls %d must be a positive number", c->maxparallelimagepulls);
	if (c->serializeimagepulls && c->has_maxparallelimagepulls && c->maxparallelimagepulls > 1)
		refuse(v, "maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls "
			  "(--serialize-image-pulls) is set to false");
	if (c->servertlsbootstrap && !feature_is_on(c, "RotateKubeletServerCertificate"))
		refuse(v, "serverTLSBootstrap true requires feature gate RotateKubeletServerCertificate");
	if (c->runonce)
		refuse(v, "runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set");
}

static void check_taints(struct verdict *v, const Config__KubeletConfiguration *c)
{
	for (size_t i = 0; i < c->n_registerwithtaints; i++) {
		const Core__Taint *taint = c->registerwithtaints[i];

		if (!taint_is_valid(taint))
			refuse_plainly(v, "invalid taint: {%s %s %s <nil>}", str_or(taint->key, ""),
				       str_or(taint->value, ""), str_or(taint->effect, ""));
		if (taint->timeadded)
			refuse(v, "taint.TimeAdded is not nil");
	}
}

static void check_shutdown(struct verdict *v, const Config__KubeletConfiguration *c)
{
	char text[DURATION_TEXT_MAX], other[DURATION_TEXT_MAX];
	int64_t shutdown = ns_of(c->shutdowngraceperiod), critical = ns_of(c->shutdowngraceperiodcriticalpods);
	bool is_on = feature_is_on(c, "GracefulNodeShutdown");

	duration_format(critical, text);
	duration_format(shutdown, other);
	if (is_on && critical > shutdown)
		refuse(v, "shutdownGracePeriodCriticalPods {%s} must be <= shutdownGracePeriod {%s}", text, other);
	if (is_on && (shutdown < 0 || (shutdown > 0 && shutdown < SECOND_NS)))
		refuse(v, "shutdownGracePeriod {%s} must be either zero or otherwise >= 1 sec", other);
	if (is_on && (critical < 0 || (critical > 0 && critical < SECOND_NS)))
		refuse(v, "shutdownGracePeriodCriticalPods {%s} must be either zero or otherwise >= 1 sec", text);
	if (!is_on && (shutdown > 0 || critical > 0))
		refuse(v, "specifying shutdownGracePeriod or shutdownGracePeriodCriticalPods requires feature gate "
			  "GracefulNodeShutdown");
	if (c->n_shutdowngraceperiodbypodpriority == 0)
		return;
	if (!feature_is_on(c, "GracefulNodeShutdownBasedOnPodPriority"))
		refuse(v, "Specifying shutdownGracePeriodByPodPriority requires feature gate "
			  "GracefulNodeShutdownBasedOnPodPriority");
	else if (shutdown > 0 || critical > 0)
		refuse(v, "Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same "
			  "time");
}

static void check_restarts(struct verdict *v, const Config__KubeletConfiguration *c)
{
	const Config__Duration *maximum = c->crashloopbackoff ? c->crashloopbackoff->maxcontainerrestartperiod : NULL;
	int64_t ms = ns_of(maximum) / MILLI_NS;

	if (!feature_is_on(c, "KubeletCrashLoopBackOffMax")) {
		if (maximum)
			refuse(v, "FeatureGate KubeletCrashLoopBackOffMax not enabled, "
				  "CrashLoopBackOff.MaxContainerRestartPeriod must not be set");
	} else if (ms < 1000 || ms > 300000) {
		refuse(v,
		       "CrashLoopBackOff.MaxContainerRestartPeriod (got: %g seconds) must be set between 1s and 300s",
		       (double)ns_of(maximum) / SECOND_NS);
	}
}

/* ---- words of a list ---- */

static void check_topology(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const policies[] = { "none", "best-effort", "restricted", "single-numa-node" };
	static const char *const scopes[] = { "container", "pod" };

	if (!str_is_one_of(c->topologymanagerpolicy, policies, ARRAY_LEN(policies)))
		refuse(v,
		       "topologyManagerPolicy (--topology-manager-policy) \"%s\" must be one of: [\"none\" "
		       "\"best-effort\" \"restricted\" \"single-numa-node\"]",
		       c->topologymanagerpolicy);
	if (!str_is_one_of(c->topologymanagerscope, scopes, ARRAY_LEN(scopes)))
		refuse(v,
		       "topologyManagerScope (--topology-manager-scope) \"%s\" must be one of: \"container\", or "
		       "\"pod\"",
		       c->topologymanagerscope);
}

static void check_swap(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const swaps[] = { "", "LimitedSwap", "NoSwap" };
	const char *swap = c->memoryswap ? str_or(c->memoryswap->swapbehavior, "") : "";

	if (!str_is_one_of(swap, swaps, ARRAY_LEN(swaps)))
		refuse(v, "memorySwap.swapBehavior \"%s\" must be one of: \"\", \"LimitedSwap\" or \"NoSwap\"", swap);
}

static void check_hairpin(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const hairpins[] = { "none", "hairpin-veth", "promiscuous-bridge" };

	if (!str_is_one_of(c->hairpinmode, hairpins, ARRAY_LEN(hairpins)))
		refuse(v,
		       "option \"%s\" specified for hairpinMode (--hairpin-mode). Valid options are \"none\", "
		       "\"hairpin-veth\" or \"promiscuous-bridge\"",
		       c->hairpinmode);
}

/* ---- node allocatable ---- */

static bool enforces(const Config__KubeletConfiguration *c, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(c->enforcenodeallocatable[i], what))
			return true;
	return false;
}

/* One kind of enforcement; false when nothing more is to be said of it. */
static bool check_one_enforcement(struct verdict *v, const Config__KubeletConfiguration *c, const char *value)
{
	static const char *const known[] = { "pods",
					     "system-reserved",
					     "system-reserved-compressible",
					     "kube-reserved",
					     "kube-reserved-compressible",
					     "none" };

	if (!str_is_one_of(value, known, ARRAY_LEN(known))) {
		refuse(v,
		       "option \"%s\" specified for enforceNodeAllocatable (--enforce-node-allocatable). Valid "
		       "options are \"pods\", \"system-reserved\", \"system-reserved-compressible\", "
		       "\"kube-reserved\", \"kube-reserved-compressible\" or \"none\"",
		       value);
		return false;
	}
	if (str_has_prefix(value, "system-reserved") && str_empty(c->systemreservedcgroup))
		refuse(v, "systemReservedCgroup (--system-reserved-cgroup) must be specified when "
			  "\"system-reserved\" or \"system-reserved-compressible\" included in "
			  "enforceNodeAllocatable (--enforce-node-allocatable)");
	if (str_has_prefix(value, "kube-reserved") && str_empty(c->kubereservedcgroup))
		refuse(v, "kubeReservedCgroup (--kube-reserved-cgroup) must be specified when \"kube-reserved\" or "
			  "\"kube-reserved-compressible\" included in enforceNodeAllocatable "
			  "(--enforce-node-allocatable)");
	if (!str_eq(value, "none"))
		return true;
	if (c->n_enforcenodeallocatable > 1)
		refuse(v, "enforceNodeAllocatable (--enforce-node-allocatable) may not contain additional "
			  "enforcements when \"none\" is specified");
	return false;
}

static void check_enforcement(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const reserved[] = { "system-reserved", "kube-reserved" };

	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		const char *partly = arena_printf(v->arena, "%s-compressible", reserved[i]);

		if (enforces(c, c->n_enforcenodeallocatable, partly) &&
		    enforces(c, c->n_enforcenodeallocatable, reserved[i]))
			refuse(v,
			       "both \"%s\" and \"%s\" cannot be specified together in enforceNodeAllocatable "
			       "(--enforce-node-allocatable)",
			       reserved[i], partly);
	}
	for (size_t i = 0; i < c->n_enforcenodeallocatable; i++) {
		const char *value = c->enforcenodeallocatable[i];

		if (enforces(c, i, value))
			refuse(v,
			       "duplicated enforcements \"%s\" in enforceNodeAllocatable (--enforce-node-allocatable)",
			       value);
		else if (check_one_enforcement(v, c, value) && !c->cgroupsperqos)
			refuse(v,
			       "cgroupsPerQOS (--cgroups-per-qos) must be set to true when \"%s\" contained in "
			       "enforceNodeAllocatable (--enforce-node-allocatable)",
			       value);
	}
}

static bool is_clean_path(const char *path)
{
	size_t size = strlen(path);

	return !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") && !str_has_suffix(path, "/.") &&
	       !str_has_suffix(path, "/..") && (size == 1 || path[size - 1] != '/');
}

static void check_memory(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const reservations[] = { "None", "TieredReservation" };
	double factor = c->memorythrottlingfactor;
	bool quality = feature_is_on(c, "MemoryQoS");

	if (!quality && c->has_memorythrottlingfactor && memcmp(&factor, &(double){ 0.9 }, sizeof factor) != 0)
		refuse(v, "memoryThrottlingFactor must not be set when MemoryQoS feature gate is disabled");
	if (c->has_memorythrottlingfactor && (factor <= 0 || factor > 1))
		refuse(v, "memoryThrottlingFactor %g must be greater than 0 and less than or equal to 1.0", factor);
	if (!quality && str_eq(c->memoryreservationpolicy, "TieredReservation"))
		refuse(v,
		       "memoryReservationPolicy \"TieredReservation\" requires MemoryQoS feature gate to be enabled");
	if (!str_is_one_of(c->memoryreservationpolicy, reservations, ARRAY_LEN(reservations)))
		refuse(v,
		       "option \"%s\" specified for memoryReservationPolicy. Valid options are \"None\" or "
		       "\"TieredReservation\"",
		       c->memoryreservationpolicy);
}

static void check_logs(struct verdict *v, const Config__KubeletConfiguration *c)
{
	const char *logs = c->podlogsdir;

	if (str_empty(c->containerruntimeendpoint))
		refuse(v, "the containerRuntimeEndpoint was not specified or empty");
	if (c->enablesystemlogquery && !c->enablesystemloghandler)
		refuse(v, "enableSystemLogHandler is required for enableSystemLogQuery");
	if (c->containerlogmaxworkers < 1)
		refuse(v, "containerLogMaxWorkers must be greater than or equal to 1");
	if (ns_of(c->containerlogmonitorinterval) < INT64_C(3) * SECOND_NS)
		refuse(v, "containerLogMonitorInterval must be a positive time duration greater than or equal to 3s");
	if (c->containerlogmaxfiles <= 1)
		refuse(v, "containerLogMaxFiles must be greater than 1");
	if (str_empty(logs))
		refuse(v, "podLogsDir was not specified");
	if (logs[0] != '/')
		refuse(v, "pod logs path \"%s\" must be absolute path", logs);
	if (!is_clean_path(logs))
		refuse(v, "pod logs path \"%s\" must be normalized", logs);
	for (const char *at = logs; *at; at++) {
		if ((unsigned char)*at >= 0x80) {
			refuse(v, "pod logs path \"%s\" mut contains ASCII characters only", logs);
			break;
		}
	}
}

/*
 * What is wrong with an entry of preloadedImagesVerificationAllowlist; NULL for nothing. "registry/path/" and a star
 * stand for all that begins so.
 */
static const char *allowlist_fault(const char *entry, struct arena *arena)
{
	size_t size = strlen(entry);
	bool wildcard = str_has_suffix(entry, "/*");
	struct imageref ref;
	struct err err;

	if (size > 0 && (strchr(BLANKS, entry[0]) || strchr(BLANKS, entry[size - 1])))
		return arena_printf(arena, "leading/trailing spaces are not allowed: %s", entry);
	if (size == 0)
		return "the supplied pattern is too short: ";
	if (memchr(entry, '*', wildcard ? size - 1 : size))
		return arena_printf(
			arena, "not a valid wildcard pattern, only patterns ending with '/*' are allowed: %s", entry);
	if (wildcard)
		return size == 2 ? "at least registry hostname is required" : NULL;
	if (imageref_parse(entry, arena, &ref, &err) < 0)
		return arena_printf(arena, "failed to parse as an image name: %s",
				    strstr(err.text, "must be lowercase") ? "repository name must be lowercase"
									  : "invalid reference format");
	if (!str_eq(imageref_trim(entry, &ref, arena), entry))
		return arena_printf(arena, "neither tag nor digest is accepted in an image reference: %s", entry);
	return NULL;
}

static void check_image_verification(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const policies[] = { "NeverVerify", "NeverVerifyPreloadedImages",
						"NeverVerifyAllowlistedImages", "AlwaysVerify" };
	_cleanup_arena_ struct arena *arena = arena_new();
	const char *policy = str_or(c->imagepullcredentialsverificationpolicy, ""), *fault = NULL;

	if (!feature_is_on(c, "KubeletEnsureSecretPulledImages")) {
		if (*policy)
			refuse(v, "`imagePullCredentialsVerificationPolicy` must not be set if "
				  "KubeletEnsureSecretPulledImages feature gate is not enabled");
		if (c->n_preloadedimagesverificationallowlist)
			refuse(v, "`preloadedImagesVerificationAllowlist` must not be set if "
				  "KubeletEnsureSecretPulledImages feature gate is not enabled");
		return;
	}
	if (!str_is_one_of(policy, policies, ARRAY_LEN(policies)))
		refuse(v,
		       "option \"%s\" specified for imagePullCredentialsVerificationPolicy. Valid options are "
		       "\"NeverVerify\", \"NeverVerifyPreloadedImages\", \"NeverVerifyAllowlistedImages\" or "
		       "\"AlwaysVerify\"",
		       policy);
	if (c->n_preloadedimagesverificationallowlist && !str_eq(policy, "NeverVerifyAllowlistedImages")) {
		/* stock's spelling */
		refuse(v, "can't set `preloadedImagesVerificationAllowlist` if "
			  "`imagePullCredentialsVertificationPolicy` is not \"NeverVerifyAllowlistedImages\"");
		return;
	}
	for (size_t i = 0; i < c->n_preloadedimagesverificationallowlist && !fault; i++)
		fault = allowlist_fault(c->preloadedimagesverificationallowlist[i], arena);
	if (fault)
		refuse(v, "invalid image pattern in `preloadedImagesVerificationAllowlist`: %s", fault);
}

/* "0-3,5"; NULL for nothing wrong, else Go's words. */
static const char *cpus_fault(const char *list, struct arena *arena)
{
	char *rest = arena_strdup(arena, list), *range;

	while ((range = strsep(&rest, ","))) {
		char *to = strchr(range, '-');
		const char *whole = arena_strdup(arena, range);
		int64_t first, last;

		if (to)
			*to++ = 0;
		if (str_to_i64(range, INT64_MIN, INT64_MAX, &first) < 0)
			return arena_printf(arena, "strconv.Atoi: parsing \"%s\": invalid syntax", range);
		if (to && str_to_i64(to, INT64_MIN, INT64_MAX, &last) < 0)
			return arena_printf(arena, "strconv.Atoi: parsing \"%s\": invalid syntax", to);
		if (to && first > last)
			return arena_printf(arena, "invalid range \"%s\" (%" PRId64 " > %" PRId64 ")", whole, first,
					    last);
	}
	return NULL;
}

static void check_cpus(struct verdict *v, const Config__KubeletConfiguration *c)
{
	const char *fault;

	if (str_empty(c->reservedsystemcpus))
		return;
	if (!str_empty(c->systemreservedcgroup) || !str_empty(c->kubereservedcgroup))
		refuse(v, "can't use reservedSystemCPUs (--reserved-cpus) with systemReservedCgroup "
			  "(--system-reserved-cgroup) or kubeReservedCgroup (--kube-reserved-cgroup)");
	fault = cpus_fault(c->reservedsystemcpus, v->arena);
	if (fault)
		refuse(v, "unable to parse reservedSystemCPUs (--reserved-cpus) %s, error: %s", c->reservedsystemcpus,
		       fault);
}

static bool is_reserved_before(const Config__KubeletConfiguration *c, size_t n, int32_t numa_node, const char *resource)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < c->reservedmemory[i]->n_limits; j++)
			if (c->reservedmemory[i]->numanode == numa_node &&
			    str_eq(c->reservedmemory[i]->limits[j]->key, resource))
				return true;
	return false;
}

static void check_reserved_memory(struct verdict *v, const Config__KubeletConfiguration *c)
{
	for (size_t i = 0; i < c->n_reservedmemory; i++) {
		const Config__MemoryReservation *memory = c->reservedmemory[i];

		for (size_t j = 0; j < memory->n_limits; j++) {
			const char *resource = memory->limits[j]->key;
			const Resource__Quantity *amount = memory->limits[j]->value;

			if (!str_eq(resource, "memory") && !str_has_prefix(resource, "hugepages-"))
				refuse(v,
				       "the limit type \"%s\" for NUMA node %d is not supported, only [memory "
				       "hugepages-<HugePageSize>] is accepted",
				       resource, memory->numanode);
			if (!amount || quantity_text_milli(amount->string) == 0)
				refuse(v, "reserved memory may not be zero for NUMA node %d and resource \"%s\"",
				       memory->numanode, resource);
			if (is_reserved_before(c, i, memory->numanode, resource))
				refuse(v,
				       "the reserved memory has a duplicate value for NUMA node %d and resource \"%s\"",
				       memory->numanode, resource);
		}
	}
}

static void check_machine(struct verdict *v, const Config__KubeletConfiguration *c, bool cgroup_v1)
{
	enum { IDS_UNIT = 65536 };

	if (cgroup_v1 && c->failcgroupv1) {
		refuse_plainly(v, "kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is "
				  "unsupported and will be removed in a future release");
		return;
	}
	if (cgroup_v1 && c->has_singleprocessoomkill && !c->singleprocessoomkill) {
		refuse(v, "singleProcessOOMKill must not be explicitly set to false when using cgroup v1");
		return;
	}
	if (!c->usernamespaces || !c->usernamespaces->has_idsperpod)
		return;
	int64_t ids = c->usernamespaces->idsperpod;
	if (ids < IDS_UNIT)
		refuse(v, "userNamespaces.idsPerPod must not be less than %d", IDS_UNIT);
	else if (ids % IDS_UNIT)
		refuse(v, "userNamespaces.idsPerPod must be a multiple of %d", IDS_UNIT);
	else if (ids > UINT32_MAX)
		refuse(v, "userNamespaces.idsPerPod must not be more than %" PRIu32, UINT32_MAX);
}

static void check_tracing(struct verdict *v, const Config__KubeletConfiguration *c)
{
	int32_t rate = c->tracing ? c->tracing->samplingratepermillion : 0;

	if (rate < 0)
		refuse_plainly(v, "tracing.samplingRatePerMillion: Invalid value: %d: sampling rate must be positive",
			       rate);
	if (rate > 1000000)
		refuse_plainly(v,
			       "tracing.samplingRatePerMillion: Invalid value: %d: sampling rate per million must be "
			       "less than or equal to one million",
			       rate);
}

/* Only the minor version before this one still hides metrics. */
static void check_hidden_metrics(struct verdict *v, const Config__KubeletConfiguration *c)
{
	const char *version = str_or(c->showhiddenmetricsforversion, "");

	if (*version && !str_eq(version, PREVIOUS_VERSION))
		refuse_plainly(v,
			       "invalid showHiddenMetricsForVersion: showHiddenMetricsForVersion: Invalid value: "
			       "\"%s\": must be omitted or have the value '" PREVIOUS_VERSION
			       "'; only the previous minor version is allowed",
			       version);
}

int validate_kubelet(const Config__KubeletConfiguration *config, bool cgroup_v1, struct err *err)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct verdict verdict = { .arena = arena };
	const char *all = "";

	check_first(&verdict, config);
	check_quota_period(&verdict, config);
	check_image_collection(&verdict, config);
	check_image_ages(&verdict, config);
	check_numbers(&verdict, config);
	check_taints(&verdict, config);
	check_topology(&verdict, config);
	check_shutdown(&verdict, config);
	check_swap(&verdict, config);
	check_restarts(&verdict, config);
	check_enforcement(&verdict, config);
	check_hairpin(&verdict, config);
	check_image_verification(&verdict, config);
	check_cpus(&verdict, config);
	check_reserved_memory(&verdict, config);
	check_machine(&verdict, config, cgroup_v1);
	check_tracing(&verdict, config);
	check_hidden_metrics(&verdict, config);
	check_memory(&verdict, config);
	check_logs(&verdict, config);
	for (size_t i = 0; i < verdict.n; i++)
		all = arena_printf(arena, "%s%s%s", all, i > 0 ? ", " : "", verdict.sentences[i]);
	if (verdict.n == 0)
		return 0;
	return verdict.n > 1 ? err_set(err, -EINVAL, "[%s]", all) : err_set(err, -EINVAL, "%s", all);
}
