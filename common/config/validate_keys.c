/* SPDX-License-Identifier: MIT
 *
 * Rules for keys and certificates: what the configuration names must be there
 * and usable, so that a daemon does not find out at night. No finding contains
 * a byte of a key.
 */
#include "config/load.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/codec.h"
#include "config/file.h"

#define KEY_SIZE     32             /* bytes; AES-256 */
#define CERT_WARNING (24 * 60 * 60) /* seconds before a certificate expires */

static void fail(struct load *l, const void *field, const char *path, const char *what)
{
	struct place at = load_place(l, field, path);

	load_error(l, at.line, at.path, "%s", what);
}

/* --- PEM files ------------------------------------------------------------------- */

/* The file in an OpenSSL memory reader over *content, or NULL with a finding. */
static BIO *open_pem(struct load *l, const char *const *file, const char *path, struct buf *content)
{
	struct stat st;
	const char *wrong = file_read(*file, content, &st);

	if (wrong) {
		fail(l, file, path, wrong);
		return NULL;
	}
	return BIO_new_mem_buf(content->n ? content->p : "", (int)content->n);
}

/* The first certificate, or NULL with a finding. */
static X509 *load_certificate(struct load *l, const char *const *file, const char *path)
{
	BUF_AUTO content = {0};
	BIO *bio = open_pem(l, file, path, &content);
	X509 *cert;

	if (!bio)
		return NULL;
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!cert)
		fail(l, file, path, "contains no certificate in PEM");
	return cert;
}

/* Instead of asking at the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static EVP_PKEY *load_key(struct load *l, const char *const *file, const char *path)
{
	BUF_AUTO content = {0};
	BIO *bio = open_pem(l, file, path, &content);
	EVP_PKEY *key;

	if (!bio)
		return NULL;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (content.n)
		explicit_bzero(content.p, content.n);
	ERR_clear_error();
	if (!key)
		fail(l, file, path, "contains no private key in PEM without a passphrase");
	return key;
}

static void warn_if_expiring(struct load *l, const X509 *cert)
{
	const struct config_tls *t = &l->config->server.tls;
	struct place at = load_place(l, &t->cert_file, "server.tls.cert_file");
	time_t limit = time(NULL) + CERT_WARNING;

	if (X509_cmp_time(X509_get0_notAfter(cert), &limit) < 0)
		load_warn(l, at.line, at.path, "the certificate expires in less than 24 hours");
}

void validate_tls(struct load *l)
{
	const struct config_tls *t = &l->config->server.tls;
	bool cert_set = t->cert_file[0], key_set = t->key_file[0];

	if (cert_set != key_set)
		fail(l, cert_set ? &t->cert_file : &t->key_file,
		     cert_set ? "server.tls.cert_file" : "server.tls.key_file",
		     "server.tls requires both cert_file and key_file");
	if (cert_set && key_set) {
		X509 *cert = load_certificate(l, &t->cert_file, "server.tls.cert_file");
		EVP_PKEY *key = load_key(l, &t->key_file, "server.tls.key_file");

		if (cert)
			warn_if_expiring(l, cert);
		if (cert && key && X509_check_private_key(cert, key) != 1)
			fail(l, &t->key_file, "server.tls.key_file",
			     "does not match the certificate");
		ERR_clear_error();
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	if (t->client_ca_file[0]) {
		if (!cert_set || !key_set)
			fail(l, &t->client_ca_file, "server.tls.client_ca_file",
			     "requires cert_file and key_file");
		X509_free(load_certificate(l, &t->client_ca_file, "server.tls.client_ca_file"));
	}
	for (size_t i = 0; i < l->config->n_backends; i++) {
		const struct config_backend *b = &l->config->backends[i];
		struct place at = load_place_in(l, b, &b->ca_file, "ca_file");

		if (b->ca_file[0])
			X509_free(load_certificate(l, &b->ca_file, at.path));
	}
}

/* --- encryption -------------------------------------------------------------------- */

static void check_master_key(struct load *l, const char *const *field, const char *path)
{
	uint8_t key[3 * KEY_SIZE]; /* room to tell how much too long it is */
	struct place at = load_place(l, field, path);
	struct str text = str_of(*field);
	ssize_t n = base64_decode(text, key, sizeof key);

	explicit_bzero(key, sizeof key);
	/* -1 also stands for "longer than fits"; then the text is longer, too. */
	if (n < 0 && text.n > BASE64_SIZE(sizeof key))
		load_error(l, at.line, at.path, "must be 256 bits (32 bytes), got more than %zu",
		           sizeof key);
	else if (n < 0)
		load_error(l, at.line, at.path, "invalid base64");
	else if (n != KEY_SIZE)
		load_error(l, at.line, at.path, "must be 256 bits (32 bytes), got %zd bytes", n);
}

static void check_key_file(struct load *l, const char *const *field)
{
	BUF_AUTO content = {0};
	struct place at = load_place(l, field, "encryption.master_key_file");
	struct stat st;
	const char *wrong = file_read(*field, &content, &st);

	if (content.n)
		explicit_bzero(content.p, content.n);
	if (wrong)
		load_error(l, at.line, at.path, "%s", wrong);
	else if (content.n != KEY_SIZE)
		load_error(l, at.line, at.path, "must be 32 bytes, got %zu", content.n);
}

static void check_token_file(struct load *l, const char *const *field)
{
	struct place at = load_place(l, field, "encryption.vault.token_file");
	BUF_AUTO content = {0};
	struct stat st;
	const char *wrong = file_read(*field, &content, &st);

	if (content.n)
		explicit_bzero(content.p, content.n);
	if (wrong)
		load_error(l, at.line, at.path, "%s", wrong);
	else if (st.st_mode & 077)
		load_error(l, at.line, at.path,
		           "insecure permissions %04o (must be 0600 or stricter)",
		           (unsigned)st.st_mode & 07777);
}

static void validate_vault(struct load *l)
{
	struct config *c = l->config;

	if (!c->encryption.vault.address[0])
		fail(l, &c->encryption.vault.address, "encryption.vault.address", "is required");
	if (!c->encryption.vault.key_name[0])
		fail(l, &c->encryption.vault.key_name, "encryption.vault.key_name", "is required");
	if (c->encryption.vault.token[0] && c->encryption.vault.token_file[0])
		fail(l, &c->encryption.vault.token_file, "encryption.vault.token_file",
		     "only one of token or token_file may be set");
	else if (c->encryption.vault.token_file[0])
		check_token_file(l, &c->encryption.vault.token_file);
	else if (!c->encryption.vault.token[0])
		fail(l, &c->encryption.vault.token, "encryption.vault.token",
		     "one of token or token_file is required");
	if (c->encryption.vault.ca_cert[0])
		X509_free(load_certificate(l, &c->encryption.vault.ca_cert,
		                           "encryption.vault.ca_cert"));
}

void validate_encryption(struct load *l)
{
	struct config *c = l->config;
	bool vault = load_given_section(l, "encryption.vault");
	int providers = vault + (c->encryption.master_key[0] != 0) +
	                (c->encryption.master_key_file[0] != 0);

	if (!c->encryption.enabled)
		return;
	if (c->encryption.chunk_size & (c->encryption.chunk_size - 1))
		fail(l, &c->encryption.chunk_size, "encryption.chunk_size", "must be a power of 2");
	if (providers == 0)
		fail(l, &c->encryption.enabled, "encryption",
		     "exactly one of master_key, master_key_file, vault is required");
	if (providers > 1)
		fail(l, &c->encryption.enabled, "encryption",
		     "only one of master_key, master_key_file, vault may be set");
	if (c->encryption.master_key[0])
		check_master_key(l, &c->encryption.master_key, "encryption.master_key");
	if (c->encryption.master_key_file[0])
		check_key_file(l, &c->encryption.master_key_file);
	for (size_t i = 0; i < c->encryption.n_previous_keys; i++)
		check_master_key(l, &c->encryption.previous_keys[i],
		                 arena_printf(l->scratch, "encryption.previous_keys[%zu]", i));
	if (vault)
		validate_vault(l);
}
