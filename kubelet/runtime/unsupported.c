/* SPDX-License-Identifier: Apache-2.0 */
/* What this kubelet does not act on yet. Each line goes when its subject is built. */
#include "kubelet/runtime/runtime.h"
#include "pkg/base/base.h"

static const char *of_container(const Core__Pod *pod, const Core__Container *container, const char *at,
				struct arena *arena)
{
	const struct {
		bool used;
		const char *field;
	} fields[] = {
		{ container->livenessprobe, "livenessProbe" },
		{ container->readinessprobe, "readinessProbe" },
		{ container->startupprobe, "startupProbe" },
		{ container->lifecycle, "lifecycle" },
		{ container->n_volumedevices, "volumeDevices" },
		{ container->restartpolicy, "restartPolicy" },
		{ container->n_restartpolicyrules, "restartPolicyRules" },
		{ container->resources && container->resources->n_claims, "resources.claims" },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].used)
			return arena_printf(arena, "%s.%s", at, fields[i].field);
	/* On the host's network the API server names every port a host port: nothing is to be mapped there. */
	for (size_t i = 0; i < container->n_ports && !pod->spec->hostnetwork; i++)
		if (container->ports[i]->hostport)
			return arena_printf(arena, "%s.ports[%zu].hostPort", at, i);
	for (size_t i = 0; i < container->n_env; i++)
		if (container->env[i]->valuefrom && container->env[i]->valuefrom->filekeyref)
			return arena_printf(arena, "%s.env[%zu].valueFrom.fileKeyRef", at, i);
	for (size_t i = 0; i < container->n_volumemounts; i++) {
		const Core__VolumeMount *mount = container->volumemounts[i];
		const char *field = !str_empty(mount->subpath)       ? "subPath"
				    : !str_empty(mount->subpathexpr) ? "subPathExpr"
				    : mount->recursivereadonly && !str_eq(mount->recursivereadonly, "Disabled")
					    ? "recursiveReadOnly"
				    : mount->n_bindmountoptions ? "bindMountOptions"
								: NULL;

		if (field)
			return arena_printf(arena, "%s.volumeMounts[%zu].%s", at, i, field);
	}
	return NULL;
}

const char *runtime_unsupported(const Core__Pod *pod, struct arena *arena)
{
	const Core__PodSpec *spec = pod->spec;
	const struct {
		bool used;
		const char *field;
	} fields[] = {
		{ spec->n_initcontainers, "spec.initContainers" },
		{ spec->n_ephemeralcontainers, "spec.ephemeralContainers" },
		{ spec->n_readinessgates, "spec.readinessGates" },
		{ !str_empty(spec->runtimeclassname), "spec.runtimeClassName" },
		{ spec->n_overhead, "spec.overhead" },
		{ spec->n_resourceclaims, "spec.resourceClaims" },
		{ spec->has_hostusers && !spec->hostusers, "spec.hostUsers" },
		{ spec->resources && (spec->resources->n_limits || spec->resources->n_requests), "spec.resources" },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].used)
			return fields[i].field;
	for (size_t i = 0; i < spec->n_containers; i++) {
		const char *field =
			of_container(pod, spec->containers[i], arena_printf(arena, "spec.containers[%zu]", i), arena);

		if (field)
			return field;
	}
	return NULL;
}
