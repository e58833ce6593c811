/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/version.h"

#include "pkg/base/base.h"
#include "pkg/test/test.h"

/* Each text is stock's. */
TEST(a_version_is_ours_but_for_its_end)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "v1.37.2", NULL },
		{ "v1.37.2+a", NULL },
		{ "v1.37.2-x.1", NULL },
		{ "v1.37.2-y+z", NULL },
		{ "v1.2.3", "version \"v1.2.3\" must match major/minor/patch of default version \"v1.37.2\"" },
		{ "v1.37.20", "version \"v1.37.20\" must match major/minor/patch of default version \"v1.37.2\"" },
		{ "v1", "illegal version string \"v1\"" },
		{ "v1.37.2.1", "illegal version string \"v1.37.2.1\"" },
		{ "v", "could not parse \"v\" as version" },
		{ "vx", "could not parse \"vx\" as version" },
		{ "v1.2.3/", "could not parse pre-release/metadata (/) in version \"v1.2.3/\"" },
		{ "v1.37.2-", "could not parse pre-release/metadata (-) in version \"v1.37.2-\"" },
		{ "v01.37.2", "illegal zero-prefixed version component \"01\" in \"v01.37.2\"" },
		{ "v1.37.2-a.01", "illegal zero-prefixed version component \"01\" in \"v1.37.2-a.01\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };

		CHECK_INT(rows[i].text, version_check(rows[i].text, "v1.37.2", &err), ==, rows[i].says ? -EINVAL : 0);
		CHECK_STR(rows[i].text, err.text, str_or(rows[i].says, ""));
	}
}
