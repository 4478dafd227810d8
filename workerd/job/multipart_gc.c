/* SPDX-License-Identifier: MIT
 *
 * Stale uploads: aborts those that were begun too long ago and never completed. To abort is
 * one transaction, which hands the parts to the clean-up queue; an upload that is completed
 * at that moment is either complete or aborted, not both.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "store/uploads.h"
#include "workerd/job.h"
#include "workerd/worker.h"

#define COMPONENT "multipart_cleanup"

/* Advisory lock of this job. */
#define LOCK 1004

#define INTERVAL (3600 * CLOCK_SEC)

#define BATCH 100 /* uploads */

static int64_t interval(const struct config *c)
{
	int64_t age = c->cleanup_queue.multipart_stale_timeout;

	return age < INTERVAL ? age : INTERVAL;
}

/* True when it is gone, whoever has ended it. */
static bool abort_one(struct pass *p, const struct store_upload *u)
{
	uint64_t copies;
	struct error e;
	enum err r = store_upload_abort(p->setup->store, u->o.bucket, u->o.key, str_of(u->id),
	                                &copies, &e);

	stop_point("upload-aborted");
	if (r == ERR_OK || r == ERR_NO_UPLOAD)
		return true;
	log_warn(COMPONENT, "upload not aborted", LOG_STR("request_id", p->request_id),
	         LOG_S("bucket", u->o.bucket), LOG_S("key", u->o.key), LOG_STR("upload_id", u->id),
	         LOG_STR("error", e.text));
	return false;
}

static enum err run(struct pass *p, struct error *e)
{
	int64_t age = p->setup->config->cleanup_queue.multipart_stale_timeout;
	struct store_upload *stale;
	uint64_t total;
	size_t n, cleaned = 0;
	enum err r =
		store_upload_stale(p->setup->store, age, BATCH, p->arena, &stale, &n, &total, e);

	if (r != ERR_OK || n == 0)
		return r;
	for (size_t i = 0; i < n && !pass_must_stop(p); i++)
		cleaned += abort_one(p, &stale[i]);
	p->items = cleaned;
	p->again = cleaned == BATCH;
	audit(COMPONENT, "storage.MultipartCleanup",
	      LOG_FIELDS(LOG_STR("request_id", p->request_id), LOG_INT("cleaned", cleaned),
	                 LOG_INT("total_stale", total)));
	return ERR_OK;
}

const struct job job_multipart_gc = {
	.slug = COMPONENT,
	.lock = LOCK,
	.service = METRIC_SERVICE_MULTIPART_CLEANUP,
	.interval = interval,
	.run = run,
};
