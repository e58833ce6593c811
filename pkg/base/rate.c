/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/base/rate.h"

#include "pkg/base/base.h"
#include "pkg/base/clock.h"

bool rate_take(struct rate *rate, int64_t now_ms)
{
	if (rate->per_second <= 0)
		return true;
	rate->left = MIN(rate->burst, rate->left + (double)(now_ms - rate->at_ms) / MS_PER_S * rate->per_second);
	rate->at_ms = now_ms;
	if (rate->left < 1)
		return false;
	rate->left -= 1;
	return true;
}

int64_t rate_back_off(int64_t delay_ms, int64_t first_ms, int64_t last_ms)
{
	return delay_ms > 0 ? MIN(delay_ms * 2, last_ms) : first_ms;
}
