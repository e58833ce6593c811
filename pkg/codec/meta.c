/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/codec/meta.h"

#include "pkg/codec/pb.h"

Meta__Time *meta_time(struct arena *arena, int64_t seconds)
{
	Meta__Time *time = PB_NEW(arena, Meta__Time, meta__time__descriptor);

	time->has_seconds = time->has_nanos = true;
	time->seconds = seconds;
	return time;
}
