/* SPDX-License-Identifier: MIT
 *
 * Error values. A code says what the caller can do next; the text says what
 * happened and where, for the log and (where it is safe) for the client.
 * Violated assumptions of the program itself are assert()s, never errors.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	ERR_OK = 0,
	ERR_CANCELED,     /* the task was cancelled, e.g. the client went away */
	ERR_TIMEOUT,      /* the deadline passed; the outcome at the peer is unknown */
	ERR_IO,           /* transport or disk failed; another backend may work */
	ERR_PROTOCOL,     /* the peer sent something that is not allowed */
	ERR_INVALID,      /* the request is wrong; repeating it is pointless */
	ERR_NOT_FOUND,    /* object, row or file does not exist */
	ERR_NO_BUCKET,    /* the bucket of an object does not exist (any more) */
	ERR_NO_UPLOAD,    /* the upload of a part does not exist (any more) */
	ERR_DENIED,       /* credentials or permissions */
	ERR_NO_SPACE,     /* quota or disk full */
	ERR_USED_UP,      /* a limit of the month is reached; nothing was sent */
	ERR_TOO_LARGE,    /* above a configured limit */
	ERR_PRECONDITION, /* a condition of the request does not hold */
	ERR_RANGE,        /* the requested range cannot be satisfied */
	ERR_CONFLICT,     /* somebody else was first; may be repeated */
	ERR_BUSY,         /* overloaded (SlowDown); repeat later */
	ERR_CONGESTED,    /* our own limit of what goes on at once; nothing was sent */
	ERR_UNSUPPORTED,  /* the backend cannot do this */
	ERR_UNAVAILABLE,  /* database not reachable; nothing was changed */
	ERR_DB_BUSY,      /* it is there, but had locks or the time run out; nothing was changed */
	ERR_DB_REFUSED, /* it is there, but lacks a table, a function or a right; nothing was changed */
	ERR_DB_UNCERTAIN, /* connection lost while committing: done or not done, unknown */
};

struct error {
	enum err code;
	char text[240]; /* always terminated; cut if too long */
};

/* Fills *e (which may be NULL) and returns code, so that a function can end
 * with `return err_set(e, ERR_IO, "...")`. Bytes that are not UTF-8 become '?'. */
enum err err_set(struct error *e, enum err code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "where: " before the text; returns the code. */
enum err err_at(struct error *e, const char *where);

/* The name of a code for logs, e.g. "no_space". Never NULL. */
const char *err_name(enum err code);

#endif
