/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/review.h"

#include "pkg/base/base.h"
#include "pkg/base/rand.h"
#include "pkg/kube/kube.h"

enum { TRIES = 5, FIRST_WAIT_MS = 500, JITTER_PERCENT = 20 }; /* stock's, as is half as long again each time */

static void ask(void *owner);

static void finish_cancelled(void *arg)
{
	struct review *review = arg;
	struct err err;

	err_canceled(&err);
	review->done(review->owner, NULL, &err);
}

static bool may_pass(const struct err *err)
{
	return err->code == -EAGAIN || err->code == -EIO;
}

static void asked(void *owner, const void *result, const struct err *err)
{
	struct review *review = owner;

	review->task = NULL;
	if (!err || !may_pass(err) || review->cancelled || ++review->tries >= TRIES) {
		review->done(review->owner, result, err);
		return;
	}
	loop_timer_start(&review->timer,
			 review->wait_ms + rand_below((uint32_t)(review->wait_ms * JITTER_PERCENT / 100)));
	review->wait_ms += review->wait_ms / 2;
}

static void ask(void *owner)
{
	struct review *review = owner;
	struct kube_ask what = {
		.method = "POST",
		.path = review->path,
		.object = review->object,
		.reply = review->object->descriptor,
		.timeout_ms = review->timeout_ms,
	};

	review->task = kube_ask(review->kube, &what, asked, review);
}

void review_start(struct review *review)
{
	review->tries = 0;
	review->wait_ms = FIRST_WAIT_MS;
	review->cancelled = false;
	loop_timer_init(&review->timer, review->loop, ask, review);
	ask(review);
}

void review_cancel(struct review *review)
{
	if (review->cancelled)
		return;
	review->cancelled = true;
	if (review->task) {
		task_cancel(review->task);
	} else {
		loop_timer_stop(&review->timer);
		loop_post(review->loop, finish_cancelled, review);
	}
}
