/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One question to the API server that is answered in the object itself (TokenReview, SubjectAccessReview), asked again
 * when the server or the way to it failed: five times in all, 500 ms × 1.5 apart with some jitter, as stock does.
 */
#include "pkg/codec/pb.h"

#include "pkg/loop/loop.h"

struct kube;

/* A member of whoever asks; the first group is filled in by it and stays valid until `done`. */
struct review {
	struct loop *loop;
	struct kube *kube;
	const char *path;
	const ProtobufCMessage *object;
	int64_t timeout_ms; /* of each try */
	task_done_fn *done; /* result: the object with its status */
	void *owner;

	struct task *task; /* private from here */
	struct loop_timer timer;
	int tries;
	int64_t wait_ms;
	bool cancelled;
};

void review_start(struct review *review);
void review_cancel(struct review *review); /* `done` still comes, later */
