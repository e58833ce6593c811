/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text to pointer. Keys are copied, values stay the caller's. Keeps insertion order, so that what is printed from a map
 * is the same every time. The hash is seeded per process: a peer cannot choose keys that collide.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;

struct map *map_new(void);
void map_free(struct map *map); /* values are not touched; NULL is fine */

void *map_get(const struct map *map, const char *key);        /* NULL when absent */
void *map_set(struct map *map, const char *key, void *value); /* value not NULL; returns the one it replaced */
void *map_remove(struct map *map, const char *key);           /* returns the value, NULL when absent */
size_t map_size(const struct map *map);

uint64_t map_hash(uint64_t seed, const char *key); /* as a map hashes, for those who keep no texts */

/*
 * Walks the map: `size_t at = 0; while (map_next(map, &at, &key, &value)) ...`. Inside the walk entries may be removed
 * (any of them) but not added.
 */
bool map_next(const struct map *map, size_t *at, const char **ret_key, void **ret_value);

static inline void map_done(struct map **map)
{
	map_free(*map);
}
#define _cleanup_map_ __attribute__((cleanup(map_done)))
