/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a killed kubelet left behind: images whose pull it began. Those that are there by now were pulled, nobody knows
 * with which credentials: their record names none. The others may still come and are kept as they are.
 */
#include "kubelet/runtime/action.h"
#include "kubelet/runtime/pull_store.h"
#include "pkg/base/base.h"
#include "pkg/base/log.h"
#include "pkg/base/map.h"
#include "pkg/codec/pb.h"

struct found {
	const char *image, *ref;
};

struct adopt {
	struct action action;
	struct pull_store *store;
	struct pull_job scan, job;
	struct found *found;
	size_t n_found, at;
};

static struct adopt *adopt_of(struct action *action)
{
	return container_of(action, struct adopt, action);
}

static void next_found(void *owner, const void *result, const struct err *err)
{
	struct adopt *adopt = adopt_of(owner);
	const struct found *found = &adopt->found[adopt->at];

	if (!action_goes_on(&adopt->action))
		return;
	if (adopt->at == adopt->n_found) {
		action_end(&adopt->action);
		return;
	}
	adopt->at++;
	adopt->job = (struct pull_job){
		.arena = adopt->action.arena, .image = found->image, .ref = found->ref, .pulled = true
	};
	adopt->action.step = pull_store_end(adopt->store, &adopt->job, next_found, &adopt->action);
}

static void find(struct adopt *adopt, const struct map *intents, char *const *names, size_t n, const char *id)
{
	struct arena *arena = adopt->action.arena;

	for (size_t i = 0; i < n; i++) {
		const char *image = map_get(intents, names[i]);

		if (image) {
			struct found found = { image, arena_strdup(arena, id) };

			PB_APPEND(arena, adopt, found, found);
		}
	}
}

static void listed(void *owner, const void *result, const struct err *err)
{
	struct adopt *adopt = adopt_of(owner);
	const Cri__ListImagesResponse *list = result;
	_cleanup_map_ struct map *intents = map_new();

	if (err)
		log_error(err, "failed to list images", NULL);
	for (size_t i = 0; i < adopt->scan.n_intents; i++)
		map_set(intents, adopt->scan.intents[i], (void *)(uintptr_t)adopt->scan.intents[i]);
	for (size_t i = 0; list && i < list->n_images; i++) {
		const Cri__Image *image = list->images[i];

		find(adopt, intents, image->repo_digests, image->n_repo_digests, image->id);
		find(adopt, intents, image->repo_tags, image->n_repo_tags, image->id);
	}
	next_found(&adopt->action, NULL, NULL);
}

static void scanned(void *owner, const void *result, const struct err *err)
{
	struct adopt *adopt = adopt_of(owner);
	Cri__ListImagesRequest request = CRI__LIST_IMAGES_REQUEST__INIT;

	if (!action_goes_on(&adopt->action))
		return;
	if (adopt->scan.n_intents == 0)
		action_end(&adopt->action);
	else
		action_call(&adopt->action, CRI_LIST_IMAGES, &request.base, 0, listed);
}

static void begin(struct action *action)
{
	struct adopt *adopt = adopt_of(action);

	adopt->scan.arena = action->arena;
	action->step = pull_store_scan(adopt->store, &adopt->scan, scanned, action);
}

struct task *pull_adopt(struct runtime *runtime, struct pull_store *store, task_done_fn *done, void *owner)
{
	struct adopt *adopt = action_new(runtime, sizeof *adopt, begin, done, owner);

	adopt->store = store;
	return &adopt->action.task;
}
