/* SPDX-License-Identifier: MIT
 *
 * What the files of the probe share.
 *
 *     probe.c          life, clean-up, verdict     probe_folder.c   what only folders have
 *     probe_contact.c  reaching it at all          probe_tries.c    one feature after the other
 */
#ifndef ADMINCTL_PROBE_PRIVATE_H
#define ADMINCTL_PROBE_PRIVATE_H

#include "adminctl/probe.h"
#include "backend/backend.h"
#include "backend/usage.h"
#include "base/buf.h"
#include "base/codec.h"
#include "config/config.h"

/* Keys are remembered before they are written. */
#define PROBE_KEYS_MAX 40

struct probe_folder;

struct probe {
	struct arena *arena;
	const struct config_backend *configured;
	struct config config;         /* with one backend: */
	struct config_backend *trial; /* as it is tried now */
	struct probe_folder *folder;  /* of a directory, else NULL */
	bool brief;
	char prefix[sizeof("s3o-probe/") + ULID_SIZE]; /* ends with '/' */
	struct backend_set set;
	struct backend *backend; /* the one of the set; NULL: not open */
	struct usage usage;
	struct backend_refusal refusal;
	struct str keys[PROBE_KEYS_MAX];
	size_t n_keys;
	json_t *tries, *settings, *left;
	bool unreachable;
	const char *failed; /* what is required and failed first; NULL: nothing */
};

/* --- probe.c ------------------------------------------------------------------ */

/* Opens p->trial anew after it has changed. False: *e says why it cannot be. */
bool probe_open(struct probe *p, struct error *e);

enum probe_result_kind { PROBE_OK, PROBE_NO, PROBE_FAILED };

/* A line of the report. required: without it the backend is not usable. */
void probe_note(struct probe *p, const char *feature, enum probe_result_kind kind, bool required,
                struct str why, int64_t us);
/* A setting to change, or (needed = false) one that is of no use. why is constant text. */
void probe_suggest(struct probe *p, const char *name, const char *value, bool needed,
                   const char *why);

/* A key below the prefix, remembered for the clean-up; terminated. */
struct str probe_key(struct probe *p, const char *name);

/* --- probe_contact.c ---------------------------------------------------------- */

/* Lists one key; if that fails, finds out why and which other settings work, and goes on
 * with those. False: nothing else can be tried. */
bool probe_contact(struct probe *p);
/* Whether the other style of addresses works, too. Leaves the trial as it was. */
void probe_addressing(struct probe *p);

/* --- probe_tries.c ------------------------------------------------------------ */

/* All features, or those of a brief probe. */
void probe_tries(struct probe *p);

/* --- probe_folder.c ----------------------------------------------------------- */

/* Makes p->trial a new folder within the one that is configured, so that this one, and
 * which it is, stays as it was. False: noted. */
bool probe_folder_make(struct probe *p);
/* Free space, time of a sync, shared blocks. */
void probe_folder_tries(struct probe *p);
/* Removes what was made. False: *e says what could not be. */
bool probe_folder_remove(struct probe *p, struct error *e);

#endif
