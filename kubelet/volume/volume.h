/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The volumes of pods: emptyDir, hostPath, configMap, secret, downwardAPI and projected ones.
 *
 * Paths, modes, owners, tmpfs and texts are the stock kubelet's (v1.37), so that either takes over the other's pods:
 *
 *   ROOT/pods/UID/                                        0750
 *   ROOT/pods/UID/volumes/kubernetes.io~PLUGIN/NAME       what a container mounts
 *   ROOT/pods/UID/plugins/kubernetes.io~PLUGIN/NAME/ready  set up once: its content survived a restart
 *
 * What is set up is known from the disk. Memory holds only cached tokens and the back-off of volumes that fail.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "k8s/core.pb-c.h"
#include "pkg/base/arena.h"
#include "pkg/base/err.h"
#include "pkg/codec/amount.h"
#include "pkg/kube/event.h"
#include "pkg/loop/loop.h"

struct kube;
struct objects;
struct volumes;

enum {
	VOLUMES_RETRY_FIRST_MS = 500,  /* back-off of one volume that fails, doubled each time */
	VOLUMES_RETRY_MAX_MS = 122000, /* the stock kubelet's 2 min 2 s */
};

struct volumes_options {
	struct loop *loop;
	struct kube *kube;       /* TokenRequest */
	struct objects *objects; /* the pod must be registered there before volumes_setup_pod() */

	kube_pod_event_fn *event; /* FailedMount, of type Warning; may be NULL */
	void *event_owner;

	const char *root_dir;       /* /var/lib/kubelet */
	const char *helper_program; /* "/proc/self/exe": started with argv[0] MOUNT_HELPER (pkg/sys/mount.h) */

	/* of the node: resourceFieldRef without a limit, and the size of memory volumes */
	struct amounts allocatable;
};

struct volumes *volumes_new(const struct volumes_options *options); /* options and their texts are copied */
void volumes_free(struct volumes *volumes);                         /* no task may be running */

/*
 * The JSON path of the first volume source (`spec.volumes[0].persistentVolumeClaim`) that this kubelet does not mount
 * yet; NULL when there is none. The text lives in the arena.
 */
const char *volume_unsupported(const Core__Pod *pod, struct arena *arena);

/* Result of volumes_setup_pod(), on failure too. */
struct volumes_outcome {
	int64_t retry_after_ms; /* on failure: call again then; earlier calls do nothing for a volume in back-off */
};

/*
 * Makes every volume that a container of the pod mounts what the spec and the objects say now: creates, mounts, fills,
 * updates. Repeat it freely, and about once a minute for tokens that age and objects whose watch was cut: what is right
 * already is not touched. `pod` is copied. One task per pod at a time. On failure err.text is what the pod's sync says:
 * `MountVolume.SetUp failed for volume "x" : configmap "y" not found` (the first one; each failed volume has had its
 * event), and the volumes that could be set up are.
 */
struct task *volumes_setup_pod(struct volumes *volumes, const Core__Pod *pod, task_done_fn *done, void *owner);

/*
 * Unmounts everything below the pod's folder and removes the folder. Knows nothing but the disk, so it works for pods
 * of an earlier kubelet too. Success when there is no folder. Content of a mount is never removed: a mount that does
 * not go away is an error, the folder stays.
 */
struct task *volumes_teardown_pod(struct volumes *volumes, const char *pod_uid, task_done_fn *done, void *owner);

/* What to bind-mount for a volume of the pod: known without a set up volume; -ENOENT when the pod has no such volume.
 */
int volume_host_path(const struct volumes *volumes, const Core__Pod *pod, const char *volume_name, char path[PATH_MAX],
		     struct err *err);

/*
 * ROOT/pods/UID; -EINVAL for a uid that is no single path component. The second one makes it too, with its folders, and
 * is for the pool.
 */
int volumes_pod_dir(const struct volumes *volumes, const char *pod_uid, char path[PATH_MAX], struct err *err);
int volumes_make_pod_dir(const struct volumes *volumes, const char *pod_uid, char path[PATH_MAX], struct err *err);

/*
 * What main() runs when the last part of argv[0] is MOUNT_HELPER (pkg/sys/mount.h): work that may hang on a dead file
 * system, in a process that can be killed. Returns the exit code; a failure's sentence goes to stderr.
 */
int volume_helper_main(int argc, char **argv);

/* Calls back for every pod that has a folder: what no longer has a pod is to be torn down. */
int volumes_each_pod_dir(const struct volumes *volumes, void (*found)(void *owner, const char *pod_uid), void *owner,
			 struct err *err);
