/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/validate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kubelet/config/features.h"
#include "kubelet/config/taints.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/codec/duration.h"
#include "pkg/codec/imageref.h"

#define BLANKS " \t\n\v\f\r"

struct verdict {
	struct buf text;
	int n;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct verdict *verdict, const char *format, ...)
{
	char sentence[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	buf_printf(&verdict->text, "%sinvalid configuration: %s", verdict->n++ ? ", " : "", sentence);
}

/* The few sentences of stock that do not begin like the others. */
__attribute__((format(printf, 2, 3))) static void refuse_plainly(struct verdict *verdict, const char *format, ...)
{
	va_list args;
	char sentence[ERR_TEXT_MAX];

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	buf_printf(&verdict->text, "%s%s", verdict->n++ ? ", " : "", sentence);
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

static void check_numbers(struct verdict *v, const Config__KubeletConfiguration *c)
{
	if (c->nodeleasedurationseconds <= 0)
		refuse(v, "nodeLeaseDurationSeconds must be greater than 0");
	if (!str_empty(c->systemcgroups) && str_empty(c->cgrouproot))
		refuse(v, "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not "
			  "specified");
	check_bound(v, &(struct bound){ "eventBurst (--event-burst)", NOT_NEGATIVE }, c->eventburst);
	check_bound(v, &(struct bound){ "eventRecordQPS (--event-qps)", NOT_NEGATIVE }, c->eventrecordqps);
	if (c->healthzport != 0)
		check_bound(v,
			    &(struct bound){ "healthzPort (--healthz-port)", 1, 65535,
					     "must be between 1 and 65535, inclusive" },
			    c->healthzport);
	check_bound(v,
		    &(struct bound){ "imageGCHighThresholdPercent (--image-gc-high-threshold)", 0, 100,
				     "must be between 0 and 100, inclusive" },
		    c->imagegchighthresholdpercent);
	check_bound(v,
		    &(struct bound){ "imageGCLowThresholdPercent (--image-gc-low-threshold)", 0, 100,
				     "must be between 0 and 100, inclusive" },
		    c->imagegclowthresholdpercent);
	if (c->imagegclowthresholdpercent >= c->imagegchighthresholdpercent)
		refuse(v,
		       "imageGCLowThresholdPercent (--image-gc-low-threshold) %d must be less than "
		       "imageGCHighThresholdPercent (--image-gc-high-threshold) %d",
		       c->imagegclowthresholdpercent, c->imagegchighthresholdpercent);
	check_bound(v,
		    &(struct bound){ "iptablesDropBit (--iptables-drop-bit)", 0, 31,
				     "must be between 0 and 31, inclusive" },
		    c->iptablesdropbit);
	check_bound(v,
		    &(struct bound){ "iptablesMasqueradeBit (--iptables-masquerade-bit)", 0, 31,
				     "must be between 0 and 31, inclusive" },
		    c->iptablesmasqueradebit);
	check_bound(v, &(struct bound){ "kubeAPIBurst (--kube-api-burst)", NOT_NEGATIVE }, c->kubeapiburst);
	check_bound(v, &(struct bound){ "kubeAPIQPS (--kube-api-qps)", NOT_NEGATIVE }, c->kubeapiqps);
	check_bound(v,
		    &(struct bound){ "nodeStatusMaxImages (--node-status-max-images)", -1, INT64_MAX,
				     "must be -1 or greater" },
		    c->nodestatusmaximages);
	check_bound(v, &(struct bound){ "maxOpenFiles (--max-open-files)", NOT_NEGATIVE }, c->maxopenfiles);
	check_bound(v, &(struct bound){ "maxPods (--max-pods)", NOT_NEGATIVE }, c->maxpods);
	check_bound(v,
		    &(struct bound){ "oomScoreAdj (--oom-score-adj)", -1000, 1000,
				     "must be between -1000 and 1000, inclusive" },
		    c->oomscoreadj);
	check_bound(v, &(struct bound){ "podsPerCore (--pods-per-core)", NOT_NEGATIVE }, c->podspercore);
	check_bound(v, &(struct bound){ "port (--port)", 1, 65535, "must be between 1 and 65535, inclusive" }, c->port);
	check_bound(v,
		    &(struct bound){ "readOnlyPort (--read-only-port)", 0, 65535,
				     "must be between 0 and 65535, inclusive" },
		    c->readonlyport);
	check_bound(v, &(struct bound){ "registryBurst (--registry-burst)", NOT_NEGATIVE }, c->registryburst);
	check_bound(v, &(struct bound){ "registryPullQPS (--registry-qps)", NOT_NEGATIVE }, c->registrypullqps);
}

/* ---- times ---- */

static void check_times(struct verdict *v, const Config__KubeletConfiguration *c)
{
	enum { SECOND_NS = 1000000000, MILLI_NS = 1000000 };
	char text[DURATION_TEXT_MAX], other[DURATION_TEXT_MAX];
	int64_t maximum = ns_of(c->imagemaximumgcage);
	int64_t period = ns_of(c->cpucfsquotaperiod);
	int64_t shutdown = ns_of(c->shutdowngraceperiod), critical = ns_of(c->shutdowngraceperiodcriticalpods);
	int64_t restart = c->crashloopbackoff ? ns_of(c->crashloopbackoff->maxcontainerrestartperiod) : 0;

	duration_format(period, text);
	bool custom = feature_is_on(c, "CustomCPUCFSQuotaPeriod");
	if (custom && (period < MILLI_NS || period > SECOND_NS))
		refuse(v, "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {%s} must be between 1ms and 1sec, inclusive",
		       text);
	if (!custom && period != 100 * MILLI_NS)
		refuse(v,
		       "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {%s} requires feature gate CustomCPUCFSQuotaPeriod",
		       text);
	if (ns_of(c->imageminimumgcage) < 0) {
		duration_format(ns_of(c->imageminimumgcage), text);
		refuse(v, "imageMinimumGCAge %s must not be negative", text);
	}
	duration_format(maximum, text);
	if (maximum < 0)
		refuse(v, "imageMaximumGCAge %s must not be negative", text);
	if (maximum > 0 && maximum <= ns_of(c->imageminimumgcage)) {
		duration_format(ns_of(c->imageminimumgcage), other);
		refuse(v, "imageMaximumGCAge %s must be greater than imageMinimumGCAge %s", text, other);
	}
	duration_format(critical, text);
	duration_format(shutdown, other);
	if (critical > shutdown)
		refuse(v, "shutdownGracePeriodCriticalPods {%s} must be <= shutdownGracePeriod {%s}", text, other);
	if (shutdown < 0 || (shutdown > 0 && shutdown < SECOND_NS))
		refuse(v, "shutdownGracePeriod {%s} must be either zero or otherwise >= 1 sec", other);
	if (critical < 0 || (critical > 0 && critical < SECOND_NS))
		refuse(v, "shutdownGracePeriodCriticalPods {%s} must be either zero or otherwise >= 1 sec", text);
	if (restart < SECOND_NS || restart > INT64_C(300) * SECOND_NS)
		refuse(v,
		       "CrashLoopBackOff.MaxContainerRestartPeriod (got: %g seconds) must be set between 1s and 300s",
		       (double)restart / SECOND_NS);
	if (ns_of(c->containerlogmonitorinterval) < INT64_C(3) * SECOND_NS)
		refuse(v, "containerLogMonitorInterval must be a positive time duration greater than or equal to 3s");
}

/* ---- words of a list ---- */

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(word, words[i]))
			return true;
	return false;
}

static void check_words(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const policies[] = { "none", "best-effort", "restricted", "single-numa-node" };
	static const char *const scopes[] = { "container", "pod" };
	static const char *const hairpins[] = { "none", "hairpin-veth", "promiscuous-bridge" };
	static const char *const swaps[] = { "", "LimitedSwap", "NoSwap" };
	static const char *const reservations[] = { "None", "TieredReservation" };

	if (!is_one_of(c->topologymanagerpolicy, policies, ARRAY_LEN(policies)))
		refuse(v,
		       "topologyManagerPolicy (--topology-manager-policy) \"%s\" must be one of: [\"none\" "
		       "\"best-effort\" \"restricted\" \"single-numa-node\"]",
		       c->topologymanagerpolicy);
	if (!is_one_of(c->topologymanagerscope, scopes, ARRAY_LEN(scopes)))
		refuse(v,
		       "topologyManagerScope (--topology-manager-scope) \"%s\" must be one of: \"container\", or "
		       "\"pod\"",
		       c->topologymanagerscope);
	if (c->memoryswap && !is_one_of(c->memoryswap->swapbehavior, swaps, ARRAY_LEN(swaps)))
		refuse(v, "memorySwap.swapBehavior \"%s\" must be one of: \"\", \"LimitedSwap\" or \"NoSwap\"",
		       c->memoryswap->swapbehavior);
	if (!is_one_of(c->hairpinmode, hairpins, ARRAY_LEN(hairpins)))
		refuse(v,
		       "option \"%s\" specified for hairpinMode (--hairpin-mode). Valid options are \"none\", "
		       "\"hairpin-veth\" or \"promiscuous-bridge\"",
		       c->hairpinmode);
	if (!is_one_of(c->memoryreservationpolicy, reservations, ARRAY_LEN(reservations)))
		refuse(v,
		       "option \"%s\" specified for memoryReservationPolicy. Valid options are \"None\" or "
		       "\"TieredReservation\"",
		       c->memoryreservationpolicy);
}

/* ---- node allocatable ---- */

static void check_enforcement(struct verdict *v, const Config__KubeletConfiguration *c)
{
	static const char *const known[] = { "pods",
					     "system-reserved",
					     "system-reserved-compressible",
					     "kube-reserved",
					     "kube-reserved-compressible",
					     "none",
					     "" };

	for (size_t i = 0; i < c->n_enforcenodeallocatable; i++) {
		const char *value = c->enforcenodeallocatable[i];

		if (str_has_prefix(value, "system-reserved") && str_empty(c->systemreservedcgroup))
			refuse(v, "systemReservedCgroup (--system-reserved-cgroup) must be specified when "
				  "\"system-reserved\" or \"system-reserved-compressible\" included in "
				  "enforceNodeAllocatable (--enforce-node-allocatable)");
		if (str_has_prefix(value, "kube-reserved") && str_empty(c->kubereservedcgroup))
			refuse(v, "kubeReservedCgroup (--kube-reserved-cgroup) must be specified when "
				  "\"kube-reserved\" or "
				  "\"kube-reserved-compressible\" included in enforceNodeAllocatable "
				  "(--enforce-node-allocatable)");
		if (str_eq(value, "none") && c->n_enforcenodeallocatable > 1)
			refuse(v, "enforceNodeAllocatable (--enforce-node-allocatable) may not contain additional "
				  "enforcements when \"none\" is specified");
		if (!is_one_of(value, known, ARRAY_LEN(known)))
			refuse(v,
			       "option \"%s\" specified for enforceNodeAllocatable (--enforce-node-allocatable). Valid "
			       "options are \"pods\", \"system-reserved\", \"system-reserved-compressible\", "
			       "\"kube-reserved\", \"kube-reserved-compressible\" or \"none\"",
			       value);
		if (!str_eq(value, "none") && !str_empty(value) && !c->cgroupsperqos)
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

static void check_the_rest(struct verdict *v, const Config__KubeletConfiguration *c)
{
	const char *logs = c->podlogsdir;

	if (c->has_maxparallelimagepulls && c->maxparallelimagepulls < 1)
		refuse(v, "maxParallelImagePulls %d must be a positive number", c->maxparallelimagepulls);
	if (c->serializeimagepulls && c->has_maxparallelimagepulls && c->maxparallelimagepulls > 1)
		refuse(v, "maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls "
			  "(--serialize-image-pulls) is set to false");
	if (c->runonce)
		refuse(v, "runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set");
	if (c->has_memorythrottlingfactor && (c->memorythrottlingfactor <= 0 || c->memorythrottlingfactor > 1))
		refuse(v, "memoryThrottlingFactor %g must be greater than 0 and less than or equal to 1.0",
		       c->memorythrottlingfactor);
	if (str_empty(c->containerruntimeendpoint))
		refuse(v, "the containerRuntimeEndpoint was not specified or empty");
	if (c->enablesystemlogquery && !c->enablesystemloghandler)
		refuse(v, "enableSystemLogHandler is required for enableSystemLogQuery");
	if (c->containerlogmaxworkers < 1)
		refuse(v, "containerLogMaxWorkers must be greater than or equal to 1");
	if (c->containerlogmaxfiles <= 1)
		refuse(v, "containerLogMaxFiles must be greater than 1");
	if (logs[0] != '/')
		refuse(v, "pod logs path \"%s\" must be absolute path", logs);
	else if (!is_clean_path(logs))
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
	if (!is_one_of(policy, policies, ARRAY_LEN(policies)))
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

static void check_gated(struct verdict *v, const Config__KubeletConfiguration *c)
{
	if (c->n_defaultpodsysctls && !feature_is_on(c, "DefaultPodSysctls"))
		refuse(v, "DefaultPodSysctls feature gate is required for Kubelet configuration option "
			  "defaultPodSysctls");
	check_image_verification(v, c);
}

static void check_machine(struct verdict *v, const Config__KubeletConfiguration *c, bool cgroup_v1)
{
	enum { IDS_UNIT = 65536 };

	for (size_t i = 0; i < c->n_registerwithtaints; i++) {
		const Core__Taint *taint = c->registerwithtaints[i];

		if (!taint_is_valid(taint))
			refuse_plainly(v, "invalid taint: {%s %s %s <nil>}", str_or(taint->key, ""),
				       str_or(taint->value, ""), str_or(taint->effect, ""));
	}
	if (!str_empty(c->reservedsystemcpus) &&
	    (!str_empty(c->systemreservedcgroup) || !str_empty(c->kubereservedcgroup)))
		refuse(v, "can't use reservedSystemCPUs (--reserved-cpus) with systemReservedCgroup "
			  "(--system-reserved-cgroup) or kubeReservedCgroup (--kube-reserved-cgroup)");
	if (cgroup_v1 && c->failcgroupv1)
		refuse_plainly(v, "kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is "
				  "unsupported and will be removed in a future release");
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

int validate_kubelet(const Config__KubeletConfiguration *config, bool cgroup_v1, struct err *err)
{
	struct verdict verdict = { .text = BUF_INIT(ERR_TEXT_MAX) };

	check_numbers(&verdict, config);
	check_times(&verdict, config);
	check_words(&verdict, config);
	check_enforcement(&verdict, config);
	check_the_rest(&verdict, config);
	check_gated(&verdict, config);
	check_machine(&verdict, config, cgroup_v1);
	if (verdict.n == 1)
		err_set(err, -EINVAL, "%s", buf_text(&verdict.text));
	else if (verdict.n > 1)
		err_set(err, -EINVAL, "[%s]", buf_text(&verdict.text));
	buf_done(&verdict.text);
	return verdict.n ? -EINVAL : 0;
}
