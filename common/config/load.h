/* SPDX-License-Identifier: MIT
 *
 * One load in progress: what is being filled, where each value came from, and
 * what was found wrong. Shared by the stages: decode, then validate.
 *
 * A value's place is known by its address in the configuration, so that a rule
 * names the field it complains about and line and key path follow.
 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "base/arena.h"
#include "config/config.h"
#include "config/settings.h"
#include "config/tree.h"

struct seen {                          /* something the file contains */
	const void *at;                /* field, list element, or NULL for a section */
	const struct setting *setting; /* NULL for a list element */
	const char *path;              /* "backends[2].endpoint" */
	int line;
	double number; /* for the bounds; NAN: nothing to check */
};

struct load {
	const char *file;
	struct arena *arena;   /* lives as long as the configuration */
	struct arena *scratch; /* lives as long as the load */
	struct config *config;
	struct config_findings *findings;
	unsigned n_errors, n_warnings;
	size_t expanded;   /* bytes of expanded values so far */
	struct seen *seen; /* sorted by address after decoding */
	size_t n_seen, cap_seen;
};

/* Fills l->config from the tree: unknown and repeated keys, expansion, types. */
void load_decode(struct load *l, const struct node *root);

/* Resolves computed defaults and applies all rules. */
void load_validate(struct load *l);
void validate_buckets(struct load *l);
void validate_backends(struct load *l);
void validate_encryption(struct load *l);
void validate_tls(struct load *l);

/* Findings. path is the key path; a line below 1 counts as 1. */
void load_error(struct load *l, int line, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void load_warn(struct load *l, int line, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Where a value is, or would be: for a key that the file leaves out, the line
 * of the element or section it belongs to. */
struct place {
	int line;
	const char *path;
};
/* A key outside of lists: its field and its full path. */
struct place load_place(const struct load *l, const void *field, const char *path);
/* A key of a list element. */
struct place load_place_in(const struct load *l, const void *element, const void *field,
                           const char *key);

/* Reports every text that came before, in the order of the file: complaint,
 * and the text if it may be quoted. Empty texts do not count. Sorts the items. */
struct unique {
	const char *text;
	size_t order;
	struct place place;
};
void load_check_unique(struct load *l, struct unique *items, size_t n, const char *complaint,
                       bool quote);

bool load_given(const struct load *l, const void *field);        /* the file sets it */
bool load_given_section(const struct load *l, const char *path); /* the file contains it */

/* True when there are so many errors that looking for more is pointless. */
bool load_is_hopeless(const struct load *l);

/* Reports an unknown key of a section with the nearest known one. parent is
 * the section's path in the file, "" at the top. */
void load_unknown_key(struct load *l, const struct section *section, const char *parent,
                      struct str key, int line);

#endif
