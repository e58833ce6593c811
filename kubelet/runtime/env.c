/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/runtime/env.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "kubelet/object/field.h"
#include "kubelet/runtime/observed.h"
#include "pkg/base/base.h"
#include "pkg/base/buf.h"
#include "pkg/base/map.h"

/* The variables so far: a list for the order, a map for the names. */
struct builder {
	struct arena *arena;
	struct map *names; /* to struct env_var */
	struct env env;
	struct env_var *last;
	size_t bytes;
};

static void builder_done(struct builder *builder)
{
	map_free(builder->names);
}

static int set(struct builder *builder, const char *name, const char *value, struct err *err)
{
	struct env_var *var = map_get(builder->names, name);

	builder->bytes += strlen(name) + strlen(value);
	if (builder->bytes > ENV_MAX_BYTES)
		return err_set(err, -E2BIG, "the environment is larger than %d bytes", ENV_MAX_BYTES);
	if (var) {
		var->value = value;
		return 0;
	}
	var = arena_alloc(builder->arena, sizeof *var);
	*var = (struct env_var){ .name = name, .value = value };
	if (builder->last)
		builder->last->next = var;
	else
		builder->env.first = var;
	builder->last = var;
	builder->env.n++;
	map_set(builder->names, name, var);
	return 0;
}

static const char *get(const struct builder *builder, const char *name)
{
	const struct env_var *var = map_get(builder->names, name);

	return var ? var->value : NULL;
}

/* ---- $(NAME) ---- */

static const char *look_up(const struct map *vars, const struct map *more, const char *name)
{
	const struct env_var *var = map_get(vars, name);

	if (!var && more)
		var = map_get(more, name);
	return var ? var->value : NULL;
}

/* Rules of upstream's expansion package: only `$(` with a later `)` is a reference, `$$` is `$`, all else is itself. */
static int expand(const char *text, const struct map *vars, const struct map *more, struct arena *arena,
		  char **ret_text, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ENV_MAX_BYTES);
	const char *last = strrchr(text, ')'); /* behind it no `$(` needs to look for one */

	for (const char *at = text; *at; at++) {
		const char *end;

		if (*at != '$' || !at[1]) {
			buf_putc(&out, *at);
			continue;
		}
		if (at[1] == '$') {
			buf_putc(&out, '$');
			at++;
			continue;
		}
		end = at[1] == '(' && last && at < last ? strchr(at + 2, ')') : NULL;
		if (!end) {
			buf_append(&out, at, 2);
			at++;
			continue;
		}

		_cleanup_free_ char *name = xstrndup(at + 2, (size_t)(end - at - 2));
		const char *value = look_up(vars, more, name);

		if (value)
			buf_puts(&out, value);
		else
			buf_append(&out, at, (size_t)(end - at) + 1);
		at = end;
	}
	if (out.overflow)
		return err_set(err, -E2BIG, "a value is larger than %d bytes after expansion", ENV_MAX_BYTES);
	*ret_text = arena_strdup(arena, buf_text(&out));
	return 0;
}

int env_expand_all(char *const *texts, size_t n_texts, const struct env *env, struct arena *arena, char ***ret_texts,
		   struct err *err)
{
	_cleanup_map_ struct map *vars = map_new();
	char **expanded = arena_alloc(arena, (n_texts + 1) * sizeof *expanded);
	size_t bytes = 0;

	for (struct env_var *var = env->first; var; var = var->next)
		map_set(vars, var->name, var);
	for (size_t i = 0; i < n_texts; i++) {
		if (expand(texts[i], vars, NULL, arena, &expanded[i], err) < 0)
			return err->code;
		bytes += strlen(expanded[i]);
		if (bytes > ENV_MAX_BYTES)
			return err_set(err, -E2BIG, "the command is larger than %d bytes after expansion",
				       ENV_MAX_BYTES);
	}
	*ret_texts = expanded;
	return 0;
}

/* ---- services ---- */

static bool has_cluster_ip(const Core__Service *service)
{
	return service->spec && !str_empty(service->spec->clusterip) && !str_eq(service->spec->clusterip, "None");
}

static char *variable_name(const char *text, struct arena *arena)
{
	char *name = arena_strdup(arena, text);

	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return name;
}

static char *lower(const char *text, struct arena *arena)
{
	char *copy = arena_strdup(arena, text);

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static int add_service(struct builder *builder, const Core__Service *service, struct err *err)
{
	struct arena *arena = builder->arena;
	const char *ip = service->spec->clusterip, *prefix = variable_name(service->metadata->name, arena);
	bool v6 = strchr(ip, ':') != NULL;
	int code = set(builder, arena_printf(arena, "%s_SERVICE_HOST", prefix), ip, err);

	for (size_t i = 0; code == 0 && i < service->spec->n_ports; i++) {
		const Core__ServicePort *port = service->spec->ports[i];
		const char *number = arena_printf(arena, "%" PRId32, port->port);
		const char *protocol = str_or(port->protocol, "TCP"), *low = lower(protocol, arena);
		const char *url = arena_printf(arena, v6 ? "%s://[%s]:%s" : "%s://%s:%s", low, ip, number);
		const char *link = arena_printf(arena, "%s_PORT_%s_%s", prefix, number, variable_name(protocol, arena));
		struct {
			const char *name, *value;
		} vars[] = {
			{ i ? NULL : arena_printf(arena, "%s_SERVICE_PORT", prefix), number },
			{ str_empty(port->name)
				  ? NULL
				  : arena_printf(arena, "%s_SERVICE_PORT_%s", prefix, variable_name(port->name, arena)),
			  number },
			{ i ? NULL : arena_printf(arena, "%s_PORT", prefix), url },
			{ link, url },
			{ arena_printf(arena, "%s_PROTO", link), low },
			{ arena_printf(arena, "%s_PORT", link), number },
			{ arena_printf(arena, "%s_ADDR", link), ip },
		};

		for (size_t v = 0; code == 0 && v < ARRAY_LEN(vars); v++)
			if (vars[v].name)
				code = set(builder, vars[v].name, vars[v].value, err);
	}
	return code;
}

/* The API server's own service always; those of the pod's namespace when it wants links. The latter win by name. */
static int add_services(struct builder *builder, const struct env_input *input, struct err *err)
{
	const char *namespace_ = input->pod->metadata->namespace_;
	bool links = input->pod->spec->enableservicelinks;
	bool own_kubernetes = false;
	int code = 0;

	for (size_t i = 0; links && i < input->n_services; i++) {
		const Core__Service *service = input->services[i];

		own_kubernetes |= has_cluster_ip(service) && str_eq(service->metadata->namespace_, namespace_) &&
				  !str_eq(namespace_, "default") && str_eq(service->metadata->name, "kubernetes");
	}
	for (size_t i = 0; code == 0 && i < input->n_services; i++) {
		const Core__Service *service = input->services[i];
		bool master = str_eq(service->metadata->namespace_, "default") &&
			      str_eq(service->metadata->name, "kubernetes");

		if (!has_cluster_ip(service))
			continue;
		if (master ? !own_kubernetes : links && str_eq(service->metadata->namespace_, namespace_))
			code = add_service(builder, service, err);
	}
	return code;
}

/* ---- objects ---- */

/* An object, and its values by their keys once a variable asks for one. */
struct source {
	const struct env_object *found;
	struct map *values; /* to ProtobufCBinaryData */
};

/* Maps, since a pod may name very many objects and keys. */
struct sources {
	const struct env_input *input;
	struct arena *arena;
	struct map *by_name; /* to struct source */
};

static const char *source_name(enum object_kind kind, const char *name, struct arena *arena)
{
	return arena_printf(arena, "%d/%s", kind, name);
}

static void sources_begin(struct sources *sources, const struct env_input *input, struct arena *arena)
{
	*sources = (struct sources){ .input = input, .arena = arena, .by_name = map_new() };
	for (size_t i = 0; i < input->n_objects; i++) {
		const struct env_object *object = &input->objects[i];
		struct source *source = arena_alloc(arena, sizeof *source);

		source->found = object;
		map_set(sources->by_name, source_name(object->kind, object->name, arena), source);
	}
}

static void sources_done(struct sources *sources)
{
	size_t at = 0;
	const char *name;
	void *source;

	while (map_next(sources->by_name, &at, &name, &source))
		map_free(((struct source *)source)->values);
	map_free(sources->by_name);
}

/* 0: *ret_source has its object; 1: it has none, and need not have one. */
static int need_object(const struct sources *sources, enum object_kind kind, const char *name, bool optional,
		       struct source **ret_source, struct err *err)
{
	struct source *source = map_get(sources->by_name, source_name(kind, name, sources->arena));

	if (!source)
		return err_set(err, -EINVAL, "object \"%s\"/\"%s\" not registered",
			       str_or(sources->input->pod->metadata->namespace_, ""), name);
	*ret_source = source;
	if (source->found->object)
		return 0;
	if (source->found->why.code == -ENOENT && optional)
		return 1;
	*err = source->found->why;
	return err->code;
}

static int text_of(const char *name, const ProtobufCBinaryData *value, struct arena *arena, char **ret_text,
		   struct err *err)
{
	if (memchr(value->data ? (const void *)value->data : "", 0, value->len))
		return err_set(err, -EINVAL, "the value of environment variable %s has a zero byte", name);
	*ret_text = arena_strndup(arena, value->data ? (const char *)value->data : "", value->len);
	return 0;
}

static int add_from(struct builder *builder, const char *prefix, const char *key, const ProtobufCBinaryData *value,
		    struct err *err)
{
	const char *name = arena_printf(builder->arena, "%s%s", str_or(prefix, ""), key);
	char *text;

	if (text_of(name, value, builder->arena, &text, err) < 0)
		return err->code;
	return set(builder, name, text, err);
}

static const char *reference_name(const Core__LocalObjectReference *reference)
{
	return reference ? str_or(reference->name, "") : "";
}

static int add_env_from(struct builder *builder, const struct sources *sources, const Core__EnvFromSource *source,
			struct err *err)
{
	struct source *from = NULL;
	int code = 0;

	if (source->configmapref) {
		const Core__ConfigMapEnvSource *ref = source->configmapref;

		code = need_object(sources, OBJECT_CONFIGMAP, reference_name(ref->localobjectreference), ref->optional,
				   &from, err);
		if (code)
			return MIN(code, 0);

		const Core__ConfigMap *map = from->found->object;

		for (size_t i = 0; code == 0 && i < map->n_data; i++)
			code = add_from(builder, source->prefix, map->data[i]->key, &map->data[i]->value, err);
	} else if (source->secretref) {
		const Core__SecretEnvSource *ref = source->secretref;

		code = need_object(sources, OBJECT_SECRET, reference_name(ref->localobjectreference), ref->optional,
				   &from, err);
		if (code)
			return MIN(code, 0);

		const Core__Secret *secret = from->found->object;

		for (size_t i = 0; code == 0 && i < secret->n_data; i++)
			code = add_from(builder, source->prefix, secret->data[i]->key, &secret->data[i]->value, err);
	}
	return code;
}

static struct map *values_of(const struct env_object *object)
{
	struct map *values = map_new();

	if (object->kind == OBJECT_CONFIGMAP) {
		const Core__ConfigMap *map = object->object;

		for (size_t i = 0; i < map->n_data; i++)
			map_set(values, str_or(map->data[i]->key, ""), &map->data[i]->value);
	} else {
		const Core__Secret *secret = object->object;

		for (size_t i = 0; i < secret->n_data; i++)
			map_set(values, str_or(secret->data[i]->key, ""), &secret->data[i]->value);
	}
	return values;
}

/* 0: *ret_text; 1: the variable is left out. */
static int key_value(const struct sources *sources, const char *variable, enum object_kind kind, const char *name,
		     const char *key, bool optional, char **ret_text, struct err *err)
{
	struct source *source = NULL;
	int code = need_object(sources, kind, name, optional, &source, err);

	if (code)
		return code;
	if (!source->values)
		source->values = values_of(source->found);

	const ProtobufCBinaryData *value = map_get(source->values, str_or(key, ""));

	if (value)
		return text_of(variable, value, sources->arena, ret_text, err);
	if (optional)
		return 1;
	return err_set(err, -ENOENT, "couldn't find key %s in %s %s/%s", str_or(key, ""),
		       kind == OBJECT_CONFIGMAP ? "ConfigMap" : "Secret",
		       str_or(sources->input->pod->metadata->namespace_, ""), name);
}

/* What a container wants, each object once. */
struct wanted {
	struct arena *arena;
	struct map *seen;
	struct env_object *objects;
	size_t n;
};

static void want_object(struct wanted *wanted, enum object_kind kind, const Core__LocalObjectReference *reference)
{
	const char *name = reference_name(reference);
	struct env_object *next = &wanted->objects[wanted->n];
	const char *key = source_name(kind, name, wanted->arena);

	if (map_get(wanted->seen, key))
		return;
	*next = (struct env_object){ .kind = kind, .name = name };
	map_set(wanted->seen, key, next);
	wanted->n++;
}

void env_objects(const Core__Container *container, struct arena *arena, struct env_object **ret_objects,
		 size_t *ret_n_objects)
{
	_cleanup_map_ struct map *seen = map_new();
	struct wanted wanted = { .arena = arena, .seen = seen };

	wanted.objects = arena_alloc(arena, (container->n_envfrom + container->n_env + 1) * sizeof *wanted.objects);
	for (size_t i = 0; i < container->n_envfrom; i++) {
		const Core__EnvFromSource *source = container->envfrom[i];

		if (source->configmapref)
			want_object(&wanted, OBJECT_CONFIGMAP, source->configmapref->localobjectreference);
		else if (source->secretref)
			want_object(&wanted, OBJECT_SECRET, source->secretref->localobjectreference);
	}
	for (size_t i = 0; i < container->n_env; i++) {
		const Core__EnvVarSource *source = container->env[i]->valuefrom;

		if (!source || !str_empty(container->env[i]->value))
			continue;
		if (source->configmapkeyref)
			want_object(&wanted, OBJECT_CONFIGMAP, source->configmapkeyref->localobjectreference);
		else if (source->secretkeyref)
			want_object(&wanted, OBJECT_SECRET, source->secretkeyref->localobjectreference);
	}
	*ret_objects = wanted.objects;
	*ret_n_objects = wanted.n;
}

/* ---- fields of the pod ---- */

static char *join(const char *const *texts, size_t n_texts, struct arena *arena)
{
	char *joined = arena_strdup(arena, "");

	for (size_t i = 0; i < n_texts; i++)
		joined = arena_printf(arena, i ? "%s,%s" : "%s%s", joined, texts[i]);
	return joined;
}

/* What is more than a volume can show, and the first of two looks at the path, with its own words, as in stock. */
static int field_value(const struct env_input *input, const Core__ObjectFieldSelector *ref, struct arena *arena,
		       const char **ret_text, struct err *err)
{
	static const char *const plain[] = {
		"metadata.name",        "metadata.namespace", "metadata.uid",       "metadata.labels",
		"metadata.annotations", "spec.restartPolicy", "spec.schedulerName", "status.phase",
	};
	const Core__PodSpec *spec = input->pod->spec;
	const char *path = str_or(ref->fieldpath, ""), *base = field_subscripted(path, arena), *ips[2];
	size_t n_ips =
		runtime_pick_ips(input->pod_ips, input->n_pod_ips, input->n_host_ips ? input->host_ips[0] : NULL, ips);

	if (!str_eq(str_or(ref->apiversion, "v1"), "v1"))
		return err_set(err, -EINVAL, "unsupported pod version: %s", ref->apiversion);
	if (base && !str_eq(base, "metadata.labels") && !str_eq(base, "metadata.annotations"))
		return err_set(err, -EINVAL, "field label does not support subscript: %s", path);
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (base || str_eq(path, plain[i]))
			return field_text(input->pod, path, arena, ret_text, err);
	if (str_eq(path, "spec.nodeName") || str_eq(path, "spec.host"))
		*ret_text = str_or(spec->nodename, "");
	else if (str_eq(path, "spec.serviceAccountName"))
		*ret_text = str_or(spec->serviceaccountname, "");
	else if (str_eq(path, "status.podIP"))
		*ret_text = n_ips ? ips[0] : "";
	else if (str_eq(path, "status.podIPs"))
		*ret_text = join(ips, n_ips, arena);
	else if (str_eq(path, "status.hostIP"))
		*ret_text = input->n_host_ips ? input->host_ips[0] : "";
	else if (str_eq(path, "status.hostIPs"))
		*ret_text = join(input->host_ips, input->n_host_ips, arena);
	else
		return err_set(err, -EINVAL, "field label not supported: %s", path);
	return 0;
}

/* The node stands in for the limits of the variable's own container and of app containers, but not of another init
 * container: an oddity of stock's. */
static int resource_value(const struct env_input *input, const Core__ResourceFieldSelector *ref, struct arena *arena,
			  const char **ret_text, struct err *err)
{
	const Core__Container *container = input->container;
	bool is_init = false;

	if (!str_empty(ref->containername) &&
	    field_container(input->pod, ref->containername, &container, &is_init, err) < 0)
		return err->code;
	return field_resource(container, ref, is_init ? NULL : &input->allocatable, arena, ret_text, err);
}

/* ---- all together ---- */

/* 0: *ret_text; 1: the variable is left out. */
static int value_of(const struct sources *sources, const Core__EnvVar *var, const struct map *vars,
		    const struct map *services, const char **ret_text, struct err *err)
{
	const struct env_input *input = sources->input;
	struct arena *arena = sources->arena;
	const Core__EnvVarSource *from = var->valuefrom;
	char *text = NULL;
	int code = 0;

	if (!str_empty(var->value)) {
		code = expand(var->value, vars, services, arena, &text, err);
		*ret_text = text;
		return code;
	}
	*ret_text = "";
	if (from && from->fieldref)
		return field_value(input, from->fieldref, arena, ret_text, err);
	if (from && from->resourcefieldref)
		return resource_value(input, from->resourcefieldref, arena, ret_text, err);
	if (from && from->configmapkeyref)
		code = key_value(sources, var->name, OBJECT_CONFIGMAP,
				 reference_name(from->configmapkeyref->localobjectreference),
				 from->configmapkeyref->key, from->configmapkeyref->optional, &text, err);
	else if (from && from->secretkeyref)
		code = key_value(sources, var->name, OBJECT_SECRET,
				 reference_name(from->secretkeyref->localobjectreference), from->secretkeyref->key,
				 from->secretkeyref->optional, &text, err);
	if (text)
		*ret_text = text;
	return code;
}

int env_build(const struct env_input *input, struct arena *arena, struct env *ret_env, struct err *err)
{
	_cleanup_(builder_done) struct builder services = { .arena = arena, .names = map_new() };
	_cleanup_(builder_done) struct builder vars = { .arena = arena, .names = map_new() };
	_cleanup_(sources_done) struct sources sources;
	const Core__Container *container = input->container;

	sources_begin(&sources, input, arena);
	if (!input->pod->spec->has_enableservicelinks)
		return err_set(err, -EINVAL, "nil pod.spec.enableServiceLinks encountered, cannot construct envvars");
	if (add_services(&services, input, err) < 0)
		return err->code;
	for (size_t i = 0; i < container->n_envfrom; i++)
		if (add_env_from(&vars, &sources, container->envfrom[i], err) < 0)
			return err->code;
	for (size_t i = 0; i < container->n_env; i++) {
		const Core__EnvVar *var = container->env[i];
		const char *value = NULL;
		int code = value_of(&sources, var, vars.names, services.names, &value, err);

		if (code == 0)
			code = set(&vars, str_or(var->name, ""), value, err);
		if (code < 0)
			return code;
	}
	for (const struct env_var *var = services.env.first; var; var = var->next)
		if (!get(&vars, var->name) && set(&vars, var->name, var->value, err) < 0)
			return err->code;
	*ret_env = vars.env;
	return 0;
}
