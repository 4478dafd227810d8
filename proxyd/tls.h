/* SPDX-License-Identifier: MIT
 *
 * The server side of TLS as the configuration has it.
 */
#ifndef PROXYD_TLS_H
#define PROXYD_TLS_H

#include "base/err.h"

struct config_tls;
struct ssl_ctx_st;

/* *out is NULL when TLS is not configured. Errors name the file. Free with
 * SSL_CTX_free(). */
enum err tls_server_new(const struct config_tls *c, struct ssl_ctx_st **out, struct error *e);

/* Reads all files once, so that what is wrong is known before any child starts,
 * and warns of a certificate that expires within a day. */
enum err tls_server_check(const struct config_tls *c, struct error *e);

#endif
