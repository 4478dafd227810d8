/* SPDX-License-Identifier: MIT
 *
 * The settings table: what every key of the configuration is called, what it
 * may hold, where its value goes in struct config and what the manual says.
 * Parser, defaults, bounds, suggestions, reload warnings and the manual page
 * are all made from it.
 *
 * A section is a mapping. Offsets of its settings count from the start of
 * struct config or, inside a list, from the start of the list's element; a
 * section within a section has the same base as the section around it.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdio.h>
#include "base/arena.h"
#include "config/config.h"

enum setting_type {
	SET_BOOL,
	SET_INT,
	SET_FLOAT,
	SET_STRING,
	SET_SIZE,
	SET_DURATION,
	SET_ADDRESS,
	SET_URL,
	SET_PATH,
	SET_ENUM,    /* the index into choices, or the choice itself in a const char * */
	SET_STRINGS, /* a list of strings */
	SET_LABELS,  /* a mapping of names to strings, stored as a list of "name=value" */
	SET_SECTION, /* a mapping, see .sub */
	SET_LIST,    /* a list of mappings, see .sub */
};

enum setting_reload {
	RELOAD_YES,
	RELOAD_NO,   /* needs a restart; a SET_SECTION is reported as a whole */
	RELOAD_FILE, /* the file's contents are read again */
};

/* What an explicit 0 says; it is never checked against min and max. */
enum setting_zero {
	ZERO_DEFAULT, /* the same as leaving the key out */
	ZERO_VALUE,   /* 0 itself: off or unlimited */
	ZERO_LENIENT, /* as ZERO_DEFAULT, and so are negative numbers */
};

struct section;

struct setting {
	const char *key; /* NULL ends a table */
	enum setting_type type;
	const char *fallback;       /* the default in the file's syntax; NULL: none ("" or 0) */
	const char *fallback_note;  /* for the manual, when the default is computed */
	const char *const *choices; /* NULL-terminated */
	/* Bounds, in the stored unit; both ends are excluded when open. They
	 * exist only together with a complaint, the message for a violation
	 * (and for a value that is not among the choices). */
	double min, max;
	bool open;
	const char *complaint;
	/* A rule for the text of one value; *message says what is wrong. */
	bool (*check)(struct str value, struct buf *message);
	enum setting_zero zero;
	enum setting_reload reload;
	bool secret;
	bool active;       /* this version acts upon it */
	bool empty_ok;     /* "" is a value, not the same as leaving the key out */
	bool always_bound; /* bounds hold even when the section is not in effect */
	size_t offset, size;
	size_t count_offset; /* of lists: of the size_t beside the pointer */
	const struct section *sub;
	const char *prose; /* for the manual: whole sentences */
};

struct section {
	const char *path; /* "server.tls", "backends[]"; "" is the whole file */
	const struct setting *settings;
	size_t element_size; /* of a SET_LIST */
	/* Whether the section does anything; NULL: always. */
	bool (*in_effect)(const struct config *c);
	bool bound_in_effect; /* bounds are checked only when it is in effect */
	const char *prose;
};

extern const struct section settings_root;

const struct setting *settings_find(const struct section *s, struct str key);

/* The address of a setting's value within its base. */
void *setting_at(const struct setting *s, void *base);
const void *setting_get(const struct setting *s, const void *base);
size_t setting_count(const struct setting *s, const void *base); /* of a list */

/* Parses the text of a scalar or of one item of SET_STRINGS and stores it at
 * `at`. *number gets the value for the bounds (NAN if there is none to check).
 * False: *message says why, without the value where it may be secret. Strings
 * are copied into the arena. */
bool setting_store(struct arena *a, const struct setting *s, struct str text, void *at,
                   double *number, struct buf *message);

/* Fills a base with the defaults, sections within included. */
void settings_defaults(struct arena *a, const struct section *s, void *base);

/* Compares a scalar, a list of strings, or the lengths of two lists. */
bool setting_equal(const struct setting *s, const void *base_a, const void *base_b);

/* Calls fn for every setting that holds a value, depth first, with its path
 * ("backends[].name"). Stops when fn returns false. */
void settings_each(bool (*fn)(void *arg, const char *path, const struct setting *s), void *arg);

/* Writes the settings part of the manual page, mdoc. */
void config_write_man(FILE *out);

#endif
