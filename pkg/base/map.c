/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/map.h"

#include <string.h>

#include "pkg/base/base.h"
#include "pkg/base/rand.h"

/*
 * Entries lie in insertion order in one array; a second array of indexes is the open-addressed hash table. A removed
 * entry leaves a hole (key NULL) until the next rebuild.
 */
struct entry {
	char *key;
	void *value;
	uint64_t hash;
};

struct map {
	struct entry *entries;
	size_t n_entries, room; /* with holes */
	size_t size;            /* without */
	uint32_t *slots;        /* entry index + 1, 0 is free */
	size_t n_slots;         /* a power of two, at least twice the entries */
	uint64_t seed;
};

/* FNV-1a over a secret start, finished with a mix: enough against peers who never see the hash. */
uint64_t map_hash(uint64_t seed, const char *key)
{
	uint64_t hash = seed;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

struct map *map_new(void)
{
	struct map *map = xcalloc(1, sizeof *map);

	rand_bytes(&map->seed, sizeof map->seed);
	return map;
}

void map_free(struct map *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->n_entries; i++)
		free(map->entries[i].key);
	free(map->entries);
	free(map->slots);
	free(map);
}

static size_t *find_slot_index(const struct map *map, const char *key, uint64_t hash, size_t *place)
{
	for (size_t at = hash & (map->n_slots - 1);; at = (at + 1) & (map->n_slots - 1)) {
		uint32_t index = map->slots[at];

		*place = at;
		if (index == 0)
			return NULL;
		const struct entry *entry = &map->entries[index - 1];
		if (entry->key && entry->hash == hash && strcmp(entry->key, key) == 0)
			return place;
	}
}

static struct entry *find(const struct map *map, const char *key)
{
	size_t place;

	if (map->n_slots == 0 || !find_slot_index(map, key, map_hash(map->seed, key), &place))
		return NULL;
	return &map->entries[map->slots[place] - 1];
}

/* Closes the holes and rebuilds the index with room for one more. */
static void rebuild(struct map *map)
{
	size_t kept = 0;

	for (size_t i = 0; i < map->n_entries; i++)
		if (map->entries[i].key)
			map->entries[kept++] = map->entries[i];
	map->n_entries = kept;
	if (kept + 1 > map->room / 2) {
		map->room = MAX((size_t)8, kept * 4);
		map->entries = xrealloc(map->entries, map->room * sizeof *map->entries);
	}

	map->n_slots = 16;
	while (map->n_slots < map->room * 2)
		map->n_slots *= 2;
	free(map->slots);
	map->slots = xcalloc(map->n_slots, sizeof *map->slots);
	for (size_t i = 0; i < kept; i++) {
		size_t at = map->entries[i].hash & (map->n_slots - 1);

		while (map->slots[at])
			at = (at + 1) & (map->n_slots - 1);
		map->slots[at] = (uint32_t)i + 1;
	}
}

void *map_get(const struct map *map, const char *key)
{
	struct entry *entry = find(map, key);

	return entry ? entry->value : NULL;
}

void *map_set(struct map *map, const char *key, void *value)
{
	struct entry *entry = find(map, key);
	size_t place;

	base_assert(value);
	if (entry) {
		void *old = entry->value;

		entry->value = value;
		return old;
	}
	if (map->n_entries == map->room)
		rebuild(map);
	uint64_t hash = map_hash(map->seed, key);
	find_slot_index(map, key, hash, &place);
	map->entries[map->n_entries] = (struct entry){ .key = xstrdup(key), .value = value, .hash = hash };
	map->slots[place] = (uint32_t)++map->n_entries;
	map->size++;
	return NULL;
}

void *map_remove(struct map *map, const char *key)
{
	struct entry *entry = find(map, key);

	if (!entry)
		return NULL;
	free(entry->key);
	entry->key = NULL;
	map->size--;
	return entry->value;
}

size_t map_size(const struct map *map)
{
	return map->size;
}

bool map_next(const struct map *map, size_t *at, const char **ret_key, void **ret_value)
{
	while (*at < map->n_entries) {
		const struct entry *entry = &map->entries[(*at)++];

		if (!entry->key)
			continue;
		if (ret_key)
			*ret_key = entry->key;
		if (ret_value)
			*ret_value = entry->value;
		return true;
	}
	return false;
}
