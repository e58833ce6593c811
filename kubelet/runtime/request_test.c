/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static const Core__Pod *parse(const char *json, struct arena *arena)
{
	ProtobufCMessage *message = NULL;
	struct err err = { 0 };

	CHECK_OK(pbjson_decode(&core__pod__descriptor, json, strlen(json), arena, &message, &err), &err);
	return (const Core__Pod *)message;
}

static const char *const masked[] = { "/proc/kcore" }, *const pages[] = { "2MB", "1GB" };

static const struct runtime_request_node node = {
	.masked_paths = masked, .n_masked_paths = 1, .hugepage_sizes = pages, .n_hugepage_sizes = 2
};

static const struct runtime_options options = {
	.pod_logs_dir = "/var/log/pods",
	.seccomp_dir = "/root/seccomp",
	.cluster_domain = "cluster.local",
	.cpu_cfs_quota = true,
	.cpu_cfs_quota_period_us = 100000,
	.single_process_oom_kill = true,
	.memory_capacity_bytes = 1000,
	.allocatable.memory_bytes = 100 * 4096,
};

static int volume_path(void *owner, const Core__Pod *pod, const char *volume, char path[PATH_MAX], struct err *err)
{
	return snprintf(path, PATH_MAX, "/volumes/%s", volume) < 0 ? -EINVAL : 0;
}

/* Resources in one line: shares, quota, memory, OOM score, then huge pages and unified entries that are not nothing. */
static const char *text_of(const Cri__LinuxContainerResources *resources, struct arena *arena)
{
	char *text = arena_printf(arena, "%" PRId64 " %" PRId64 "/%" PRId64 " %" PRId64 " %" PRId64,
				  resources->cpu_shares, resources->cpu_quota, resources->cpu_period,
				  resources->memory_limit_in_bytes, resources->oom_score_adj);

	for (size_t i = 0; i < resources->n_hugepage_limits; i++)
		text = arena_printf(arena, "%s %s=%" PRIu64, text, resources->hugepage_limits[i]->page_size,
				    resources->hugepage_limits[i]->limit);
	for (size_t i = 0; i < resources->n_unified; i++)
		text = arena_printf(arena, "%s %s=%s", text, resources->unified[i]->key, resources->unified[i]->value);
	return text;
}

#define POD(spec, container)                                                                      \
	"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\"},\"spec\":{" spec \
	"\"containers\":[{\"name\":\"c\"," container "}]}}"
#define CONTEXT(fields) "\"securityContext\":{" fields "}"

static Cri__LinuxContainerSecurityContext *security_of(const char *json, bool seccomp_default, struct arena *arena,
						       struct err *err)
{
	struct runtime_options own = options;
	struct runtime_pod_context context = { .pod = parse(json, arena) };
	struct runtime_request_container input = { .options = &own,
						   .node = &node,
						   .context = &context,
						   .container = context.pod->spec->containers[0],
						   .image = { .ref = "i", .has_uid = false, .username = "nobody" } };
	Cri__LinuxContainerSecurityContext *security = NULL;

	own.seccomp_default = seccomp_default;
	runtime_request_security(&input, arena, &security, err);
	return security;
}

TEST(users)
{
	static const struct row {
		const char *rule, *pod;
		int64_t uid, gid; /* -1: none */
		const char *name;
		size_t groups;
	} rows[] = {
		{ "the image's", POD("", CONTEXT("")), -1, -1, "nobody", 0 },
		{ "the pod's", POD(CONTEXT("\"runAsUser\":7,\"runAsGroup\":8") ",", CONTEXT("")), 7, 8, "", 0 },
		{ "the container's",
		  POD(CONTEXT("\"runAsUser\":7,\"runAsGroup\":8") ",", CONTEXT("\"runAsUser\":0,\"runAsGroup\":0")), 0,
		  0, "", 0 },
		{ "groups", POD(CONTEXT("\"fsGroup\":5,\"supplementalGroups\":[6,7]") ",", CONTEXT("")), -1, -1,
		  "nobody", 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct err err = { 0 };
		const Cri__LinuxContainerSecurityContext *got = security_of(rows[i].pod, false, arena, &err);

		CHECK(rows[i].rule, got != NULL);
		CHECK_INT(rows[i].rule, got->run_as_user ? got->run_as_user->value : -1, ==, rows[i].uid);
		CHECK_INT(rows[i].rule, got->run_as_group ? got->run_as_group->value : -1, ==, rows[i].gid);
		CHECK_STR(rows[i].rule, got->run_as_username, rows[i].name);
		CHECK_INT(rows[i].rule, got->n_supplemental_groups, ==, rows[i].groups);
		if (rows[i].groups)
			CHECK_INT("fsGroup first", got->supplemental_groups[0], ==, 5);
	}
}

TEST(rights)
{
	static const struct row {
		const char *rule, *pod;
		bool privileged, read_only, no_new_privs;
		size_t masked;
	} rows[] = {
		{ "nothing said", POD("", CONTEXT("")), false, false, false, 1 },
		{ "no security context at all", POD("", "\"image\":\"i\""), false, false, false, 1 },
		{ "privileged", POD("", CONTEXT("\"privileged\":true")), true, false, false, 1 },
		{ "read only", POD("", CONTEXT("\"readOnlyRootFilesystem\":true")), false, true, false, 1 },
		{ "no escalation", POD("", CONTEXT("\"allowPrivilegeEscalation\":false")), false, false, true, 1 },
		{ "escalation", POD("", CONTEXT("\"allowPrivilegeEscalation\":true")), false, false, false, 1 },
		{ "unmasked", POD("", CONTEXT("\"procMount\":\"Unmasked\"")), false, false, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct err err = { 0 };
		const Cri__LinuxContainerSecurityContext *got = security_of(rows[i].pod, false, arena, &err);

		CHECK_INT(rows[i].rule, got->privileged, ==, rows[i].privileged);
		CHECK_INT(rows[i].rule, got->readonly_rootfs, ==, rows[i].read_only);
		CHECK_INT(rows[i].rule, got->no_new_privs, ==, rows[i].no_new_privs);
		CHECK_INT(rows[i].rule, got->n_masked_paths, ==, rows[i].masked);
		CHECK_INT(rows[i].rule, got->n_readonly_paths, ==, rows[i].masked ? 5 : 0);
	}
}

TEST(profiles)
{
	static const struct row {
		const char *rule, *pod;
		bool seccomp_default;
		int type;
		const char *ref, *error;
	} rows[] = {
		{ "unconfined by default", POD("", CONTEXT("")), false, 1, "", NULL },
		{ "or the runtime's", POD("", CONTEXT("")), true, 0, "", NULL },
		{ "the pod's", POD(CONTEXT("\"seccompProfile\":{\"type\":\"RuntimeDefault\"}") ",", CONTEXT("")), false,
		  0, "", NULL },
		{ "the container's",
		  POD(CONTEXT("\"seccompProfile\":{\"type\":\"RuntimeDefault\"}") ",",
		      CONTEXT("\"seccompProfile\":{\"type\":\"Unconfined\"}")),
		  true, 1, "", NULL },
		{ "a file",
		  POD("", CONTEXT("\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"a/b.json\"}")),
		  false, 2, "/root/seccomp/a/b.json", NULL },
		{ "a file without a name", POD("", CONTEXT("\"seccompProfile\":{\"type\":\"Localhost\"}")), false, 0,
		  NULL, "localhostProfile must be set if seccompProfile type is Localhost." },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct err err = { 0 };
		const Cri__LinuxContainerSecurityContext *got =
			security_of(rows[i].pod, rows[i].seccomp_default, arena, &err);

		if (rows[i].error) {
			CHECK(rows[i].rule, !got);
			CHECK_STR(rows[i].rule, err.text, rows[i].error);
			continue;
		}
		CHECK_INT(rows[i].rule, got->seccomp->profile_type, ==, rows[i].type);
		CHECK_STR(rows[i].rule, got->seccomp->localhost_ref, rows[i].ref);
	}
}

TEST(root_is_refused_where_it_must_not_be)
{
	static const struct row {
		const char *rule, *pod;
		struct runtime_request_image image;
		const char *error;
	} rows[] = {
		{ "not asked for", POD("", CONTEXT("")), { .has_uid = true }, NULL },
		{ "an image that runs as root",
		  POD(CONTEXT("\"runAsNonRoot\":true") ",", CONTEXT("")),
		  { .has_uid = true },
		  "container has runAsNonRoot and image will run as root (pod: \"web_shop(u-1)\", container: c)" },
		{ "as someone",
		  POD(CONTEXT("\"runAsNonRoot\":true") ",", CONTEXT("")),
		  { .has_uid = true, .uid = 5 },
		  NULL },
		{ "as a name",
		  POD(CONTEXT("\"runAsNonRoot\":true") ",", CONTEXT("")),
		  { .username = "web" },
		  "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root "
		  "(pod: \"web_shop(u-1)\", container: c)" },
		{ "asked to be root",
		  POD("", CONTEXT("\"runAsNonRoot\":true,\"runAsUser\":0")),
		  { .has_uid = true, .uid = 5 },
		  "container's runAsUser breaks non-root policy (pod: \"web_shop(u-1)\", container: c)" },
		{ "asked to be someone",
		  POD("", CONTEXT("\"runAsNonRoot\":true,\"runAsUser\":5")),
		  { .has_uid = true },
		  NULL },
		{ "the container takes it back",
		  POD(CONTEXT("\"runAsNonRoot\":true") ",", CONTEXT("\"runAsNonRoot\":false")),
		  { .has_uid = true },
		  NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__Pod *pod = parse(rows[i].pod, arena);
		struct err err = { 0 };
		int code = runtime_request_check_non_root(pod, pod->spec->containers[0], &rows[i].image, &err);

		CHECK_INT(rows[i].rule, code < 0, ==, rows[i].error != NULL);
		if (rows[i].error)
			CHECK_STR(rows[i].rule, err.text, rows[i].error);
	}
}

TEST(resources)
{
	static const struct row {
		const char *rule, *container;
		bool v2;
		double throttling;
		const char *want;
	} rows[] = {
		{ "nothing asked", "\"image\":\"i\"", false, 0, "2 0/100000 0 1000 2MB=0 1GB=0" },
		{ "all asked",
		  "\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"100\"},\"limits\":{\"cpu\":\"500m\","
		  "\"memory\":\"200\","
		  "\"hugepages-2Mi\":\"4Mi\"}}",
		  false, 0, "256 50000/100000 200 900 2MB=4194304 1GB=0" },
		{ "a limit stands in for the request", "\"resources\":{\"limits\":{\"cpu\":\"1m\"}}", false, 0,
		  "2 1000/100000 0 999 2MB=0 1GB=0" },
		{ "guaranteed",
		  "\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"100\"},\"limits\":{\"cpu\":\"1\",\"memory\":"
		  "\"100\"}}",
		  false, 0, "1024 100000/100000 100 -997 2MB=0 1GB=0" },
		{ "cgroup v2, throttled in whole pages", "\"resources\":{\"requests\":{\"memory\":\"4096\"}}", true,
		  0.5, "2 0/100000 0 3 2MB=0 1GB=0 memory.min=0 memory.low=0 memory.high=204800" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		struct runtime_options own = options;
		const char *json = arena_printf(
			arena, "{\"metadata\":{},\"spec\":{\"containers\":[{\"name\":\"c\",%s}]}}", rows[i].container);
		const Core__Pod *pod = parse(json, arena);

		own.cgroup_v2 = rows[i].v2;
		own.memory_throttling_factor = rows[i].throttling;
		CHECK_STR(rows[i].rule,
			  text_of(runtime_request_resources(&own, &node, pod, pod->spec->containers[0], arena), arena),
			  rows[i].want);
	}
}

/* What no machine has can be asked for all the same. */
TEST(sums_of_a_pod_do_not_wrap_around)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	static const char huge[] = "\"resources\":{\"requests\":{\"cpu\":\"8Ei\"},\"limits\":{\"cpu\":\"8Ei\","
				   "\"memory\":\"7Ei\"}}";
	const Core__Pod *pod =
		parse(arena_printf(arena, "{\"spec\":{\"containers\":[{\"name\":\"a\",%s},{\"name\":\"b\",%s}]}}", huge,
				   huge),
		      arena);
	const Cri__LinuxContainerResources *resources = runtime_request_sandbox_resources(&options, pod, arena);

	CHECK_INT("memory", resources->memory_limit_in_bytes, ==, INT64_MAX);
	CHECK_INT("shares", resources->cpu_shares, ==, 262144);
}

TEST(critical_pods_go_last)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod =
		parse(POD("\"priority\":2000001000,\"priorityClassName\":\"system-node-critical\",", "\"image\":\"i\""),
		      arena);

	CHECK_INT("node critical", runtime_request_oom_score_adj(pod, pod->spec->containers[0], 1000), ==, -997);
}

TEST(a_sandbox_in_full)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	struct runtime_pod_context context = {
		.pod = parse("{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\"},\"spec\":{"
			     "\"dnsPolicy\":\"None\","
			     "\"shareProcessNamespace\":true,\"hostIPC\":true,\"securityContext\":{\"runAsUser\":7,"
			     "\"fsGroup\":5,"
			     "\"sysctls\":[{\"name\":\"net/ipv4/"
			     "ip_forward\",\"value\":\"1\"},{\"name\":\"kernel.msgmax\",\"value\":\"2\"}]},"
			     "\"containers\":[{\"name\":\"a\",\"securityContext\":{\"privileged\":true},\"ports\":[{"
			     "\"containerPort\":80,"
			     "\"protocol\":\"TCP\"},{\"containerPort\":80,\"protocol\":\"TCP\"},{\"containerPort\":53,"
			     "\"protocol\":\"UDP\"}],"
			     "\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"memory\":\"100\"}}}]}}",
			     arena),
		.cgroup_parent = "/kubepods/burstable/podu-1",
	};
	Cri__PodSandboxConfig *config = NULL;
	struct dns_notes notes = { 0 };
	struct err err = { 0 };

	CHECK_OK(runtime_request_sandbox(&options, &node, &context, 3, NULL, arena, &config, &notes, &err), &err);
	CHECK_INT("attempt", config->metadata->attempt, ==, 3);
	CHECK_STR("host name", config->hostname, "web");
	CHECK_STR("logs", config->log_directory, "/var/log/pods/shop_web_u-1");
	CHECK_INT("a port that is named twice is one", config->n_port_mappings, ==, 2);
	CHECK_INT("port", config->port_mappings[1]->container_port, ==, 53);
	CHECK_INT("protocol", config->port_mappings[1]->protocol, ==, CRI__PROTOCOL__UDP);
	CHECK_INT("labels", config->n_labels, ==, 3);
	CHECK_STR("cgroup", config->linux->cgroup_parent, "/kubepods/burstable/podu-1");
	CHECK_STR("sysctl with dots", config->linux->sysctls[0]->key, "net.ipv4.ip_forward");
	CHECK_STR("and one that had them", config->linux->sysctls[1]->key, "kernel.msgmax");
	CHECK_STR("resources", text_of(config->linux->resources, arena), "1024 0/100000 100 0");
	CHECK("no overhead, but said so", config->linux->overhead != NULL);

	const Cri__LinuxSandboxSecurityContext *security = config->linux->security_context;

	CHECK("privileged as one of its containers", security->privileged);
	CHECK_INT("user", security->run_as_user->value, ==, 7);
	CHECK_INT("group", security->supplemental_groups[0], ==, 5);
	CHECK_INT("ipc of the node", security->namespace_options->ipc, ==, CRI__NAMESPACE_MODE__NODE);
	CHECK_INT("processes shared", security->namespace_options->pid, ==, CRI__NAMESPACE_MODE__POD);
	CHECK_INT("users of the node", security->namespace_options->userns_options->mode, ==,
		  CRI__NAMESPACE_MODE__NODE);
	CHECK_INT("own network", security->namespace_options->network, ==, CRI__NAMESPACE_MODE__POD);
	CHECK_INT("filtered", security->seccomp->profile_type, ==, CRI__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault);
}

TEST(mounts)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const Core__Pod *pod = parse(
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\"},\"spec\":{\"volumes\":["
		"{\"name\":\"cm\",\"configMap\":{\"name\":\"x\"}},{\"name\":\"d\",\"emptyDir\":{}}],\"containers\":[{"
		"\"name\":\"c\","
		"\"terminationMessagePath\":\"/dev/log\",\"volumeMounts\":[{\"name\":\"cm\",\"mountPath\":\"/cm\"},"
		"{\"name\":\"d\",\"mountPath\":\"d\",\"mountPropagation\":\"HostToContainer\"}]}]}}",
		arena);
	struct runtime_pod_context context = { .pod = pod, .volume_path = volume_path };
	struct env env = { 0 };
	struct runtime_request_container input = { .options = &options,
						   .node = &node,
						   .context = &context,
						   .container = pod->spec->containers[0],
						   .env = &env,
						   .image = { .ref = "sha256:1", .has_uid = true, .username = "" },
						   .hosts_path = "/pods/etc-hosts",
						   .termination_path = "/pods/t" };
	Cri__ContainerConfig *config = NULL;
	struct err err = { 0 };

	CHECK_OK(runtime_request_container(&input, arena, &config, &err), &err);
	CHECK_INT("four", config->n_mounts, ==, 4);
	CHECK("a ConfigMap is read only whatever is asked", config->mounts[0]->readonly);
	CHECK("an emptyDir is not", !config->mounts[1]->readonly);
	CHECK_STR("made absolute", config->mounts[1]->container_path, "/d");
	CHECK_INT("propagation", config->mounts[1]->propagation, ==,
		  CRI__MOUNT_PROPAGATION__PROPAGATION_HOST_TO_CONTAINER);
	CHECK_STR("hosts", config->mounts[2]->container_path, "/etc/hosts");
	CHECK_STR("termination", config->mounts[3]->container_path, "/dev/log");
}

TEST(links_of_logs_fit_a_file_name)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	char pod[254] = { 0 };

	CHECK_STR("short", runtime_request_log_link("/l", "web", "shop", "c", "1234", arena), "/l/web_shop_c-1234.log");
	memset(pod, 'p', sizeof pod - 1);
	CHECK_INT("255 at most", strlen(runtime_request_log_link("", pod, "shop", "c", "1234", arena)), ==, 256);
	CHECK("still a log", str_has_suffix(runtime_request_log_link("", pod, "shop", "c", "1234", arena), ".log"));
}
