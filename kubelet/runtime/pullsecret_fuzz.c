/* SPDX-License-Identifier: Apache-2.0 */
/* Pull secrets: what any user may put into one. Both forms; every entry has a name, credentials and a hash. */
#include "kubelet/runtime/pullsecret.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/codec/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_form(const char *type, const char *key, const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	Core__Secret *secret = PB_NEW(arena, Core__Secret, core__secret__descriptor);
	Core__Secret__DataEntry *entry = PB_NEW(arena, Core__Secret__DataEntry, core__secret__data_entry__descriptor);
	const struct pullsecret **found;
	struct pullsecret *list = NULL;
	struct err err;

	entry->key = arena_strdup(arena, key);
	entry->value.data = (uint8_t *)arena_strndup(arena, (const char *)data, size);
	entry->value.len = size;
	secret->type = arena_strdup(arena, type);
	PB_APPEND(arena, secret, data, entry);
	if (pullsecret_read(secret, arena, &list, &err) < 0)
		return;
	for (const struct pullsecret *at = list; at; at = at->next)
		base_assert(at->key && at->username && at->password && at->email &&
			    strlen(at->source->credentialhash) == 64);
	pullsecret_find(list, "docker.io/library/nginx", arena, &found);
	pullsecret_find(list, "reg.io:5000/a/b", arena, &found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_form("kubernetes.io/dockerconfigjson", ".dockerconfigjson", data, size);
	try_form("kubernetes.io/dockercfg", ".dockercfg", data, size);
	return 0;
}
