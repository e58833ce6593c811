/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/admit.h"

#include <inttypes.h>
#include <string.h>

#include "kubelet/cm/resources.h"
#include "kubelet/pod/sysctl.h"
#include "pkg/base/base.h"
#include "pkg/codec/amount.h"
#include "pkg/codec/quantity.h"

#define OS_LABEL "kubernetes.io/os"
#define OS "linux"

struct verdict {
	const char *reason, *message;
};

static const char *label(const Core__Node *node, const char *key)
{
	for (size_t i = 0; node->metadata && i < node->metadata->n_labels; i++)
		if (str_eq(node->metadata->labels[i]->key, key))
			return node->metadata->labels[i]->value;
	return NULL;
}

static bool has_value(const Core__NodeSelectorRequirement *wanted, const char *value)
{
	for (size_t i = 0; i < wanted->n_values; i++)
		if (str_eq(wanted->values[i], value))
			return true;
	return false;
}

static bool is_above(const Core__NodeSelectorRequirement *wanted, const char *value, bool above)
{
	int64_t have, limit;

	if (wanted->n_values != 1 || !value || str_to_i64(value, INT64_MIN, INT64_MAX, &have) < 0 ||
	    str_to_i64(wanted->values[0], INT64_MIN, INT64_MAX, &limit) < 0)
		return false;
	return above ? have > limit : have < limit;
}

static bool meets(const Core__NodeSelectorRequirement *wanted, const char *value)
{
	const char *operator_ = wanted->operator_;

	if (str_eq(operator_, "In"))
		return value && has_value(wanted, value);
	if (str_eq(operator_, "NotIn"))
		return !value || !has_value(wanted, value);
	if (str_eq(operator_, "Exists"))
		return value != NULL;
	if (str_eq(operator_, "DoesNotExist"))
		return value == NULL;
	if (str_eq(operator_, "Gt") || str_eq(operator_, "Lt"))
		return is_above(wanted, value, str_eq(operator_, "Gt"));
	return false;
}

/* A term without any requirement matches nothing. */
static bool meets_term(const Core__NodeSelectorTerm *term, const Core__Node *node)
{
	if (term->n_matchexpressions + term->n_matchfields == 0)
		return false;
	for (size_t i = 0; i < term->n_matchexpressions; i++)
		if (!meets(term->matchexpressions[i], label(node, term->matchexpressions[i]->key)))
			return false;
	for (size_t i = 0; i < term->n_matchfields; i++)
		if (!str_eq(term->matchfields[i]->key, "metadata.name") ||
		    !meets(term->matchfields[i], node->metadata->name))
			return false;
	return true;
}

static bool fits_affinity(const Core__PodSpec *spec, const Core__Node *node)
{
	const Core__NodeSelector *required = NULL;

	for (size_t i = 0; i < spec->n_nodeselector; i++)
		if (!str_eq(label(node, spec->nodeselector[i]->key), str_or(spec->nodeselector[i]->value, "")))
			return false;
	if (spec->affinity && spec->affinity->nodeaffinity)
		required = spec->affinity->nodeaffinity->requiredduringschedulingignoredduringexecution;
	if (!required)
		return true;
	for (size_t i = 0; i < required->n_nodeselectorterms; i++)
		if (meets_term(required->nodeselectorterms[i], node))
			return true;
	return false;
}

static bool tolerates(const Core__Toleration *toleration, const Core__Taint *taint)
{
	if (!str_empty(toleration->effect) && !str_eq(toleration->effect, taint->effect))
		return false;
	if (!str_empty(toleration->key) && !str_eq(toleration->key, taint->key))
		return false;
	if (str_eq(toleration->operator_, "Exists"))
		return true;
	return !str_empty(toleration->key) && str_eq(str_or(toleration->value, ""), str_or(taint->value, ""));
}

static bool tolerates_node(const Core__PodSpec *spec, const Core__Node *node)
{
	for (size_t i = 0; node->spec && i < node->spec->n_taints; i++) {
		const Core__Taint *taint = node->spec->taints[i];
		bool tolerated = !str_eq(taint->effect, "NoExecute");

		for (size_t n = 0; n < spec->n_tolerations && !tolerated; n++)
			tolerated = tolerates(spec->tolerations[n], taint);
		if (!tolerated)
			return false;
	}
	return true;
}

static const char *allocatable(const Core__Node *node, const char *resource)
{
	return node->status ? amount_find(node->status->allocatable, node->status->n_allocatable, resource) : NULL;
}

/* Whole units of a resource that the containers ask for together. */
static int64_t request(const Core__Pod *pod, const char *resource)
{
	int64_t sum = 0;

	for (size_t i = 0; i < pod->spec->n_containers; i++)
		sum = amount_add(sum,
				 quantity_text_value(amount_request(pod->spec->containers[i]->resources, resource)));
	return sum;
}

static int64_t used_by_others(const struct admit_input *input, const char *resource)
{
	int64_t sum = 0;

	for (size_t i = 0; i < input->n_pods; i++)
		sum = amount_add(sum, request(input->pods[i], resource));
	return sum;
}

static bool exceeds(struct arena *arena, const char *resource, const char *reason, int64_t wanted, int64_t used,
		    int64_t capacity, struct verdict *ret_verdict)
{
	if (wanted <= 0 || wanted <= capacity - used)
		return false;
	ret_verdict->reason = reason;
	ret_verdict->message = arena_printf(arena,
					    "Node didn't have enough resource: %s, requested: %" PRId64
					    ", used: %" PRId64 ", capacity: %" PRId64,
					    resource, wanted, used, capacity);
	return true;
}

/* Named by somebody else than Kubernetes: example.com/gpu. */
static bool is_extended(const char *resource)
{
	return strchr(resource, '/') && !strstr(resource, "kubernetes.io/") && !str_has_prefix(resource, "requests.");
}

/* Huge pages, and devices. What the node never heard of is the cluster's affair. */
static bool lacks_scalars(const struct admit_input *input, struct arena *arena, struct verdict *ret_verdict)
{
	const Core__PodSpec *spec = input->pod->spec;

	for (size_t i = 0; i < spec->n_containers; i++) {
		const Core__ResourceRequirements *resources = spec->containers[i]->resources;

		for (size_t n = 0; resources && n < resources->n_requests; n++) {
			const char *name = resources->requests[n]->key, *capacity = allocatable(input->node, name);

			if (!str_has_prefix(name, "hugepages-") && !(is_extended(name) && capacity))
				continue;
			if (exceeds(arena, name, arena_printf(arena, "OutOf%s", name), request(input->pod, name),
				    used_by_others(input, name), quantity_text_value(capacity), ret_verdict))
				return true;
		}
	}
	return false;
}

static bool lacks_resources(const struct admit_input *input, struct arena *arena, struct verdict *ret_verdict)
{
	struct cm_sums mine = cm_pod_sums(input->pod), used = { 0 };

	for (size_t i = 0; i < input->n_pods; i++) {
		struct cm_sums sums = cm_pod_sums(input->pods[i]);

		used.request_milli_cpu = amount_add(used.request_milli_cpu, sums.request_milli_cpu);
		used.request_memory = amount_add(used.request_memory, sums.request_memory);
	}
	return exceeds(arena, "pods", "OutOfpods", 1, (int64_t)input->n_pods,
		       quantity_text_value(allocatable(input->node, "pods")), ret_verdict) ||
	       exceeds(arena, "cpu", "OutOfcpu", mine.request_milli_cpu, used.request_milli_cpu,
		       quantity_text_milli(allocatable(input->node, "cpu")), ret_verdict) ||
	       exceeds(arena, "memory", "OutOfmemory", mine.request_memory, used.request_memory,
		       quantity_text_value(allocatable(input->node, "memory")), ret_verdict) ||
	       exceeds(arena, "ephemeral-storage", "OutOfephemeral-storage", request(input->pod, "ephemeral-storage"),
		       used_by_others(input, "ephemeral-storage"),
		       quantity_text_value(allocatable(input->node, "ephemeral-storage")), ret_verdict) ||
	       lacks_scalars(input, arena, ret_verdict);
}

static bool is_same_port(const Core__ContainerPort *a, const Core__ContainerPort *b)
{
	static const char any[] = "0.0.0.0";
	const char *a_ip = str_empty(a->hostip) ? any : a->hostip, *b_ip = str_empty(b->hostip) ? any : b->hostip;

	return a->hostport == b->hostport && str_eq(str_or(a->protocol, "TCP"), str_or(b->protocol, "TCP")) &&
	       (str_eq(a_ip, b_ip) || str_eq(a_ip, any) || str_eq(b_ip, any));
}

static bool takes_port(const Core__Pod *pod, const Core__ContainerPort *wanted)
{
	for (size_t i = 0; i < pod->spec->n_containers; i++) {
		const Core__Container *container = pod->spec->containers[i];

		for (size_t n = 0; n < container->n_ports; n++)
			if (is_same_port(container->ports[n], wanted))
				return true;
	}
	return false;
}

/* On the host's network the API server names every port a host port. */
static bool has_free_ports(const struct admit_input *input)
{
	const Core__PodSpec *spec = input->pod->spec;

	for (size_t i = 0; i < spec->n_containers; i++)
		for (size_t n = 0; n < spec->containers[i]->n_ports; n++) {
			const Core__ContainerPort *port = spec->containers[i]->ports[n];

			for (size_t k = 0; port->hostport > 0 && k < input->n_pods; k++)
				if (takes_port(input->pods[k], port))
					return false;
		}
	return true;
}

static bool is_for_other_os(const Core__Pod *pod)
{
	for (size_t i = 0; i < pod->metadata->n_labels; i++)
		if (str_eq(pod->metadata->labels[i]->key, OS_LABEL))
			return !str_eq(pod->metadata->labels[i]->value, OS);
	return false;
}

static bool confines(const Core__AppArmorProfile *profile)
{
	return profile && !str_eq(profile->type, "Unconfined");
}

static bool wants_apparmor(const Core__Pod *pod)
{
	static const char prefix[] = "container.apparmor.security.beta.kubernetes.io/";
	const Core__PodSpec *spec = pod->spec;

	if (pod->status && !str_empty(pod->status->phase) && !str_eq(pod->status->phase, "Pending"))
		return false; /* it runs already */
	if (spec->securitycontext && confines(spec->securitycontext->apparmorprofile))
		return true;
	for (size_t i = 0; i < spec->n_containers; i++)
		if (spec->containers[i]->securitycontext &&
		    confines(spec->containers[i]->securitycontext->apparmorprofile))
			return true;
	for (size_t i = 0; i < pod->metadata->n_annotations; i++)
		if (str_has_prefix(pod->metadata->annotations[i]->key, prefix))
			return !str_eq(pod->metadata->annotations[i]->value, "unconfined");
	return false;
}

static bool wants_strict_groups(const Core__PodSpec *spec)
{
	return spec->securitycontext && str_eq(spec->securitycontext->supplementalgroupspolicy, "Strict");
}

static bool has_strict_groups(const Core__Node *node)
{
	return node->status && node->status->features && node->status->features->supplementalgroupspolicy;
}

static struct verdict judge(const struct admit_input *input, struct arena *arena)
{
	const Core__PodSpec *spec = input->pod->spec;
	struct verdict verdict = { 0 };

	if (input->unsupported)
		return (struct verdict){ "UnexpectedAdmissionError",
					 arena_printf(arena, "%s is not supported by this kubelet yet",
						      input->unsupported) };
	const char *sysctl = sysctl_forbidden(spec, input->unsafe_sysctls, input->n_unsafe_sysctls, arena);
	if (sysctl)
		return (struct verdict){ "SysctlForbidden", sysctl };
	if (!input->node)
		return (struct verdict){ "InvalidNodeInfo", "Kubelet cannot get node info." };
	if (is_for_other_os(input->pod))
		return (struct verdict){
			"PodOSSelectorNodeLabelDoesNotMatch",
			"Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
		};
	if (spec->os && !str_eq(spec->os->name, OS))
		return (struct verdict){ "PodOSNotSupported",
					 "Failed to admit pod as the OS field doesn't match node OS" };
	if (wants_strict_groups(spec) && !has_strict_groups(input->node))
		return (struct verdict){ "SupplementalGroupsPolicyNotSupported",
					 "SupplementalGroupsPolicy=Strict is not supported in this node" };
	if (lacks_resources(input, arena, &verdict))
		return verdict;
	if (!fits_affinity(spec, input->node))
		return (struct verdict){
			"NodeAffinity",
			"Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
		};
	if (!str_empty(spec->nodename) && !str_eq(spec->nodename, input->node->metadata->name))
		return (struct verdict){ "NodeName",
					 "Predicate NodeName failed: node(s) didn't match the requested node name" };
	if (!has_free_ports(input))
		return (struct verdict){
			"NodePorts",
			"Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
		};
	if (!tolerates_node(spec, input->node))
		return (struct verdict){
			"TaintToleration",
			"Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
		};
	if (!input->apparmor && wants_apparmor(input->pod))
		return (struct verdict){ "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host" };
	return verdict;
}

bool admit_pod(const struct admit_input *input, struct arena *arena, const char **ret_reason, const char **ret_message)
{
	struct verdict verdict = judge(input, arena);

	if (!verdict.reason)
		return true;
	*ret_reason = verdict.reason;
	*ret_message = verdict.message;
	return false;
}
