/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/config/words.h"

#include "pkg/base/base.h"
#include "pkg/codec/quantity.h"

/* Those of Go that OpenSSL has too, so neither RC4 nor 3DES; pkg/net/tls_server.c has the same in OpenSSL's names. */
static const char *const suites[] = {
	"TLS_AES_128_GCM_SHA256",
	"TLS_AES_256_GCM_SHA384",
	"TLS_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
	"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
	"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_RSA_WITH_AES_128_CBC_SHA",
	"TLS_RSA_WITH_AES_128_CBC_SHA256",
	"TLS_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_RSA_WITH_AES_256_CBC_SHA",
	"TLS_RSA_WITH_AES_256_GCM_SHA384",
};

static int check_tls(const Config__KubeletConfiguration *config, struct err *err)
{
	static const char *const versions[] = { "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13" };

	if (!str_empty(config->tlsminversion) && !str_is_one_of(config->tlsminversion, versions, ARRAY_LEN(versions)))
		return err_set(err, -EINVAL, "unknown tls version \"%s\"", config->tlsminversion);
	for (size_t i = 0; i < config->n_tlsciphersuites; i++)
		if (!str_is_one_of(config->tlsciphersuites[i], suites, ARRAY_LEN(suites)))
			return err_set(err, -EINVAL, "Cipher suite %s not supported or doesn't exist",
				       config->tlsciphersuites[i]);
	return 0;
}

static int check_authorization(const Config__KubeletConfiguration *config, struct err *err)
{
	static const char *const modes[] = { "AlwaysAllow", "Webhook" };
	const char *mode = config->authorization ? str_or(config->authorization->mode, "") : "";

	if (!*mode)
		return err_set(err, -EINVAL, "no authorization mode specified");
	if (!str_is_one_of(mode, modes, ARRAY_LEN(modes)))
		return err_set(err, -EINVAL, "unknown authorization mode %s", mode);
	return 0;
}

static int check_policies(const Config__KubeletConfiguration *config, struct err *err)
{
	static const char *const cpu[] = { "none", "static" }, *const memory[] = { "None", "Static" };

	if (!str_is_one_of(config->cpumanagerpolicy, cpu, ARRAY_LEN(cpu)))
		return err_set(err, -EINVAL, "unknown policy: \"%s\"", config->cpumanagerpolicy);
	if (!str_is_one_of(config->memorymanagerpolicy, memory, ARRAY_LEN(memory)))
		return err_set(err, -EINVAL, "unknown policy: \"%s\"", config->memorymanagerpolicy);
	return 0;
}

int words_check(const Config__KubeletConfiguration *config, struct err *err)
{
	struct quantity quantity;

	if (check_tls(config, err) < 0)
		return err_wrap(err, "failed to construct kubelet dependencies");
	if (!config->runtimerequesttimeout || config->runtimerequesttimeout->ns <= 0)
		return err_set(err, -EINVAL, "failed to run Kubelet: connectionTimeout must be positive");
	if (check_authorization(config, err) < 0 || check_policies(config, err) < 0)
		return err_wrap(err, "failed to run Kubelet");
	if (quantity_parse(str_or(config->containerlogmaxsize, ""), &quantity, err) < 0)
		return err_wrap(err,
				"failed to run Kubelet: failed to create kubelet: failed to initialize container log "
				"manager: failed to parse container log max size \"%s\"",
				config->containerlogmaxsize);
	return 0;
}
