/* SPDX-License-Identifier: Apache-2.0 */
/* Who a container runs as, what it may do and what it shares. */
#include <inttypes.h>

#include "kubelet/runtime/request.h"
#include "pkg/base/base.h"
#include "pkg/codec/pb.h"
#include "pkg/kube/kube.h"

#define RUNTIME_DEFAULT CRI__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault
#define UNCONFINED CRI__SECURITY_PROFILE__PROFILE_TYPE__Unconfined
#define LOCALHOST CRI__SECURITY_PROFILE__PROFILE_TYPE__Localhost

/* Docker's list, as every runtime has it (moby oci/defaults.go). */
static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					      "/proc/sysrq-trigger" };

/* An absent security context is an empty one. */
static const Core__SecurityContext *context_of(const Core__Container *container)
{
	static const Core__SecurityContext empty = CORE__SECURITY_CONTEXT__INIT;

	return container->securitycontext ? container->securitycontext : &empty;
}

static const Core__PodSecurityContext *pod_context_of(const Core__Pod *pod)
{
	static const Core__PodSecurityContext empty = CORE__POD_SECURITY_CONTEXT__INIT;

	return pod->spec->securitycontext ? pod->spec->securitycontext : &empty;
}

/* The container's word counts before the pod's. */
static bool run_as_user(const Core__Pod *pod, const Core__Container *container, int64_t *ret_uid)
{
	const Core__SecurityContext *own = context_of(container);
	const Core__PodSecurityContext *common = pod_context_of(pod);

	*ret_uid = own->has_runasuser ? own->runasuser : common->runasuser;
	return own->has_runasuser || common->has_runasuser;
}

int runtime_request_check_non_root(const Core__Pod *pod, const Core__Container *container,
				   const struct runtime_request_image *image, struct err *err)
{
	const Core__SecurityContext *own = context_of(container);
	const Core__PodSecurityContext *common = pod_context_of(pod);
	bool non_root = own->has_runasnonroot ? own->runasnonroot : common->runasnonroot;
	char text[KUBE_POD_NAME_MAX];
	const char *name = kube_pod_text(pod, text);
	int64_t user;

	if (!non_root)
		return 0;
	if (run_as_user(pod, container, &user)) {
		if (user == 0)
			return err_set(err, -EPERM,
				       "container's runAsUser breaks non-root policy (pod: \"%s\", container: %s)",
				       name, container->name);
		return 0;
	}
	if (!image->has_uid && !str_empty(image->username))
		return err_set(err, -EPERM,
			       "container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is "
			       "non-root (pod: \"%s\", container: %s)",
			       image->username, name, container->name);
	if (image->has_uid && image->uid == 0)
		return err_set(err, -EPERM,
			       "container has runAsNonRoot and image will run as root (pod: \"%s\", container: %s)",
			       name, container->name);
	if (image->has_uid && (image->uid < 0 || image->uid > INT32_MAX))
		return err_set(err, -EPERM,
			       "container has runAsNonRoot and image has an invalid user id (%" PRId64
			       "). (Must be 1-(%d)): must be between 0 and %d, inclusive (pod: \"%s\", "
			       "container: %s)",
			       image->uid, INT32_MAX, INT32_MAX, name, container->name);
	return 0;
}

static Cri__NamespaceOption *namespaces_of(const Core__Pod *pod, struct arena *arena)
{
	Cri__NamespaceOption *namespaces = PB_NEW(arena, Cri__NamespaceOption, cri__namespace_option__descriptor);
	const Core__PodSpec *spec = pod->spec;

	namespaces->network = spec->hostnetwork ? CRI__NAMESPACE_MODE__NODE : CRI__NAMESPACE_MODE__POD;
	namespaces->ipc = spec->hostipc ? CRI__NAMESPACE_MODE__NODE : CRI__NAMESPACE_MODE__POD;
	namespaces->pid = spec->hostpid                 ? CRI__NAMESPACE_MODE__NODE
			  : spec->shareprocessnamespace ? CRI__NAMESPACE_MODE__POD
							: CRI__NAMESPACE_MODE__CONTAINER;
	namespaces->userns_options = PB_NEW(arena, Cri__UserNamespace, cri__user_namespace__descriptor);
	namespaces->userns_options->mode = CRI__NAMESPACE_MODE__NODE;
	return namespaces;
}

static Cri__SecurityProfile *profile(struct arena *arena, Cri__SecurityProfile__ProfileType type, const char *ref)
{
	Cri__SecurityProfile *made = PB_NEW(arena, Cri__SecurityProfile, cri__security_profile__descriptor);

	made->profile_type = type;
	if (ref)
		made->localhost_ref = arena_strdup(arena, ref);
	return made;
}

static int seccomp(const struct runtime_request_container *input, struct arena *arena,
		   Cri__SecurityProfile **ret_profile, struct err *err)
{
	const Core__SeccompProfile *wanted = context_of(input->container)->seccompprofile;

	if (!wanted)
		wanted = pod_context_of(input->context->pod)->seccompprofile;
	if (!wanted) {
		*ret_profile = profile(arena, input->options->seccomp_default ? RUNTIME_DEFAULT : UNCONFINED, NULL);
	} else if (str_eq(wanted->type, "RuntimeDefault")) {
		*ret_profile = profile(arena, RUNTIME_DEFAULT, NULL);
	} else if (str_eq(wanted->type, "Localhost")) {
		if (str_empty(wanted->localhostprofile))
			return err_set(err, -EINVAL,
				       "localhostProfile must be set if seccompProfile type is Localhost.");
		*ret_profile =
			profile(arena, LOCALHOST,
				arena_printf(arena, "%s/%s", input->options->seccomp_dir, wanted->localhostprofile));
	} else {
		*ret_profile = profile(arena, UNCONFINED, NULL);
	}
	return 0;
}

static const char *apparmor_annotation(const Core__Pod *pod, const Core__Container *container, struct arena *arena)
{
	const char *key = arena_printf(arena, "container.apparmor.security.beta.kubernetes.io/%s", container->name);

	for (size_t i = 0; i < pod->metadata->n_annotations; i++)
		if (str_eq(pod->metadata->annotations[i]->key, key))
			return pod->metadata->annotations[i]->value;
	return NULL;
}

/* Field, then the annotation of before the field was, then the pod's field. The old text form goes along. */
static int apparmor(const Core__Pod *pod, const Core__Container *container, struct arena *arena,
		    Cri__LinuxContainerSecurityContext *security, struct err *err)
{
	const Core__AppArmorProfile *wanted = context_of(container)->apparmorprofile;
	const char *type = NULL, *local = NULL, *old = wanted ? NULL : apparmor_annotation(pod, container, arena);

	if (str_eq(old, "runtime/default"))
		type = "RuntimeDefault";
	else if (str_eq(old, "unconfined"))
		type = "Unconfined";
	else if (old && str_has_prefix(old, "localhost/")) {
		type = "Localhost";
		local = old + sizeof "localhost/" - 1;
	} else {
		wanted = wanted ? wanted : pod_context_of(pod)->apparmorprofile;
		if (!wanted)
			return 0;
		type = wanted->type;
		local = wanted->localhostprofile;
	}

	if (str_eq(type, "RuntimeDefault")) {
		security->apparmor = profile(arena, RUNTIME_DEFAULT, NULL);
		security->apparmor_profile = arena_strdup(arena, "runtime/default");
	} else if (str_eq(type, "Unconfined")) {
		security->apparmor = profile(arena, UNCONFINED, NULL);
		security->apparmor_profile = arena_strdup(arena, "unconfined");
	} else if (str_eq(type, "Localhost")) {
		if (!local)
			return err_set(err, -EINVAL, "missing localhost apparmor profile name");
		security->apparmor = profile(arena, LOCALHOST, local);
		security->apparmor_profile = arena_printf(arena, "localhost/%s", local);
	} else {
		return err_set(err, -EINVAL, "unknown apparmor profile type: \"%s\"", str_or(type, ""));
	}
	return 0;
}

static Cri__Int64Value *int64_value(struct arena *arena, int64_t value)
{
	Cri__Int64Value *made = PB_NEW(arena, Cri__Int64Value, cri__int64_value__descriptor);

	made->value = value;
	return made;
}

static Cri__SELinuxOption *selinux(const Core__SELinuxOptions *wanted, struct arena *arena)
{
	Cri__SELinuxOption *made;

	if (!wanted)
		return NULL;
	made = PB_NEW(arena, Cri__SELinuxOption, cri__selinux_option__descriptor);
	made->user = arena_text(arena, wanted->user);
	made->role = arena_text(arena, wanted->role);
	made->type = arena_text(arena, wanted->type);
	made->level = arena_text(arena, wanted->level);
	return made;
}

static Cri__Capability *capabilities(const Core__Capabilities *wanted, struct arena *arena)
{
	Cri__Capability *made;

	if (!wanted)
		return NULL;
	made = PB_NEW(arena, Cri__Capability, cri__capability__descriptor);
	for (size_t i = 0; i < wanted->n_add; i++)
		PB_APPEND(arena, made, add_capabilities, arena_text(arena, wanted->add[i]));
	for (size_t i = 0; i < wanted->n_drop; i++)
		PB_APPEND(arena, made, drop_capabilities, arena_text(arena, wanted->drop[i]));
	return made;
}

/* fsGroup first, then the listed ones, as upstream orders them. */
static int64_t *groups(const Core__Pod *pod, struct arena *arena, size_t *ret_n)
{
	const Core__PodSecurityContext *common = pod_context_of(pod);
	int64_t *made = arena_alloc(arena, (common->n_supplementalgroups + 1) * sizeof *made);
	size_t n = 0;

	if (common->has_fsgroup)
		made[n++] = common->fsgroup;
	for (size_t i = 0; i < common->n_supplementalgroups; i++)
		made[n++] = common->supplementalgroups[i];
	*ret_n = n;
	return made;
}

static Cri__SupplementalGroupsPolicy groups_policy(const Core__Pod *pod)
{
	return str_eq(pod_context_of(pod)->supplementalgroupspolicy, "Strict") ? CRI__SUPPLEMENTAL_GROUPS_POLICY__Strict
									       : CRI__SUPPLEMENTAL_GROUPS_POLICY__Merge;
}

int runtime_request_security(const struct runtime_request_container *input, struct arena *arena,
			     Cri__LinuxContainerSecurityContext **ret_security, struct err *err)
{
	const Core__Pod *pod = input->context->pod;
	const Core__SecurityContext *own = context_of(input->container);
	const Core__PodSecurityContext *common = pod_context_of(pod);
	Cri__LinuxContainerSecurityContext *security =
		PB_NEW(arena, Cri__LinuxContainerSecurityContext, cri__linux_container_security_context__descriptor);
	int64_t uid;

	if (seccomp(input, arena, &security->seccomp, err) < 0 ||
	    apparmor(pod, input->container, arena, security, err) < 0)
		return err->code;

	if (run_as_user(pod, input->container, &uid)) {
		security->run_as_user = int64_value(arena, uid);
	} else {
		if (input->image.has_uid)
			security->run_as_user = int64_value(arena, input->image.uid);
		security->run_as_username = arena_text(arena, input->image.username);
	}
	if (own->has_runasgroup || common->has_runasgroup)
		security->run_as_group = int64_value(arena, own->has_runasgroup ? own->runasgroup : common->runasgroup);
	security->supplemental_groups = groups(pod, arena, &security->n_supplemental_groups);
	security->supplemental_groups_policy = groups_policy(pod);

	security->capabilities = capabilities(own->capabilities, arena);
	security->privileged = own->privileged;
	security->readonly_rootfs = own->readonlyrootfilesystem;
	security->no_new_privs = own->has_allowprivilegeescalation && !own->allowprivilegeescalation;
	security->selinux_options = selinux(own->selinuxoptions ? own->selinuxoptions : common->selinuxoptions, arena);
	security->namespace_options = namespaces_of(pod, arena);

	if (!str_eq(own->procmount, "Unmasked")) {
		for (size_t i = 0; i < input->node->n_masked_paths; i++)
			PB_APPEND(arena, security, masked_paths, arena_text(arena, input->node->masked_paths[i]));
		for (size_t i = 0; i < ARRAY_LEN(readonly_paths); i++)
			PB_APPEND(arena, security, readonly_paths, arena_text(arena, readonly_paths[i]));
	}
	*ret_security = security;
	return 0;
}

Cri__LinuxSandboxSecurityContext *runtime_request_sandbox_security(const Core__Pod *pod, struct arena *arena)
{
	const Core__PodSecurityContext *common = pod->spec->securitycontext;
	Cri__LinuxSandboxSecurityContext *security =
		PB_NEW(arena, Cri__LinuxSandboxSecurityContext, cri__linux_sandbox_security_context__descriptor);

	for (size_t i = 0; i < pod->spec->n_containers; i++)
		security->privileged |= context_of(pod->spec->containers[i])->privileged;
	/* Whatever the pod asks for: the sandbox's own process needs nothing more. */
	security->seccomp = profile(arena, RUNTIME_DEFAULT, NULL);
	/* Upstream leaves these out, namespaces included, for a pod without a security context; the API server always
	 * makes an empty one. A static pod without one must not lose hostNetwork by it, so they are always sent. */
	security->namespace_options = namespaces_of(pod, arena);
	if (!common)
		return security;
	if (common->has_runasuser)
		security->run_as_user = int64_value(arena, common->runasuser);
	if (common->has_runasgroup)
		security->run_as_group = int64_value(arena, common->runasgroup);
	security->supplemental_groups = groups(pod, arena, &security->n_supplemental_groups);
	security->supplemental_groups_policy = groups_policy(pod);
	security->selinux_options = selinux(common->selinuxoptions, arena);
	return security;
}
