/* SPDX-License-Identifier: MIT
 *
 * Log lines: one JSON object per line, whole lines per write(2), so that lines of
 * several processes never mix. msg is constant text; what varies is a field.
 *
 *     log_warn("object", "backend failed", LOG_STR("backend", name), LOG_INT("status", 503));
 *
 * Canonical field names: request_id backend src_backend dst_backend bucket key
 * prefix path method status client_addr upload_id intent_id size_bytes
 * duration_ms attempts outcome error. Secrets are never logged.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
	const char *name; /* NULL ends the list */
	enum { LOG_F_STR, LOG_F_INT, LOG_F_BOOL } type;
	struct str s; /* LOG_F_STR; an empty string with p == NULL is left out */
	int64_t i;    /* LOG_F_INT, LOG_F_BOOL */
};

#define LOG_STR(n, v)   ((struct log_field){.name = (n), .type = LOG_F_STR, .s = str_of(v)})
#define LOG_S(n, v)     ((struct log_field){.name = (n), .type = LOG_F_STR, .s = (v)})
#define LOG_INT(n, v)   ((struct log_field){.name = (n), .type = LOG_F_INT, .i = (int64_t)(v)})
#define LOG_BOOL(n, v)  ((struct log_field){.name = (n), .type = LOG_F_BOOL, .i = (v)})
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.name = NULL}})

/* fd is where lines go (1, or a file opened by the caller). May be called again.
 * Lines that the reader of a pipe does not take in time are lost; the next one
 * that gets through says how many ("lost_lines"). */
void log_init(int fd, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_level_parse(struct str name, enum log_level *out); /* debug info warn error */

void log_write(enum log_level level, const char *component, const char *msg,
               const struct log_field *fields);

/* An audit event: always written, whatever the level is: msg "audit",
 * "audit":true, "event":event, then the fields. */
void log_audit(const char *component, const char *event, const struct log_field *fields);

/* What is logged in between leaves with as few write(2) as possible. For lines
 * that belong to one moment: the task must not wait before it releases. */
void log_hold(void);
void log_release(void);

#define log_debug(c, m, ...)                                                                       \
	(log_get_level() <= LOG_DEBUG ? log_write(LOG_DEBUG, c, m, LOG_FIELDS(__VA_ARGS__))        \
	                              : (void)0)
#define log_info(c, m, ...)  log_write(LOG_INFO, c, m, LOG_FIELDS(__VA_ARGS__))
#define log_warn(c, m, ...)  log_write(LOG_WARN, c, m, LOG_FIELDS(__VA_ARGS__))
#define log_error(c, m, ...) log_write(LOG_ERROR, c, m, LOG_FIELDS(__VA_ARGS__))

#endif
