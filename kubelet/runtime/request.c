/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/request.h"

#include <inttypes.h>
#include <string.h>

#include "kubelet/runtime/labels.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/sys/sysctl.h"

enum { FILE_NAME_MAX = 255 }; /* of every file system that matters */

#define ETC_HOSTS "/etc/hosts"

/* ---- places ---- */

char *runtime_request_pod_log_dir(const char *pod_logs_dir, const char *namespace_, const char *name, const char *uid,
				  struct arena *arena)
{
	return arena_printf(arena, "%s/%s_%s_%s", pod_logs_dir, str_or(namespace_, ""), str_or(name, ""),
			    str_or(uid, ""));
}

char *runtime_request_log_link(const char *container_logs_dir, const char *pod, const char *namespace_,
			       const char *container, const char *id, struct arena *arena)
{
	const char *name =
		arena_printf(arena, "%s_%s_%s-%s", str_or(pod, ""), str_or(namespace_, ""), str_or(container, ""), id);

	return arena_printf(arena, "%s/%.*s.log", container_logs_dir, FILE_NAME_MAX - 4, name);
}

bool runtime_request_wants_hosts(const Core__Pod *pod, const Core__Container *container, size_t n_pod_ips)
{
	for (size_t i = 0; i < container->n_volumemounts; i++)
		if (str_eq(container->volumemounts[i]->mountpath, ETC_HOSTS))
			return false;
	return n_pod_ips > 0 || pod->spec->hostnetwork;
}

/* ---- sandbox ---- */

static Cri__Protocol protocol_of(const char *name)
{
	return str_eq(name, "UDP")    ? CRI__PROTOCOL__UDP
	       : str_eq(name, "SCTP") ? CRI__PROTOCOL__SCTP
				      : CRI__PROTOCOL__TCP;
}

/* Two entries of one container that name the same port, or carry the same name, are one. */
static bool is_repeated(const Core__Container *container, size_t index)
{
	const Core__ContainerPort *port = container->ports[index];

	for (size_t i = 0; i < index; i++) {
		const Core__ContainerPort *before = container->ports[i];

		if (!str_empty(port->name) || !str_empty(before->name)) {
			if (str_eq(port->name, before->name))
				return true;
			continue;
		}
		if (port->containerport == before->containerport && port->hostport == before->hostport &&
		    str_eq(str_or(port->protocol, ""), str_or(before->protocol, "")) &&
		    str_eq(str_or(port->hostip, ""), str_or(before->hostip, "")))
			return true;
	}
	return false;
}

static void set_ports(const Core__Pod *pod, Cri__PodSandboxConfig *config, struct arena *arena)
{
	for (size_t c = 0; c < pod->spec->n_containers; c++) {
		const Core__Container *container = pod->spec->containers[c];

		for (size_t i = 0; i < container->n_ports; i++) {
			const Core__ContainerPort *port = container->ports[i];
			Cri__PortMapping *mapping;

			if (is_repeated(container, i))
				continue;
			mapping = PB_NEW(arena, Cri__PortMapping, cri__port_mapping__descriptor);
			mapping->protocol = protocol_of(port->protocol);
			mapping->container_port = port->containerport;
			mapping->host_port = port->hostport;
			mapping->host_ip = arena_text(arena, port->hostip);
			PB_APPEND(arena, config, port_mappings, mapping);
		}
	}
}

static void set_linux(const Core__Pod *pod, const struct runtime_options *options, const char *cgroup_parent,
		      Cri__PodSandboxConfig *config, struct arena *arena)
{
	Cri__LinuxPodSandboxConfig *spec =
		PB_NEW(arena, Cri__LinuxPodSandboxConfig, cri__linux_pod_sandbox_config__descriptor);
	const Core__PodSecurityContext *context = pod->spec->securitycontext;

	spec->cgroup_parent = arena_text(arena, cgroup_parent);
	spec->security_context = runtime_request_sandbox_security(pod, arena);
	for (size_t i = 0; context && i < context->n_sysctls; i++) {
		Cri__LinuxPodSandboxConfig__SysctlsEntry *entry =
			PB_NEW(arena, Cri__LinuxPodSandboxConfig__SysctlsEntry,
			       cri__linux_pod_sandbox_config__sysctls_entry__descriptor);

		entry->key = sysctl_dotted(context->sysctls[i]->name, arena);
		entry->value = arena_text(arena, context->sysctls[i]->value);
		PB_APPEND(arena, spec, sysctls, entry);
	}
	spec->overhead = PB_NEW(arena, Cri__LinuxContainerResources, cri__linux_container_resources__descriptor);
	spec->resources = runtime_request_sandbox_resources(options, pod, arena);
	config->linux = spec;
}

int runtime_request_sandbox(const struct runtime_options *options, const struct runtime_request_node *node,
			    const struct runtime_pod_context *context, uint32_t attempt, const char *resolv_conf,
			    struct arena *arena, Cri__PodSandboxConfig **ret_config, struct dns_notes *ret_notes,
			    struct err *err)
{
	const Core__Pod *pod = context->pod;
	const Meta__ObjectMeta *meta = pod->metadata;
	Cri__PodSandboxConfig *config = PB_NEW(arena, Cri__PodSandboxConfig, cri__pod_sandbox_config__descriptor);
	struct dns_node dns = {
		.cluster_dns = options->cluster_dns,
		.n_cluster_dns = options->n_cluster_dns,
		.cluster_domain = options->cluster_domain,
		.resolv_conf = resolv_conf,
		.v6 = options->node_ip && strchr(options->node_ip, ':'),
	};
	const char *host, *domain, *name;

	config->metadata = PB_NEW(arena, Cri__PodSandboxMetadata, cri__pod_sandbox_metadata__descriptor);
	config->metadata->name = arena_text(arena, meta->name);
	config->metadata->namespace_ = arena_text(arena, meta->namespace_);
	config->metadata->uid = arena_text(arena, meta->uid);
	config->metadata->attempt = attempt;
	labels_set_sandbox(pod, config, arena);
	if (dns_config(pod, &dns, arena, &config->dns_config, ret_notes, err) < 0)
		return err->code;
	if (!pod->spec->hostnetwork) {
		if (dns_pod_name(pod, options->cluster_domain, arena, &host, &domain, err) < 0 ||
		    dns_kernel_name(pod, host, domain, arena, &name, err) < 0)
			return err->code;
		config->hostname = arena_strdup(arena, name);
	}
	config->log_directory =
		runtime_request_pod_log_dir(options->pod_logs_dir, meta->namespace_, meta->name, meta->uid, arena);
	set_ports(pod, config, arena);
	set_linux(pod, options, context->cgroup_parent, config, arena);
	*ret_config = config;
	return 0;
}

/* ---- container ---- */

static int propagation_of(const char *mode, Cri__MountPropagation *ret_propagation, struct err *err)
{
	if (!mode || str_eq(mode, "None"))
		*ret_propagation = CRI__MOUNT_PROPAGATION__PROPAGATION_PRIVATE;
	else if (str_eq(mode, "HostToContainer"))
		*ret_propagation = CRI__MOUNT_PROPAGATION__PROPAGATION_HOST_TO_CONTAINER;
	else if (str_eq(mode, "Bidirectional"))
		*ret_propagation = CRI__MOUNT_PROPAGATION__PROPAGATION_BIDIRECTIONAL;
	else
		return err_set(err, -EINVAL, "invalid MountPropagation mode: \"%s\"", mode);
	return 0;
}

static Cri__Mount *add_mount(Cri__ContainerConfig *config, struct arena *arena, const char *container_path,
			     const char *host_path)
{
	Cri__Mount *mount = PB_NEW(arena, Cri__Mount, cri__mount__descriptor);

	mount->container_path = container_path[0] == '/' ? arena_strdup(arena, container_path)
							 : arena_printf(arena, "/%s", container_path);
	mount->host_path = arena_strdup(arena, host_path);
	PB_APPEND(arena, config, mounts, mount);
	return mount;
}

/* Sources that nobody may write to, whatever the mount says: their content is the kubelet's. */
static bool is_read_only_volume(const Core__Pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->spec->n_volumes; i++) {
		const Core__VolumeSource *source = pod->spec->volumes[i]->volumesource;

		if (str_eq(pod->spec->volumes[i]->name, name))
			return source &&
			       (source->configmap || source->secret || source->downwardapi || source->projected);
	}
	return false;
}

static int set_mounts(const struct runtime_request_container *input, Cri__ContainerConfig *config, struct arena *arena,
		      struct err *err)
{
	const struct runtime_pod_context *context = input->context;
	const Core__Container *container = input->container;

	for (size_t i = 0; i < container->n_volumemounts; i++) {
		const Core__VolumeMount *wanted = container->volumemounts[i];
		char path[PATH_MAX];
		Cri__Mount *mount;

		if (context->volume_path(context->volume_owner, context->pod, str_or(wanted->name, ""), path, err) < 0)
			return err->code;
		mount = add_mount(config, arena, str_or(wanted->mountpath, ""), path);
		mount->readonly = wanted->readonly || is_read_only_volume(context->pod, wanted->name);
		if (propagation_of(wanted->mountpropagation, &mount->propagation, err) < 0)
			return err->code;
	}
	if (input->hosts_path)
		add_mount(config, arena, ETC_HOSTS, input->hosts_path);
	if (input->termination_path)
		add_mount(config, arena, container->terminationmessagepath, input->termination_path);
	return 0;
}

static void set_env(const struct env *env, Cri__ContainerConfig *config, struct arena *arena)
{
	for (const struct env_var *var = env->first; var; var = var->next) {
		Cri__KeyValue *pair = PB_NEW(arena, Cri__KeyValue, cri__key_value__descriptor);

		pair->key = arena_strdup(arena, var->name);
		pair->value.data = (uint8_t *)arena_strdup(arena, var->value);
		pair->value.len = strlen(var->value);
		PB_APPEND(arena, config, envs, pair);
	}
}

int runtime_request_container(const struct runtime_request_container *input, struct arena *arena,
			      Cri__ContainerConfig **ret_config, struct err *err)
{
	const Core__Pod *pod = input->context->pod;
	const Core__Container *container = input->container;
	Cri__ContainerConfig *config = PB_NEW(arena, Cri__ContainerConfig, cri__container_config__descriptor);

	if (runtime_request_check_non_root(pod, container, &input->image, err) < 0)
		return err->code;
	config->metadata = PB_NEW(arena, Cri__ContainerMetadata, cri__container_metadata__descriptor);
	config->metadata->name = arena_text(arena, container->name);
	config->metadata->attempt = (uint32_t)input->restart_count;
	config->image = PB_NEW(arena, Cri__ImageSpec, cri__image_spec__descriptor);
	config->image->image = arena_strdup(arena, input->image.ref);
	config->image->user_specified_image = arena_text(arena, container->image);

	config->n_command = container->n_command;
	config->n_args = container->n_args;
	if (env_expand_all(container->command, container->n_command, input->env, arena, &config->command, err) < 0 ||
	    env_expand_all(container->args, container->n_args, input->env, arena, &config->args, err) < 0)
		return err->code;
	config->working_dir = arena_text(arena, container->workingdir);
	set_env(input->env, config, arena);
	labels_set_container(pod, container, input->restart_count, config, arena);
	if (set_mounts(input, config, arena, err) < 0)
		return err->code;
	config->log_path = arena_printf(arena, "%s/%" PRId32 ".log", container->name, input->restart_count);
	config->stdin = container->stdin;
	config->stdin_once = container->stdinonce;
	config->tty = container->tty;

	config->linux = PB_NEW(arena, Cri__LinuxContainerConfig, cri__linux_container_config__descriptor);
	config->linux->resources = runtime_request_resources(input->options, input->node, pod, container, arena);
	if (runtime_request_security(input, arena, &config->linux->security_context, err) < 0)
		return err->code;
	*ret_config = config;
	return 0;
}
