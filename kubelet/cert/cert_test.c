/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/cert/cert.h"

#include <string.h>
#include <sys/stat.h>

#include "pkg/base/base.h"
#include "pkg/base/file.h"
#include "pkg/base/log.h"
#include "pkg/test/test.h"

struct world {
	struct loop *loop;
	Config__KubeletConfiguration config;
	Config__KubeletAuthentication authentication;
	Config__KubeletX509Authentication x509;
	char *seen_ca;
	int changes;
};

static void changed(void *owner, const struct cert_material *material)
{
	struct world *world = owner;

	world->changes++;
	free(world->seen_ca);
	world->seen_ca = xstrdup(material->client_ca);
	loop_stop(world->loop);
}

static struct cert_options options_of(struct world *world)
{
	log_set_fd(-1);
	world->loop = loop_new();
	world->config = (Config__KubeletConfiguration)CONFIG__KUBELET_CONFIGURATION__INIT;
	world->authentication = (Config__KubeletAuthentication)CONFIG__KUBELET_AUTHENTICATION__INIT;
	world->x509 = (Config__KubeletX509Authentication)CONFIG__KUBELET_X509_AUTHENTICATION__INIT;
	world->config.authentication = &world->authentication;
	world->authentication.x509 = &world->x509;
	return (struct cert_options){ .loop = world->loop,
				      .config = &world->config,
				      .cert_dir = test_folder(),
				      .host = "node-1",
				      .changed = changed,
				      .owner = world };
}

TEST(a_pair_is_made_once_and_reused)
{
	struct world world = { 0 };
	struct cert_options options = options_of(&world);
	_cleanup_free_ char *key_path = xasprintf("%s/kubelet.key", test_folder());
	_cleanup_free_ char *first = NULL;
	struct certs *certs;
	struct stat st;
	struct err err;

	CHECK_OK(certs_new(&options, &certs, &err), &err);
	first = xstrdup(certs_material(certs)->certificate);
	CHECK("leaf and CA", strstr(strstr(first, "-----BEGIN") + 1, "-----BEGIN CERTIFICATE-----"));
	CHECK_INT("the key is private", stat(key_path, &st) == 0 ? st.st_mode & 0777 : 0, ==, 0600);
	certs_free(certs);
	CHECK_OK(certs_new(&options, &certs, &err), &err);
	CHECK_STR("reused", certs_material(certs)->certificate, first);
	certs_free(certs);
	loop_free(world.loop);
}

TEST(a_new_bundle_is_seen)
{
	struct world world = { 0 };
	struct cert_options options = options_of(&world);
	static const char old[] = "-----BEGIN CERTIFICATE-----\nold", new[] = "-----BEGIN CERTIFICATE-----\nnew";
	struct certs *certs;
	struct err err;

	world.x509.clientcafile = xasprintf("%s/ca.crt", test_folder());
	CHECK_OK(file_replace(world.x509.clientcafile, old, strlen(old), 0644, &err), &err);
	CHECK_OK(certs_new(&options, &certs, &err), &err);
	certs_start(certs);
	CHECK_OK(file_replace(world.x509.clientcafile, new, strlen(new), 0644, &err), &err);
	loop_run(world.loop);
	CHECK_STR("new", world.seen_ca, new);
	CHECK_INT("once", world.changes, ==, 1);
	certs_free(certs);
	free(world.seen_ca);
	free(world.x509.clientcafile);
	loop_free(world.loop);
}

TEST(a_bundle_without_a_certificate_changes_nothing)
{
	struct world world = { 0 };
	struct cert_options options = options_of(&world);
	static const char old[] = "-----BEGIN CERTIFICATE-----\nold";
	struct certs *certs;
	struct err err;

	world.x509.clientcafile = xasprintf("%s/ca.crt", test_folder());
	CHECK_OK(file_replace(world.x509.clientcafile, old, strlen(old), 0644, &err), &err);
	CHECK_OK(certs_new(&options, &certs, &err), &err);
	certs_start(certs);
	CHECK_OK(file_replace(world.x509.clientcafile, "oops", 4, 0644, &err), &err);
	test_run(world.loop, 1000); /* it looks 200 ms after the change */
	CHECK_INT("not told", world.changes, ==, 0);
	CHECK_STR("the former one is in force", certs_material(certs)->client_ca, old);
	CHECK("the pair too", str_has_prefix(certs_material(certs)->key, "-----BEGIN"));
	certs_free(certs);
	free(world.x509.clientcafile);
	loop_free(world.loop);
}

TEST(given_files_must_be_usable)
{
	struct world world = { 0 };
	struct cert_options options = options_of(&world);
	struct certs *certs;
	struct err err;

	world.config.tlscertfile = xasprintf("%s/none.crt", test_folder());
	world.config.tlsprivatekeyfile = xasprintf("%s/none.key", test_folder());
	CHECK_INT("missing", certs_new(&options, &certs, &err), ==, -ENOENT);
	CHECK_OK(file_replace(world.config.tlscertfile, "x", 1, 0600, &err), &err);
	CHECK_OK(file_replace(world.config.tlsprivatekeyfile, "x", 1, 0600, &err), &err);
	CHECK_INT("garbage", certs_new(&options, &certs, &err), ==, -EINVAL);
	CHECK_STR("words", err.text,
		  "failed to create kubelet: failed to initialize file based certificate manager: unable to set up "
		  "dynamic "
		  "certificate manager for kubelet server cert files: tls: failed to find any PEM data in certificate "
		  "input");
	free(world.config.tlscertfile);
	free(world.config.tlsprivatekeyfile);
	loop_free(world.loop);
}
