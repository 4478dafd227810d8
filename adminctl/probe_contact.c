/* SPDX-License-Identifier: MIT
 *
 * Does it answer, to this key, with this bucket? If not, which settings are at fault: each
 * that may be is tried with another value, and the first way that works is gone on with.
 */
#include "adminctl/probe_private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "rt/task.h"

#define FEATURE "reachable, with these credentials and this bucket"

/* Servers refuse signatures that are older ("RequestTimeTooSkewed" in the S3 API
 * Reference, Error Responses). */
#define SKEW_MAX (15 * 60 * CLOCK_SEC)

/* A failure, as it was before others were tried. */
struct failure {
	enum err r;
	struct error e;
	struct backend_refusal refusal;
	int64_t us;
};

static bool list_one(struct probe *p, struct failure *f)
{
	struct backend_list l = {.max = 1};
	int64_t start = clock_mono();

	*f = (struct failure){0};
	p->refusal = (struct backend_refusal){0};
	if (!probe_open(p, &f->e))
		f->r = f->e.code;
	else
		f->r = backend_list(p->backend, p->arena, &l, &f->e);
	f->refusal = p->refusal;
	f->us = clock_mono() - start;
	return f->r == ERR_OK;
}

static bool is_answered(const struct failure *f)
{
	return f->refusal.status != 0 || (f->r != ERR_IO && f->r != ERR_TIMEOUT);
}

/* --- why ----------------------------------------------------------------------- */

static bool is_code(const struct failure *f, const char *codes)
{
	return *f->refusal.code && str_has_word(str_of(codes), f->refusal.code);
}

static const char *hint(const struct probe *p, const struct failure *f)
{
	int64_t ahead = f->refusal.clock ? clock_wall() - f->refusal.clock : 0;

	if (strncmp(f->e.text, "TLS", 3) == 0)
		return strstr(f->e.text, "certificate") ? "; ca_file names authorities to trust"
		                                        : "; does it speak https at that port?";
	if (is_code(f, "RequestTimeTooSkewed RequestExpired") || ahead > SKEW_MAX ||
	    ahead < -SKEW_MAX)
		return arena_printf(p->arena, "; the clock here is %lld s %s that of the server",
		                    (long long)(ahead < 0 ? -ahead : ahead) / CLOCK_SEC,
		                    ahead < 0 ? "behind" : "ahead of");
	if (is_code(f, "SignatureDoesNotMatch"))
		return "; is the secret_access_key right?";
	if (is_code(f, "InvalidAccessKeyId"))
		return "; there is no such access_key_id";
	if (is_code(f, "NoSuchBucket"))
		return arena_printf(p->arena, "; there is no bucket %s", p->configured->bucket);
	if (is_code(f, "AccessDenied"))
		return "; the access key may not list the bucket";
	if (*f->refusal.region)
		return arena_printf(p->arena, "; the bucket is in region %s", f->refusal.region);
	return "";
}

static void explain(struct probe *p, const struct failure *f)
{
	const char *why = arena_printf(p->arena, "%s%s", f->e.text, hint(p, f));

	probe_note(p, FEATURE, PROBE_FAILED, true, str_of(why), f->us);
}

/* --- other settings -------------------------------------------------------------- */

static bool try_region(struct probe *p, const struct failure *first)
{
	struct failure f;

	if (!*first->refusal.region || strcmp(first->refusal.region, p->trial->region) == 0)
		return false;
	p->trial->region = arena_strdup(p->arena, first->refusal.region);
	return list_one(p, &f);
}

static bool try_style(struct probe *p, const struct failure *first)
{
	struct failure f;

	/* Who was answered about keys and signatures has come to the right place, and a server
	 * that is not there is not there under longer names. */
	if (is_code(first, "SignatureDoesNotMatch InvalidAccessKeyId RequestTimeTooSkewed") ||
	    (p->trial->force_path_style && !is_answered(first)))
		return false;
	p->trial->force_path_style = !p->trial->force_path_style;
	return list_one(p, &f) || try_region(p, &f);
}

static bool try_others(struct probe *p, const struct failure *first)
{
	if (p->trial->type != BACKEND_S3 || first->r == ERR_CANCELED)
		return false;
	if (try_region(p, first))
		return true;
	*p->trial = *p->configured;
	if (try_style(p, first))
		return true;
	*p->trial = *p->configured;
	return false;
}

static void suggest_changes(struct probe *p, const struct failure *first)
{
	const struct config_backend *is = p->configured, *works = p->trial;

	if (works->force_path_style != is->force_path_style)
		probe_suggest(p, "force_path_style", works->force_path_style ? "true" : "false",
		              true,
		              works->force_path_style
		                      ? "the bucket does not answer as a part of the host name"
		                      : "the bucket answers only as a part of the host name");
	if (strcmp(works->region, is->region) != 0)
		probe_suggest(p, "region", works->region, true, "the bucket is there");
	probe_note(p, FEATURE, PROBE_OK, true,
	           str_of(arena_printf(p->arena, "only with other settings; as configured: %s",
	                               first->e.text)),
	           first->us);
}

/* The file may be there for a certificate that is signed by somebody everybody knows. */
static void check_ca_file(struct probe *p)
{
	const char *file = p->trial->ca_file;
	struct failure f;

	if (!*file || !str_starts(str_of(p->trial->endpoint), STR("https:")) || p->brief)
		return;
	p->trial->ca_file = "";
	if (list_one(p, &f))
		probe_suggest(p, "ca_file", "", false,
		              "the certificate is trusted without this file");
	p->trial->ca_file = file;
	list_one(p, &f);
}

bool probe_contact(struct probe *p)
{
	struct failure first;

	if (list_one(p, &first)) {
		probe_note(p, FEATURE, PROBE_OK, true, STR_NULL, first.us);
		check_ca_file(p);
		return true;
	}
	if (try_others(p, &first)) {
		suggest_changes(p, &first);
		return true;
	}
	p->unreachable = p->trial->type == BACKEND_S3 && !is_answered(&first);
	explain(p, &first);
	/* It may be only lists that this key has no right to. */
	return is_code(&first, "AccessDenied") && probe_open(p, &first.e);
}

void probe_addressing(struct probe *p)
{
	bool was = p->trial->force_path_style;
	struct failure f;
	bool works;

	p->trial->force_path_style = !was;
	works = list_one(p, &f);
	probe_note(p, was ? "bucket in the host name" : "bucket in the path",
	           works ? PROBE_OK : PROBE_NO, false,
	           works ? STR("force_path_style may be either") : str_of(f.e.text), f.us);
	p->trial->force_path_style = was;
	list_one(p, &f);
}
