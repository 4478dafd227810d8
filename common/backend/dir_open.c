/* SPDX-License-Identifier: MIT
 *
 * Opening the folder of a backend, on the loop's side. A folder that cannot be
 * opened is a backend whose calls fail: it keeps nobody from starting, and is
 * tried again until it can.
 *
 * Which folder it has to be is in the catalogue. The first one that is opened
 * under the name of a backend is recorded there, and no other is accepted after
 * it: the mount point without its file system, or the folder of another host.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/dir_private.h"
#include "backend/usage.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "rt/offload.h"
#include "rt/task.h"
#include "store/store.h"

/* Between two attempts to open a folder: a lasting fault costs little, and a
 * repaired one is noticed before anybody has looked. */
#define RETRY_AFTER (2 * CLOCK_SEC)

enum err dir_run(struct directory *d, void (*fn)(void *job), void **job, void (*release)(void *job),
                 struct error *e)
{
	int r = offload_run(d->lane, fn, *job, release);

	if (r == 0)
		return ERR_OK;
	if (r == -ETIMEDOUT)
		*job = NULL;
	if (task_is_cancelled() && r != -EAGAIN)
		return err_set(e, ERR_CANCELED, "cancelled");
	if (r == -EAGAIN)
		return err_set(e, ERR_IO, "no thread can be started");
	return err_set(e, ERR_TIMEOUT, "path %s does not answer", d->base.config->path);
}

/* --- one attempt ---------------------------------------------------------- */

static enum err run_step(struct directory *d, void (*fn)(void *), struct dir_folder **f,
                         struct error *e)
{
	void *job = *f;
	enum err r = dir_run(d, fn, &job, dir_folder_free, e);

	*f = job;
	if (r == ERR_OK && (*f)->job.result != ERR_OK) {
		*e = (*f)->job.error;
		r = e->code;
	}
	return r;
}

static enum err refuse(const struct dir_folder *f, struct error *e)
{
	return err_set(e, ERR_IO,
	               "%s is not the folder that was used before (is its file system mounted?)",
	               f->path);
}

/* Nothing is known about the folder, and nothing may be done to it. */
static enum err cannot_ask(struct error *e)
{
	char why[sizeof(e->text)];

	if (e->code == ERR_CANCELED)
		return e->code;
	snprintf(why, sizeof(why), "%s", e->text);
	return err_set(e, ERR_UNAVAILABLE, "which folder it is cannot be looked up: %s", why);
}

static enum err look_up(struct directory *d, struct store_folder *known, struct error *e)
{
	*known = (struct store_folder){0};
	if (d->store != NULL && store_folder(d->store, d->base.name, known, e) != ERR_OK)
		return cannot_ask(e);
	return ERR_OK;
}

/* A folder without identity is the right one when the catalogue has none either:
 * a new one as long as nothing is stored there, else one that has objects, which
 * an earlier version has made. */
static enum err judge(struct dir_folder *f, const struct store_folder *known, struct error *e)
{
	f->is_first_use = known->id[0] == '\0';
	if (f->is_first_use ? known->copies > 0 && !f->in_use : strcmp(known->id, f->id) != 0)
		return refuse(f, e);
	return ERR_OK;
}

/* Another host may have been first. */
static enum err claim(struct directory *d, const struct dir_folder *f, struct error *e)
{
	struct store_folder known;

	if (d->store == NULL || !f->is_first_use || f->id[0] == '\0')
		return ERR_OK;
	if (store_claim_folder(d->store, d->base.name, f->id, &known, e) != ERR_OK)
		return cannot_ask(e);
	return strcmp(known.id, f->id) == 0 ? ERR_OK : refuse(f, e);
}

static enum err try_to_open(struct directory *d, struct error *e)
{
	struct dir_folder *f = MEM_NEW(struct dir_folder);
	struct store_folder known;
	enum err r;

	if (snprintf(f->path, sizeof(f->path), "%s", d->base.config->path) >= (int)sizeof(f->path))
		r = err_set(e, ERR_IO, "its path is too long");
	else
		r = look_up(d, &known, e);
	/* Only now: who opens it for the first time marks it and then records that. */
	if (r == ERR_OK)
		r = run_step(d, dir_folder_look, &f, e);
	if (r == ERR_OK)
		r = judge(f, &known, e);
	if (r == ERR_OK)
		r = run_step(d, dir_folder_open, &f, e);
	if (r == ERR_OK)
		r = claim(d, f, e);
	if (r == ERR_OK)
		d->root = dir_root_use(f->job.root);
	if (f != NULL)
		dir_folder_free(f);
	return r;
}

/* --- when ----------------------------------------------------------------- */

static void opened(struct directory *d)
{
	if (d->fault.text[0] != '\0')
		log_info("backend", "folder opened", LOG_STR("backend", d->base.name));
	d->fault.text[0] = '\0';
}

static void not_opened(struct directory *d, const struct error *e)
{
	if (e->code != ERR_CANCELED && strcmp(d->fault.text, e->text) != 0)
		log_error("backend", "folder cannot be opened", LOG_STR("backend", d->base.name),
		          LOG_STR("error", e->text));
	d->fault = *e;
}

static void opener_main(void *arg)
{
	struct directory *d = arg;
	struct error e;

	while (try_to_open(d, &e) != ERR_OK) {
		not_opened(d, &e);
		notify_all(&d->tried);
		if (task_sleep(RETRY_AFTER) < 0)
			break;
	}
	if (d->root != NULL)
		opened(d);
	d->opener = NULL;
	notify_all(&d->tried);
}

void dir_open(struct directory *d)
{
	if (wait_group_spawn(&d->tasks, "directory-open", opener_main, d, &d->opener) < 0)
		err_set(&d->fault, ERR_IO, "no task can be started");
}

enum err dir_enter(struct directory *d, struct dir_root **out, struct error *e)
{
	int64_t deadline = clock_deadline(d->base.timeout_us);

	while (d->root == NULL) {
		int r;

		if (d->fault.text[0] != '\0') {
			*e = d->fault;
			return e->code;
		}
		r = notify_wait(&d->tried, deadline);
		if (r == -ECANCELED)
			return err_set(e, ERR_CANCELED, "cancelled");
		if (r < 0)
			return err_set(e, ERR_TIMEOUT, "path %s does not answer",
			               d->base.config->path);
	}
	usage_add_call(d->base.usage);
	*out = dir_root_use(d->root);
	return ERR_OK;
}
