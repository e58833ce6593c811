/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox or a container comes to life. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/object/object.h"
#include "kubelet/runtime/action.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/base/rand.h"
#include "pkg/codec/pb.h"
#include "pkg/kube/kube.h"

/* ---- file work that both need ---- */

/* The same inode stays: it is mounted in containers that run. They never see it empty, not even on a full disk. */
static int write_in_place(const char *path, const struct buf *content, mode_t mode, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
	int code;

	if (fd < 0)
		return err_errno(err, "cannot write %s", path);
	code = fd_write_all(fd, content->bytes, content->size);
	if (code < 0)
		return err_set(err, code, "cannot write %s: %s", path, strerror(-code));
	if (ftruncate(fd, (off_t)content->size) < 0)
		return err_errno(err, "cannot cut %s", path);
	if (fchmod(fd, mode) < 0)
		return err_errno(err, "cannot set the mode of %s", path);
	return 0;
}

static void tell_dns_notes(struct action *action, const Core__Pod *pod, const struct dns_notes *notes)
{
	char name[KUBE_POD_NAME_MAX];

	if (notes->nameservers)
		action_event(action, pod, NULL, "Warning", "DNSConfigForming", "%s", notes->nameservers);
	if (notes->searches)
		action_event(action, pod, NULL, "Warning", "DNSConfigForming", "%s", notes->searches);
	if (notes->missing_cluster_dns)
		action_event(action, pod, NULL, "Warning", "MissingClusterDNS",
			     "pod: \"%s\". kubelet does not have ClusterDNS IP configured and cannot create Pod "
			     "using "
			     "\"ClusterFirst\" policy. Falling back to \"Default\" policy.",
			     kube_pod_text(pod, name));
}

/* ---- sandbox ---- */

struct run {
	struct action action;
	struct runtime_pod_context context;
	uint32_t attempt;
	const char *log_dir;
	const char *resolv_conf; /* text; NULL when none is configured */
	struct err file_err;
};

static void run_failed(struct run *run, const char *reason, const struct err *err)
{
	struct action *action = &run->action;
	char name[KUBE_POD_NAME_MAX];

	action_event(action, run->context.pod, NULL, "Warning", "FailedCreatePodSandBox",
		     "Failed to create pod sandbox: %s", err->text);
	action->err = *err;
	action_fail(action, reason,
		    arena_printf(action->arena, "Failed to create sandbox for pod \"%s\": %s",
				 kube_pod_text(run->context.pod, name), err->text));
}

static void run_done(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;
	struct run *run = container_of(action, struct run, action);
	const Cri__RunPodSandboxResponse *response = result;

	action->step = NULL;
	if (err) {
		if (action->cancelled) {
			action->err = *err;
			action_end(action);
		} else {
			run_failed(run, "CreatePodSandboxError", err);
		}
		return;
	}
	action->outcome.id = arena_strdup(action->arena, response->pod_sandbox_id);
	action_end(action);
}

static void run_prepare(void *owner)
{
	struct action *action = owner;
	struct run *run = container_of(action, struct run, action);
	const char *resolv_conf = action->runtime->options.resolv_conf;

	if (dir_make_all(run->log_dir, 0755, &run->file_err) < 0)
		return;
	if (!str_empty(resolv_conf))
		file_read_text(resolv_conf, DNS_RESOLV_CONF_MAX_BYTES, action->arena, &run->resolv_conf,
			       &run->file_err);
}

static void run_prepared(void *owner, const void *result, const struct err *err)
{
	struct action *action = owner;
	struct run *run = container_of(action, struct run, action);
	struct runtime *runtime = action->runtime;
	Cri__RunPodSandboxRequest request = CRI__RUN_POD_SANDBOX_REQUEST__INIT;
	struct dns_notes notes = { 0 };
	struct err failure = { 0 };

	if (!action_goes_on(action))
		return;
	if (run->file_err.code) {
		run_failed(run, "ConfigPodSandboxError", &run->file_err);
		return;
	}
	if (runtime_request_sandbox(&runtime->options, &runtime->node, &run->context, run->attempt, run->resolv_conf,
				    action->arena, &request.config, &notes, &failure) < 0) {
		run_failed(run, "ConfigPodSandboxError", &failure);
		return;
	}
	tell_dns_notes(action, run->context.pod, &notes);
	action_call(action, CRI_RUN_POD_SANDBOX, &request.base, 0, run_done);
}

static void run_begin(struct action *action)
{
	action_work(action, run_prepare, run_prepared);
}

struct task *runtime_run_sandbox(struct runtime *runtime, const struct runtime_pod_context *context, uint32_t attempt,
				 task_done_fn *done, void *owner)
{
	struct run *run = action_new(runtime, sizeof *run, run_begin, done, owner);
	const Meta__ObjectMeta *meta = context->pod->metadata;

	run->context = *context;
	run->attempt = attempt;
	run->log_dir = runtime_request_pod_log_dir(runtime->options.pod_logs_dir, meta->namespace_, meta->name,
						   meta->uid, run->action.arena);
	return &run->action.task;
}

/* ---- container ---- */

struct start {
	struct action action;
	struct runtime_pod_context context;
	const Core__Container *container;
	const char *sandbox_id;
	uint32_t sandbox_attempt;
	const char **ips;
	size_t n_ips;
	int32_t restart_count;

	struct runtime_request_image image;
	struct env_object *objects;
	size_t n_objects, object_at;
	struct env env;
	Cri__PodSandboxConfig *sandbox;
	Cri__ContainerConfig *config;

	/* of the file work */
	const char *log_dir;
	const char *host, *domain; /* for /etc/hosts; NULL: not wanted */
	const char *hosts_path, *termination_path;
	const char *resolv_conf;
	struct err file_err;
};

static struct start *start_of(void *action)
{
	return container_of((struct action *)action, struct start, action);
}

/* The event that goes with every failure, and the end. The id of a container would make each event another one. */
static void start_failed(struct start *start, const char *reason, const char *text, int code)
{
	struct action *action = &start->action;
	const char *message = action_plain(text), *id = action->outcome.id, *at;

	if (!str_empty(id) && (at = strstr(message, id)))
		action_event(action, start->context.pod, start->container, "Warning", "Failed", "Error: %.*s%s%s",
			     (int)(at - message), message, start->container->name, at + strlen(id));
	else
		action_event(action, start->context.pod, start->container, "Warning", "Failed", "Error: %s", message);
	if (!action->err.code)
		err_set(&action->err, code, "%s: %s", reason, message);
	action_fail(action, reason, message);
}

static void link_log(void *owner)
{
	struct start *start = start_of(owner);
	const struct runtime_options *options = &start->action.runtime->options;
	const Meta__ObjectMeta *meta = start->context.pod->metadata;
	const char *log =
		arena_printf(start->action.arena, "%s/%s", start->sandbox->log_directory, start->config->log_path);
	const char *link_path =
		runtime_request_log_link(options->container_logs_dir, meta->name, meta->namespace_,
					 start->container->name, start->action.outcome.id, start->action.arena);

	/* A log that is not there (another driver than files) would leave a link to nothing. */
	if (access(log, F_OK) == 0 && symlink(log, link_path) < 0 && errno != EEXIST)
		err_errno(&start->file_err, "cannot link %s", link_path);
}

static void linked(void *owner, const void *result, const struct err *err)
{
	struct start *start = start_of(owner);

	start->action.step = NULL;
	if (start->file_err.code)
		log_error(&start->file_err, "Failed to create legacy symbolic link", "containerID",
			  start->action.outcome.id, NULL);
	action_end(&start->action);
}

/* From here on the container exists: a cancel changes nothing any more. */
static void started(void *owner, const void *result, const struct err *err)
{
	struct start *start = start_of(owner);
	struct action *action = &start->action;

	action->step = NULL;
	if (err) {
		start_failed(start, "RunContainerError", err->text, err->code);
		return;
	}
	action_event(action, start->context.pod, start->container, "Normal", "Started", "Container started");
	if (action->runtime->options.container_logs_dir)
		action_work(action, link_log, linked);
	else
		action_end(action);
}

static void created(void *owner, const void *result, const struct err *err)
{
	struct start *start = start_of(owner);
	struct action *action = &start->action;
	const Cri__CreateContainerResponse *response = result;
	Cri__StartContainerRequest request = CRI__START_CONTAINER_REQUEST__INIT;

	action->step = NULL;
	if (err) {
		start_failed(start, "CreateContainerError", err->text, err->code);
		return;
	}
	action->outcome.id = arena_strdup(action->arena, response->container_id);
	action_event(action, start->context.pod, start->container, "Normal", "Created", "Container created");
	request.container_id = (char *)(uintptr_t)action->outcome.id;
	action_call(action, CRI_START_CONTAINER, &request.base, 0, started);
}

static void prepared(void *owner, const void *result, const struct err *err)
{
	struct start *start = start_of(owner);
	struct action *action = &start->action;
	struct runtime *runtime = action->runtime;
	Cri__CreateContainerRequest request = CRI__CREATE_CONTAINER_REQUEST__INIT;
	struct runtime_request_container input = {
		.options = &runtime->options,
		.node = &runtime->node,
		.context = &start->context,
		.container = start->container,
		.env = &start->env,
		.image = start->image,
		.restart_count = start->restart_count,
		.hosts_path = start->hosts_path,
		.termination_path = start->termination_path,
	};
	struct dns_notes notes; /* told when the sandbox was made */
	struct err failure = { 0 };

	if (!action_goes_on(action))
		return;
	if (start->file_err.code)
		failure = start->file_err;
	else if (runtime_request_sandbox(&runtime->options, &runtime->node, &start->context, start->sandbox_attempt,
					 start->resolv_conf, action->arena, &start->sandbox, &notes, &failure) == 0)
		runtime_request_container(&input, action->arena, &start->config, &failure);
	if (failure.code) {
		start_failed(start, "CreateContainerConfigError", failure.text, failure.code);
		return;
	}
	request.pod_sandbox_id = (char *)(uintptr_t)start->sandbox_id;
	request.config = start->config;
	request.sandbox_config = start->sandbox;
	action_call(action, CRI_CREATE_CONTAINER, &request.base, 0, created);
}

/* The runtime lost its history (a wiped disk, a new runtime), but logs tell how often this container ran. */
static int32_t count_logs(const char *folder)
{
	_cleanup_dir_ DIR *open_folder = opendir(folder);
	int64_t count = 0;

	if (!open_folder)
		return 0;
	for (struct dirent *entry; (entry = readdir(open_folder));) {
		size_t digits = strspn(entry->d_name, "0123456789");
		_cleanup_free_ char *number = xstrndup(entry->d_name, digits);
		int64_t value;

		if (digits && strncmp(entry->d_name + digits, ".log", 4) == 0 && entry->d_type != DT_DIR &&
		    str_to_i64(number, 0, INT32_MAX - 1, &value) == 0)
			count = MAX(count, value + 1);
	}
	return (int32_t)count;
}

static int make_termination_file(struct start *start, struct err *err)
{
	struct arena *arena = start->action.arena;
	const char *folder = arena_printf(arena, "%s/containers/%s", start->context.pod_dir, start->container->name);
	uint32_t random;

	if (dir_make_all(folder, 0750, err) < 0)
		return err->code;
	rand_bytes(&random, sizeof random);
	start->termination_path = arena_printf(arena, "%s/%08x", folder, random);

	_cleanup_fd_ int fd = open(start->termination_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0 || fchmod(fd, 0666) < 0)
		return err_errno(err, "error on creating termination-log file \"%s\"", start->termination_path);
	return 0;
}

static int make_hosts_file(struct start *start, struct err *err)
{
	_cleanup_buf_ struct buf content = BUF_INIT(DNS_HOSTS_MAX_BYTES + 65536);
	const Core__Pod *pod = start->context.pod;
	struct arena *arena = start->action.arena;
	const char *node_hosts = NULL;

	if (pod->spec->hostnetwork && file_read_text("/etc/hosts", DNS_HOSTS_MAX_BYTES, arena, &node_hosts, err) < 0)
		return err->code;
	dns_hosts_file(pod, start->host, start->domain, start->ips, start->n_ips, node_hosts, &content);
	if (content.overflow)
		return err_set(err, -EFBIG, "/etc/hosts of the pod is larger than %d bytes", DNS_HOSTS_MAX_BYTES);
	start->hosts_path = arena_printf(arena, "%s/etc-hosts", start->context.pod_dir);
	return write_in_place(start->hosts_path, &content, 0644, err);
}

static void prepare(void *owner)
{
	struct start *start = start_of(owner);
	const char *resolv_conf = start->action.runtime->options.resolv_conf;
	struct arena *arena = start->action.arena;
	struct err *err = &start->file_err;

	if (start->restart_count < 0)
		start->restart_count = count_logs(start->log_dir);
	if (dir_make_all(start->log_dir, 0755, err) < 0) {
		err_wrap(err, "create container log directory for container %s failed", start->container->name);
		return;
	}
	if (!str_empty(resolv_conf) &&
	    file_read_text(resolv_conf, DNS_RESOLV_CONF_MAX_BYTES, arena, &start->resolv_conf, err) < 0)
		return;
	if (start->host && make_hosts_file(start, err) < 0)
		return;
	if (!str_empty(start->container->terminationmessagepath))
		make_termination_file(start, err);
}

static void build_env(struct start *start)
{
	struct action *action = &start->action;
	const struct runtime_options *options = &action->runtime->options;
	const struct runtime_pod_context *context = &start->context;
	struct env_input input = {
		.pod = context->pod,
		.container = start->container,
		.pod_ips = context->pod->spec->hostnetwork ? context->host_ips : start->ips,
		.n_pod_ips = context->pod->spec->hostnetwork ? context->n_host_ips : start->n_ips,
		.host_ips = context->host_ips,
		.n_host_ips = context->n_host_ips,
		.services = context->services,
		.n_services = context->n_services,
		.objects = start->objects,
		.n_objects = start->n_objects,
		.allocatable = options->allocatable,
	};
	struct err err = { 0 };

	if (env_build(&input, action->arena, &start->env, &err) < 0 ||
	    runtime_request_check_non_root(context->pod, start->container, &start->image, &err) < 0) {
		start_failed(start, "CreateContainerConfigError", err.text, err.code);
		return;
	}
	if (runtime_request_wants_hosts(context->pod, start->container, start->n_ips) &&
	    dns_pod_name(context->pod, options->cluster_domain, action->arena, &start->host, &start->domain, &err) <
		    0) {
		start_failed(start, "CreateContainerConfigError", err.text, err.code);
		return;
	}
	action_work(action, prepare, prepared);
}

static void next_object(struct start *start);

static void object_done(void *owner, const void *result, const struct err *err)
{
	struct start *start = start_of(owner);
	struct env_object *object = &start->objects[start->object_at];

	if (!action_goes_on(&start->action))
		return;
	if (err)
		object->why = *err;
	else if (object->kind == OBJECT_CONFIGMAP)
		object->object = PB_COPY((Core__ConfigMap *)(uintptr_t)result, start->action.arena);
	else
		object->object = PB_COPY((Core__Secret *)(uintptr_t)result, start->action.arena);
	start->object_at++;
	next_object(start);
}

static void next_object(struct start *start)
{
	struct action *action = &start->action;
	const struct env_object *object = &start->objects[start->object_at];

	if (start->object_at == start->n_objects) {
		build_env(start);
		return;
	}
	action->step = objects_get(action->runtime->options.objects, object->kind,
				   start->context.pod->metadata->namespace_, object->name, object_done, action);
}

static void imaged(void *owner, const void *result, const struct err *err)
{
	struct start *start = start_of(owner);
	struct action *action = &start->action;
	const struct image_result *got = result;

	if (!action_goes_on(action))
		return;
	if (err) {
		/* The event names the reason alone; the message is for the status. */
		action_event(action, start->context.pod, start->container, "Warning", "Failed", "Error: %s",
			     got->reason);
		action->err = *err;
		action->outcome.retry_after_ms = got->retry_after_ms;
		action_fail(action, arena_strdup(action->arena, got->reason), got->message);
		return;
	}
	start->image = got->image;
	start->image.ref = arena_strdup(action->arena, got->image.ref);
	start->image.username = arena_strdup(action->arena, got->image.username);
	env_objects(start->container, action->arena, &start->objects, &start->n_objects);
	next_object(start);
}

static void start_begin(struct action *action)
{
	struct start *start = start_of(action);

	action->step = image_ensure(action->runtime, start->context.pod, start->container, imaged, action);
}

struct task *runtime_start_container(struct runtime *runtime, const struct runtime_pod_context *context,
				     const Core__Container *container, const struct runtime_sandbox *sandbox,
				     int32_t restart_count, task_done_fn *done, void *owner)
{
	struct start *start = action_new(runtime, sizeof *start, start_begin, done, owner);
	const Meta__ObjectMeta *meta = context->pod->metadata;
	struct arena *arena = start->action.arena;

	start->context = *context;
	start->container = container;
	start->sandbox_id = arena_strdup(arena, sandbox->id);
	start->sandbox_attempt = sandbox->attempt;
	start->restart_count = restart_count;
	start->ips = arena_alloc(arena, (sandbox->n_ips + 1) * sizeof *start->ips);
	for (size_t i = 0; i < sandbox->n_ips; i++)
		start->ips[start->n_ips++] = arena_strdup(arena, sandbox->ips[i]);
	start->log_dir = arena_printf(arena, "%s/%s",
				      runtime_request_pod_log_dir(runtime->options.pod_logs_dir, meta->namespace_,
								  meta->name, meta->uid, arena),
				      container->name);
	return &start->action.task;
}
