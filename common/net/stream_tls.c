/* SPDX-License-Identifier: MIT
 *
 * TLS on a stream: OpenSSL on the non-blocking socket. A read may need to write
 * and the reverse; which one is noted in the stream so that the next wait is for
 * the right event. Renegotiation is off, so after the hand-shake only key
 * updates cause that.
 *
 * One SSL_read() works on as many records as it can get until one has data. A peer
 * that sends others as fast as they are read would keep the loop to itself, so
 * records are counted, and too many without data end the connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/stream_private.h"
#include "rt/fd.h"

#define RECORD_MAX 16384 /* plaintext of a TLS record (RFC 8446 5.1) */

/* Records without data in a row: a few session tickets, a key update now and then,
 * an empty fragment before a piece of data are all that peers have reason to send.
 * One read of the socket may bring some 600 more (27 bytes each in 16 KiB). */
#define IDLE_RECORDS_MAX 200

/* What a record costs beside its bytes, in bytes that could have been copied. */
#define RECORD_COST 4096

/* The result of an SSL_* call that did not succeed. */
static ssize_t ssl_result(struct stream *s, int r, bool reading)
{
	int saved = errno;

	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		s->write_wants_read = !reading;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		s->read_wants_write = reading;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return reading ? 0 : -EPIPE;
	case SSL_ERROR_SYSCALL:
		s->ssl_broken = true;
		return saved != 0 ? -saved : -ECONNRESET;
	default:
		s->ssl_broken = true;
		/* An end without close_notify may be an attacker's: never a clean one. */
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return -ECONNRESET;
		return -EPROTO;
	}
}

static int clamp(size_t n)
{
	return n > INT32_MAX ? INT32_MAX : (int)n;
}

/* Told of every record in either direction, when its header is known. */
static void on_message(int sent, int version, int type, const void *p, size_t n, SSL *ssl,
                       void *arg)
{
	struct stream *s = arg;

	(void)version, (void)p, (void)n, (void)ssl;
	if (!sent && type == SSL3_RT_HEADER)
		s->idle_records++;
}

/* Asked before every use of the socket: SSL_read() cannot be ended otherwise. */
static long on_socket(BIO *b, int use, const char *p, size_t n, int i, long l, int result,
                      size_t *done)
{
	const struct stream *s = (const void *)BIO_get_callback_arg(b);

	(void)p, (void)n, (void)i, (void)l, (void)done;
	if (use != BIO_CB_READ || s->idle_records <= IDLE_RECORDS_MAX)
		return result;
	BIO_clear_retry_flags(b);
	errno = EPROTO;
	return -1;
}

/* After the hand-shake, which has limits of its own. */
static void watch_records(struct stream *s)
{
	SSL_set_msg_callback(s->ssl, on_message);
	SSL_set_msg_callback_arg(s->ssl, s);
	BIO_set_callback_arg(SSL_get_rbio(s->ssl), (char *)s);
	BIO_set_callback_ex(SSL_get_rbio(s->ssl), on_socket);
}

ssize_t stream_ssl_read(struct stream *s, void *buf, size_t n, bool peek)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = peek ? SSL_peek(s->ssl, buf, clamp(n)) : SSL_read(s->ssl, buf, clamp(n));
	if (r <= 0)
		return ssl_result(s, r, true);
	s->burst += s->idle_records * RECORD_COST;
	s->idle_records = 0;
	return r;
}

/* Copies the front of several pieces together, so that a head and the first of
 * its body leave in one record. */
static size_t gather(const struct iovec *iov, int n, char *out, size_t cap)
{
	size_t used = 0;

	for (int i = 0; i < n && used < cap; i++) {
		size_t take = iov[i].iov_len < cap - used ? iov[i].iov_len : cap - used;

		memcpy(out + used, iov[i].iov_base, take);
		used += take;
	}
	return used;
}

ssize_t stream_ssl_write(struct stream *s, const struct iovec *iov, int n)
{
	char record[RECORD_MAX];
	const void *p = iov->iov_base;
	size_t len = iov->iov_len;
	int r;

	if (n > 1 && len < sizeof record) {
		len = gather(iov, n, record, sizeof record);
		p = record;
	}
	ERR_clear_error();
	errno = 0;
	/* A repeated call passes the same bytes, though at another address. */
	r = SSL_write(s->ssl, p, clamp(len));
	return r > 0 ? r : ssl_result(s, r, false);
}

void stream_ssl_notify_close(struct stream *s)
{
	if (!s->ssl_broken && SSL_is_init_finished(s->ssl)) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
	}
	s->ssl_broken = true;
}

void stream_ssl_free(struct stream *s)
{
	stream_ssl_notify_close(s);
	SSL_free(s->ssl);
	s->ssl = NULL;
}

static enum err begin(struct stream *s, SSL_CTX *ctx, struct error *e)
{
	s->ssl = SSL_new(ctx);
	if (!s->ssl || !SSL_set_fd(s->ssl, stream_fd(s)))
		return err_set(e, ERR_IO, "TLS: out of memory");
	SSL_set_mode(s->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                             SSL_MODE_RELEASE_BUFFERS);
	SSL_set_options(s->ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_set_read_ahead(s->ssl, 1);
	return ERR_OK;
}

/* The most telling words about a failed hand-shake. */
static const char *handshake_reason(struct stream *s)
{
	long verify = SSL_get_verify_result(s->ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (verify != X509_V_OK && SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE)
		return X509_verify_cert_error_string(verify);
	return reason ? reason : "connection closed";
}

static enum err handshake(struct stream *s, int64_t deadline, struct error *e)
{
	for (;;) {
		ssize_t r;
		int done;

		ERR_clear_error();
		errno = 0;
		done = SSL_do_handshake(s->ssl);
		if (done == 1) {
			watch_records(s);
			return ERR_OK;
		}
		r = ssl_result(s, done, true);
		if (r == -EAGAIN && (r = stream_wait_read(s, deadline)) == 0)
			continue;
		s->ssl_broken = true;
		if (r == -ETIMEDOUT || r == -ECANCELED)
			return stream_error(e, r, "TLS hand-shake");
		return err_set(e, ERR_IO, "TLS hand-shake: %s", handshake_reason(s));
	}
}

static bool is_ip(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool set_expected_host(SSL *ssl, const char *host)
{
	if (is_ip(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1;
}

enum err stream_tls_client(struct stream *s, struct ssl_ctx_st *ctx, const char *host, bool verify,
                           int64_t deadline, struct error *e)
{
	enum err r = begin(s, ctx, e);

	if (r)
		return r;
	if (!is_ip(host) && !SSL_set_tlsext_host_name(s->ssl, host))
		return err_set(e, ERR_IO, "TLS: %s cannot be a server name", host);
	if (verify && !set_expected_host(s->ssl, host))
		return err_set(e, ERR_IO, "TLS: %s cannot be verified", host);
	SSL_set_verify(s->ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_set_connect_state(s->ssl);
	return handshake(s, deadline, e);
}

enum err stream_tls_server(struct stream *s, struct ssl_ctx_st *ctx, int64_t deadline,
                           struct error *e)
{
	enum err r = begin(s, ctx, e);

	if (r)
		return r;
	SSL_set_accept_state(s->ssl);
	return handshake(s, deadline, e);
}
