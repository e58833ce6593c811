/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/net/algorithms.h"

#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <string.h>
#include <strings.h>

#include "pkg/base/base.h"

enum {
	DISPATCH_MAX = 16, /* functions of a provider; the default one has five */
};

/* By their first name. TLS, its tickets, the random generator (CTR and ECB), and keys that are encrypted in files. */
static const char *const kept[] = {
	"AES-128-GCM",
	"AES-256-GCM",
	"ChaCha20-Poly1305",
	"ChaCha20",
	"AES-128-CBC",
	"AES-192-CBC",
	"AES-256-CBC",
	"AES-128-CBC-HMAC-SHA1",
	"AES-256-CBC-HMAC-SHA1",
	"AES-128-CBC-HMAC-SHA256",
	"AES-256-CBC-HMAC-SHA256",
	"AES-128-CTR",
	"AES-192-CTR",
	"AES-256-CTR",
	"AES-128-ECB",
	"AES-192-ECB",
	"AES-256-ECB",
	"DES-EDE3-CBC",
	"NULL",
};

/* libcrypto's own, built in; no header has it, as only its table of built-in providers names it. */
extern OSSL_provider_init_fn ossl_default_provider_init;

static OSSL_FUNC_provider_query_operation_fn *query_all;
static OSSL_ALGORITHM ciphers[ARRAY_LEN(kept) + 1]; /* ends with one without names */

static bool is_kept(const char *names)
{
	size_t size = strcspn(names, ":");

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (strlen(kept[i]) == size && strncasecmp(kept[i], names, size) == 0)
			return true;
	return false;
}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	const OSSL_ALGORITHM *all = query_all(provider, operation, no_cache);

	if (operation != OSSL_OP_CIPHER || !all)
		return all;
	/* Asked again, it fills the same places with the same. */
	for (size_t n = 0; all->algorithm_names && n < ARRAY_LEN(kept); all++)
		if (is_kept(all->algorithm_names))
			ciphers[n++] = *all;
	return ciphers;
}

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core, const OSSL_DISPATCH **ret, void **provider)
{
	static OSSL_DISPATCH functions[DISPATCH_MAX + 1];
	const OSSL_DISPATCH *all;
	size_t n = 0;

	if (!ossl_default_provider_init(handle, core, &all, provider))
		return 0;
	for (; all->function_id && n < DISPATCH_MAX; all++) {
		functions[n] = *all;
		if (all->function_id == OSSL_FUNC_PROVIDER_QUERY_OPERATION) {
			query_all = OSSL_FUNC_provider_query_operation(all);
			functions[n].function = (void (*)(void))query;
		}
		n++;
	}
	*ret = functions;
	return query_all != NULL;
}

void algorithms_limit(void)
{
	static OSSL_PROVIDER *limited;

	/* A provider that is loaded by name comes instead of the default one. */
	if (!limited && OSSL_PROVIDER_add_builtin(NULL, "cubelet", start))
		limited = OSSL_PROVIDER_load(NULL, "cubelet");
	if (!limited)
		ERR_clear_error();
}
