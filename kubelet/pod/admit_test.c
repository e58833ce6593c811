/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pod/admit.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pbjson.h"
#include "pkg/test/test.h"

static void *decode(struct arena *arena, const ProtobufCMessageDescriptor *type, const char *json)
{
	ProtobufCMessage *message;
	struct err err;

	CHECK_OK(pbjson_decode(type, json, strlen(json), arena, &message, &err), &err);
	return message;
}

#define SELECT(expression)                                                                     \
	"\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{" \
	"\"nodeSelectorTerms\":[" expression "]}}}"
#define MATCH(key, operator_, values) \
	"{\"matchExpressions\":[{\"key\":\"" key "\",\"operator\":\"" operator_ "\",\"values\":[" values "]}]}"
#define ASK(resource, amount) \
	"\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"" resource "\":\"" amount "\"}}}]"

/* The node has 2 CPUs, 1Gi, room for 2 pods, labels disk=ssd and cores=8; a pod with 1500m and 512Mi is there. */
TEST(rules)
{
	static const struct {
		const char *rule, *meta, *spec, *taints, *unsupported, *reason, *message;
	} rows[] = {
		{ "a plain pod", "", "", "", NULL, NULL, NULL },
		{ "a field that is not acted on", "", "", "", "spec.initContainers", "UnexpectedAdmissionError",
		  "spec.initContainers is not supported by this kubelet yet" },
		{ "another system by label", ",\"labels\":{\"kubernetes.io/os\":\"windows\"}", "", "", NULL,
		  "PodOSSelectorNodeLabelDoesNotMatch", NULL },
		{ "our system by label", ",\"labels\":{\"kubernetes.io/os\":\"linux\"}", "", "", NULL, NULL, NULL },
		{ "another system by field", "", "\"os\":{\"name\":\"windows\"}", "", NULL, "PodOSNotSupported",
		  "Failed to admit pod as the OS field doesn't match node OS" },
		{ "strict groups", "", "\"securityContext\":{\"supplementalGroupsPolicy\":\"Strict\"}", "", NULL,
		  "SupplementalGroupsPolicyNotSupported", NULL },
		{ "the last half CPU", "", ASK("cpu", "500m"), "", NULL, NULL, NULL },
		{ "a little more", "", ASK("cpu", "501m"), "", NULL, "OutOfcpu",
		  "Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000" },
		{ "memory", "", ASK("memory", "600Mi"), "", NULL, "OutOfmemory",
		  "Node didn't have enough resource: memory, requested: 629145600, used: 536870912, "
		  "capacity: 1073741824" },
		{ "storage", "", ASK("ephemeral-storage", "2"), "", NULL, "OutOfephemeral-storage",
		  "Node didn't have enough resource: ephemeral-storage, requested: 2, used: 0, capacity: 1" },
		{ "huge pages", "", ASK("hugepages-2Mi", "6Mi"), "", NULL, "OutOfhugepages-2Mi",
		  "Node didn't have enough resource: hugepages-2Mi, requested: 6291456, used: 0, capacity: 4194304" },
		{ "huge pages of a size that is not there", "", ASK("hugepages-1Gi", "1Gi"), "", NULL,
		  "OutOfhugepages-1Gi", NULL },
		{ "devices", "", ASK("example.com/gpu", "2"), "", NULL, "OutOfexample.com/gpu",
		  "Node didn't have enough resource: example.com/gpu, requested: 2, used: 0, capacity: 1" },
		{ "what the node does not know is not its affair", "", ASK("example.com/licence", "2"), "", NULL, NULL,
		  NULL },
		{ "AppArmor that is not there", "",
		  "\"securityContext\":{\"appArmorProfile\":{\"type\":\"RuntimeDefault\"}}", "", NULL, "AppArmor",
		  "Cannot enforce AppArmor: AppArmor is not enabled on the host" },
		{ "no AppArmor wanted", "", "\"securityContext\":{\"appArmorProfile\":{\"type\":\"Unconfined\"}}", "",
		  NULL, NULL, NULL },
		{ "AppArmor by annotation",
		  ",\"annotations\":{\"container.apparmor.security.beta.kubernetes.io/c\":\"runtime/default\"}", "", "",
		  NULL, "AppArmor", NULL },
		{ "selector met", "", "\"nodeSelector\":{\"disk\":\"ssd\"}", "", NULL, NULL, NULL },
		{ "selector not met", "", "\"nodeSelector\":{\"disk\":\"hdd\"}", "", NULL, "NodeAffinity",
		  "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" },
		{ "affinity met", "", SELECT(MATCH("disk", "In", "\"ssd\"")), "", NULL, NULL, NULL },
		{ "one of two terms is enough", "",
		  SELECT(MATCH("disk", "In", "\"hdd\"") "," MATCH("cores", "Gt", "\"4\"")), "", NULL, NULL, NULL },
		{ "NotIn without the label is met", "", SELECT(MATCH("gpu", "NotIn", "\"a\"")), "", NULL, NULL, NULL },
		{ "Lt not met", "", SELECT(MATCH("cores", "Lt", "\"8\"")), "", NULL, "NodeAffinity", NULL },
		{ "an empty term matches nothing", "", SELECT("{}"), "", NULL, "NodeAffinity", NULL },
		{ "another node", "", "\"nodeName\":\"other\"", "", NULL, "NodeName",
		  "Predicate NodeName failed: node(s) didn't match the requested node name" },
		{ "a taint", "", "", "{\"key\":\"k\",\"effect\":\"NoExecute\"}", NULL, "TaintToleration", NULL },
		{ "a taint that is only for the scheduler", "", "", "{\"key\":\"k\",\"effect\":\"NoSchedule\"}", NULL,
		  NULL, NULL },
		{ "tolerated", "", "\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]",
		  "{\"key\":\"k\",\"effect\":\"NoExecute\"}", NULL, NULL, NULL },
		{ "another value is not", "", "\"tolerations\":[{\"key\":\"k\",\"value\":\"v\"}]",
		  "{\"key\":\"k\",\"value\":\"w\",\"effect\":\"NoExecute\"}", NULL, "TaintToleration", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__Pod *other = decode(arena, &core__pod__descriptor,
						"{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":"
						"\"1500m\",\"memory\":\"512Mi\"}}}]}}");
		struct admit_input input = {
			.pod = decode(arena, &core__pod__descriptor,
				      arena_printf(arena, "{\"metadata\":{\"name\":\"p\"%s},\"spec\":{%s}}",
						   rows[i].meta, rows[i].spec)),
			.node = decode(arena, &core__node__descriptor,
				       arena_printf(arena,
						    "{\"metadata\":{\"name\":\"node\",\"labels\":{\"disk\":\"ssd\","
						    "\"cores\":\"8\"}},\"spec\":{\"taints\":[%s]},\"status\":{"
						    "\"allocatable\":{\"cpu\":\"2\",\"memory\":\"1Gi\",\"pods\":\"2\","
						    "\"ephemeral-storage\":\"1\",\"hugepages-2Mi\":\"4Mi\",\"example."
						    "com/gpu\":\"1\"}}}",
						    rows[i].taints)),
			.pods = &other,
			.n_pods = 1,
			.unsupported = rows[i].unsupported,
		};
		const char *reason = NULL, *message = NULL;

		CHECK_INT(rows[i].rule, admit_pod(&input, arena, &reason, &message), ==, !rows[i].reason);
		CHECK_STR(rows[i].rule, str_or(reason, ""), str_or(rows[i].reason, ""));
		if (rows[i].message)
			CHECK_STR(rows[i].rule, message, rows[i].message);
		if (i == 0) {
			const Core__Pod *two[] = { other, other };

			input.pods = two;
			input.n_pods = 2;
			CHECK("a full node", !admit_pod(&input, arena, &reason, &message));
			CHECK_STR("a full node", message,
				  "Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2");
		}
	}
}

#define PORT(members) "{\"metadata\":{},\"spec\":{\"containers\":[{\"ports\":[{\"containerPort\":80" members "}]}]}}"

/* Another pod has port 80 of the host, and 81 of one of its addresses. */
TEST(ports_of_the_host)
{
	static const char other[] = "{\"spec\":{\"containers\":[{\"ports\":[{\"containerPort\":1},{\"hostPort\":80,"
				    "\"protocol\":\"TCP\"},{\"hostPort\":81,\"hostIP\":\"10.0.0.2\"}]}]}}";
	static const struct {
		const char *rule, *pod;
		bool is_free;
	} rows[] = {
		{ "taken", PORT(",\"hostPort\":80"), false },
		{ "taken of all addresses", PORT(",\"hostPort\":80,\"hostIP\":\"10.0.0.1\""), false },
		{ "another protocol", PORT(",\"hostPort\":80,\"protocol\":\"UDP\""), true },
		{ "taken of one address", PORT(",\"hostPort\":81,\"hostIP\":\"0.0.0.0\""), false },
		{ "another address", PORT(",\"hostPort\":81,\"hostIP\":\"10.0.0.1\""), true },
		{ "of the pod alone", PORT(""), true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena *arena = arena_new();
		const Core__Pod *pods[] = { decode(arena, &core__pod__descriptor, other) };
		struct admit_input input = {
			.pod = decode(arena, &core__pod__descriptor, rows[i].pod),
			.node = decode(arena, &core__node__descriptor,
				       "{\"metadata\":{},\"status\":{\"allocatable\":{\"pods\":\"2\"}}}"),
			.pods = pods,
			.n_pods = 1,
		};
		const char *reason = "", *message = "";

		CHECK_INT(rows[i].rule, admit_pod(&input, arena, &reason, &message), ==, rows[i].is_free);
		CHECK_STR(rows[i].rule, reason, rows[i].is_free ? "" : "NodePorts");
		CHECK_STR(rows[i].rule, message,
			  rows[i].is_free ? ""
					  : "Predicate NodePorts failed: node(s) didn't have free ports for the "
					    "requested pod ports");
	}
}
