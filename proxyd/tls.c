/* SPDX-License-Identifier: MIT
 *
 * Certificates, keys and versions for the TLS listener.
 */
#include "proxyd/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <time.h>
#include "base/log.h"
#include "config/config.h"

#define EXPIRES_SOON (24 * 60 * 60) /* seconds */

/* The only protocol spoken here, in the wire format of RFC 7301. */
static const unsigned char alpn_http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

static enum err fail(struct error *e, const char *key, const char *file)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	err_set(e, ERR_INVALID, "%s %s: %s", key, file, why ? why : "cannot be used");
	ERR_clear_error();
	return ERR_INVALID;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n,
                           const unsigned char *in, unsigned in_n, void *arg)
{
	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)out, n, alpn_http11, sizeof alpn_http11, in,
	                          in_n) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum err load_files(SSL_CTX *ctx, const struct config_tls *c, struct error *e)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, c->cert_file) != 1)
		return fail(e, "server.tls.cert_file", c->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, c->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return fail(e, "server.tls.key_file", c->key_file);
	if (!c->client_ca_file[0])
		return ERR_OK;
	if (SSL_CTX_load_verify_file(ctx, c->client_ca_file) != 1)
		return fail(e, "server.tls.client_ca_file", c->client_ca_file);
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(c->client_ca_file));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ERR_OK;
}

enum err tls_server_new(const struct config_tls *c, SSL_CTX **out, struct error *e)
{
	SSL_CTX *ctx;
	enum err r;

	*out = NULL;
	if (!c->cert_file[0])
		return ERR_OK;
	ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx)
		return fail(e, "server.tls", "context");
	SSL_CTX_set_min_proto_version(ctx, c->min_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	/* Children share no session cache; tickets work within one child only. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, alpn_http11, sizeof alpn_http11);
	r = load_files(ctx, c, e);
	if (r != ERR_OK)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return r;
}

enum err tls_server_check(const struct config_tls *c, struct error *e)
{
	time_t soon = time(NULL) + EXPIRES_SOON;
	SSL_CTX *ctx;
	enum err r = tls_server_new(c, &ctx, e);

	if (r != ERR_OK || !ctx)
		return r;
	if (X509_cmp_time(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)), &soon) < 0)
		log_warn("httpserver", "server certificate expires within a day or has expired",
		         LOG_STR("path", c->cert_file));
	SSL_CTX_free(ctx);
	return ERR_OK;
}
