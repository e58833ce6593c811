/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/kubelet.h"

#include <string.h>
#include <sys/utsname.h>

#include "kubelet/node/node.h"
#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/cri/cri.h"
#include "pkg/kube/event.h"
#include "pkg/kube/kube.h"

struct kubelet {
	struct loop *loop;
	const struct config *config;
	struct arena *arena;
	const char *name;
	const char **ips;
	size_t n_ips;

	struct kube *kube;
	struct kube_events *events;
	struct cri *cri;
	struct node *node;
};

static void node_seen(void *owner, const Core__Node *node)
{
	(void)owner;
	(void)node;
}

static int make_kube(struct kubelet *kubelet, struct err *err)
{
	struct kubeconfig *config;
	struct utsname machine;
	int code = kubeconfig_load(kubelet->config->kubeconfig, &config, err);

	if (code < 0)
		return err_wrap(err, "failed to run Kubelet: invalid kubeconfig");
	uname(&machine);
	_cleanup_free_ char *agent = xasprintf("kubelet/%s (linux/%s) cubelet", CONFIG_KUBERNETES_VERSION,
					       str_eq(machine.machine, "x86_64") ? "amd64" : machine.machine);
	kubelet->kube = kube_new(kubelet->loop, config, agent);
	kubeconfig_free(config);
	kubelet->events =
		kube_events_new(kubelet->kube, "kubelet", kubelet->name, kubelet->config->kubelet->eventrecordqps,
				kubelet->config->kubelet->eventburst);
	return 0;
}

static int make_node(struct kubelet *kubelet, struct err *err)
{
	const struct config *config = kubelet->config;
	struct node_options options = {
		.loop = kubelet->loop,
		.kube = kubelet->kube,
		.cri = kubelet->cri,
		.events = kubelet->events,
		.config = config->kubelet,
		.name = kubelet->name,
		.ips = kubelet->ips,
		.n_ips = kubelet->n_ips,
		.root_dir = config->root_dir,
		.labels = config->node_labels,
		.external_cloud = str_eq(config->cloud_provider, "external"),
		.seen = node_seen,
		.owner = kubelet,
	};

	return node_new(&options, &kubelet->node, err);
}

int kubelet_new(struct loop *loop, const struct config *config, struct kubelet **ret_kubelet, struct err *err)
{
	struct kubelet *kubelet = xcalloc(1, sizeof *kubelet);
	int code;

	kubelet->loop = loop;
	kubelet->config = config;
	kubelet->arena = arena_new();
	if ((code = node_name(config->hostname_override, kubelet->arena, &kubelet->name, err)) < 0 ||
	    (code = node_addresses(config->node_ip, kubelet->arena, &kubelet->ips, &kubelet->n_ips, err)) < 0 ||
	    (code = dir_make_all(config->root_dir, 0750, err)) < 0 || (code = make_kube(kubelet, err)) < 0 ||
	    (code = cri_new(loop, config->kubelet->containerruntimeendpoint,
			    config_ms(config->kubelet->runtimerequesttimeout), &kubelet->cri, err)) < 0 ||
	    (code = make_node(kubelet, err)) < 0)
		return code;
	*ret_kubelet = kubelet;
	return 0;
}

void kubelet_start(struct kubelet *kubelet)
{
	Core__ObjectReference about;

	kube_reference_node(kubelet->name, (char *)(uintptr_t)kubelet->name, &about);
	kube_event(kubelet->events, &about, "Normal", "Starting", "Starting kubelet.");
	node_start(kubelet->node);
}
