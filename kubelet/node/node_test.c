/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/node.h"

#include <stdio.h>
#include <string.h>

#include "kubelet/config/config.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/kube/event.h"
#include "pkg/test/fake_http.h"
#include "pkg/test/test.h"

enum { CHANGE_AFTER_MS = 1500, END_AFTER_MS = 3500 }; /* a node that is not ready looks every second */

#define NODE(version)                                                                                   \
	"{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"" version "\"},\"status\":{" \
	"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}"

/* Of this file, not of a function: a node lives as long as its process, and so does all that it uses. */
static struct world {
	struct loop *loop;
	struct fake_http *fake;
	struct kube *kube;
	struct cri *cri;
	struct kube_events *events;
	struct config *config;
	struct node *node;
	struct fake_call *watch;
	struct loop_timer change, limit;
	int n_told, n_told_before; /* events that the node is not ready */
	bool is_there;             /* the object, before us */
	char *reconciled;          /* what it is patched with */
} world;

static void stop(void *owner)
{
	loop_stop(world.loop);
}

/* Another hand says once more that the node is ready, as the node did before its runtime went away. */
static void change(void *owner)
{
	world.n_told_before = world.n_told;
	CHECK("watched", world.watch);
	fake_write(world.watch, "{\"type\":\"MODIFIED\",\"object\":" NODE("6") "}\n");
}

static void called(void *owner, struct fake_call *call)
{
	bool nodes = str_has_prefix(call->target, "/api/v1/nodes");

	if (strstr(call->target, "/events")) {
		world.n_told += strstr(call->body, "NodeNotReady") != NULL;
		fake_answer(call, 201, "", "{}");
	} else if (nodes && strstr(call->target, "watch=")) {
		fake_begin(call);
		world.watch = call;
	} else if (nodes && str_eq(call->method, "GET")) {
		fake_answer(call, 200, "", "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[" NODE("5") "]}");
	} else if (nodes && str_eq(call->method, "POST") && world.is_there) {
		fake_answer(call, 409, "Content-Type: application/json\r\n",
			    "{\"kind\":\"Status\",\"message\":\"m\",\"reason\":\"AlreadyExists\"}");
	} else if (nodes && str_eq(call->method, "POST")) {
		fake_answer(call, 201, "", "{}");
	} else if (world.is_there && str_eq(call->target, "/api/v1/nodes/n")) {
		free(world.reconciled);
		world.reconciled = xstrdup(call->body);
		loop_timer_start(&world.limit, 0);
		fake_answer(call, 200, "", "{}");
	} else {
		fake_answer(call, 500, "", "{}"); /* the status and the lease */
	}
}

static void seen(void *owner, const Core__Node *node)
{
}

static void run(struct node_options options, char *flag)
{
	char program[] = "kubelet", any_cgroups[] = "--fail-cgroupv1=false";
	char *argv[] = { program, any_cgroups, flag, NULL };
	_cleanup_free_ char *endpoint = xasprintf("unix://%s/no-runtime.sock", test_folder());
	struct kubeconfig kubeconfig = { 0 };
	struct err err;

	log_set_fd(-1);
	world.loop = loop_new();
	world.fake = fake_http_new(world.loop, called, NULL);
	kubeconfig.server = fake_http_url(world.fake);
	world.kube = kube_new(world.loop, &kubeconfig, "test");
	world.events = kube_events_new(world.kube, "kubelet", "n", 0, 1);
	CHECK_OK(cri_new(world.loop, endpoint, 1000, &world.cri, &err), &err);
	config_load(flag ? 3 : 2, argv, &world.config, &err);
	CHECK("configured", world.config);

	options.loop = world.loop;
	options.kube = world.kube;
	options.cri = world.cri;
	options.events = world.events;
	options.config = world.config->kubelet;
	options.name = "n";
	options.root_dir = test_folder();
	options.seen = seen;
	CHECK_OK(node_new(&options, &world.node, &err), &err);
	loop_timer_init(&world.change, world.loop, change, NULL);
	loop_timer_init(&world.limit, world.loop, stop, NULL);
	loop_timer_start(&world.change, CHANGE_AFTER_MS);
	loop_timer_start(&world.limit, END_AFTER_MS);
	node_start(world.node);
	loop_run(world.loop);
}

TEST(what_cannot_be_told_is_told_once_for_each_state_of_the_node)
{
	run((struct node_options){ .labels = "", .node_ip = "" }, NULL);
	CHECK_INT("told of the runtime", world.n_told_before, ==, 1);
	CHECK_INT("told again", world.n_told, ==, 2);
}

TEST(of_a_node_that_is_there_only_what_is_ours_is_set_again)
{
	char detached[] = "--enable-controller-attach-detach=false";

	world.is_there = true;
	run((struct node_options){ .labels = "a=b,topology.kubernetes.io/zone=z",
				   .ips = (const char *const[]){ "10.0.0.1", "fd00::1" },
				   .n_ips = 2,
				   .node_ip = "10.0.0.1,fd00::1",
				   .external_cloud = true },
	    detached);
	CHECK("patched", world.reconciled);
	CHECK("the system", strstr(world.reconciled, "\"kubernetes.io/os\":\"linux\""));
	CHECK("the place", strstr(world.reconciled, "\"topology.kubernetes.io/zone\":\"z\""));
	CHECK("not a user's label", !strstr(world.reconciled, "\"a\""));
	CHECK("annotation taken away",
	      strstr(world.reconciled,
		     "\"annotations\":{\"volumes.kubernetes.io/controller-managed-attach-detach\":null,"));
	CHECK("address for the cloud",
	      strstr(world.reconciled, "\"alpha.kubernetes.io/provided-node-ip\":\"10.0.0.1,fd00::1\""));
	free(world.reconciled);
}
