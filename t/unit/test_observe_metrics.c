/* SPDX-License-Identifier: MIT
 *
 * Metrics in shared memory: counting in several processes, dead ones, the page.
 */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "observe/metrics.h"
#include "t/unit/run.h"

#define SLOTS    4
#define BACKENDS 2

static const char *const names[BACKENDS] = {"disk-1", "od\"d\\"};
static void *memory;

static void setup(void)
{
	size_t size = metrics_size(SLOTS, BACKENDS);

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	metrics_attach(memory, SLOTS, BACKENDS, names);
}

static void teardown(void)
{
	munmap(memory, metrics_size(SLOTS, BACKENDS));
	metrics_attach(NULL, 0, 0, NULL);
}

static char *page(char by)
{
	struct buf b = {0};

	metrics_render(&b, by);
	buf_add_char(&b, '\0');
	return b.p;
}

static void expect_line(char by, const char *line, bool there)
{
	char *p = page(by);
	char text[256];

	snprintf(text, sizeof(text), "\n%s\n", line);
	ck_assert_msg((strstr(p, text) != NULL) == there, "%s: %s in\n%s", line,
	              there ? "not" : "unexpectedly", p);
	free(p);
}

START_TEST(without_a_region_nothing_happens)
{
	metrics_attach(NULL, 0, 0, NULL);
	metrics_use_slot(3);
	metrics_inc(METRIC_REQUESTS, METRIC_METHOD_GET, METRIC_CODE_200, METRIC_NONE);
	metrics_set(METRIC_CLEANUP_DEPTH, METRIC_NONE, METRIC_NONE, METRIC_NONE, 5);
	metrics_gauge_add(METRIC_INFLIGHT, METRIC_METHOD_GET, METRIC_NONE, METRIC_NONE, 1);
	metrics_observe(METRIC_REQUEST_DURATION, METRIC_METHOD_GET, METRIC_NONE, 1);
	metrics_retire_slot(3);
	ck_assert_uint_eq(metrics_sum(METRIC_REQUESTS, 0, 0, 0), 0);
	char *p = page('P');
	ck_assert_str_eq(p, "");
	free(p);
}
END_TEST

START_TEST(closed_sets_start_at_zero)
{
	metrics_use_slot(0);
	expect_line('P', "s3o_requests_total{method=\"PATCH\",status_code=\"507\"} 0", true);
	expect_line('P', "s3o_early_rejections_total 0", true);
	expect_line('P', "s3o_request_duration_seconds_bucket{method=\"GET\",le=\"+Inf\"} 0", true);
	expect_line('P', "s3o_quota_bytes_used{backend=\"disk-1\"} 0", true);
	expect_line('P', "s3o_circuit_breaker_state{name=\"database\"} 0", true);
	expect_line('P', "s3o_circuit_breaker_state{name=\"od\\\"d\\\\\"} 0", true);
	expect_line('P', "# TYPE s3o_inflight_requests gauge", true);
	expect_line('P', "# TYPE s3o_backend_duration_seconds histogram", true);
	/* not zero by itself, or another daemon's */
	char *p = page('P');
	ck_assert_ptr_null(strstr(p, "\ns3o_backend_requests_total{"));
	ck_assert_ptr_null(strstr(p, "s3o_worker_"));
	free(p);
	p = page('W');
	ck_assert_ptr_null(strstr(p, "s3o_requests_total"));
	ck_assert_ptr_null(strstr(p, "\ns3o_worker_last_success_timestamp_seconds{"));
	ck_assert_ptr_nonnull(strstr(
		p, "\ns3o_worker_ticks_total{service=\"cleanup_queue\",result=\"skipped\"} 0\n"));
	free(p);
}
END_TEST

START_TEST(labels_lead_to_their_own_cells)
{
	metrics_use_slot(1);
	metrics_add(METRIC_MANAGER_REQUESTS, METRIC_OPERATION_PUT, METRIC_BACKEND_OR_NONE(1),
	            METRIC_RESULT_ERROR, 7);
	metrics_inc(METRIC_MANAGER_REQUESTS, METRIC_OPERATION_LIST, METRIC_BACKEND_OR_NONE(-1),
	            METRIC_RESULT_SUCCESS);
	metrics_inc(METRIC_WRITE_FAILOVER, METRIC_WRITE_COPY, 1, 0);
	metrics_set(METRIC_QUOTA_USED, 1, METRIC_NONE, METRIC_NONE, 4096);
	metrics_set(METRIC_QUOTA_AVAILABLE, 0, METRIC_NONE, METRIC_NONE, -3);
	expect_line('P',
	            "s3o_manager_requests_total{operation=\"PutObject\",backend=\"od\\\"d\\\\\","
	            "status=\"error\"} 7",
	            true);
	expect_line('P',
	            "s3o_manager_requests_total{operation=\"ListObjects\",backend=\"\","
	            "status=\"success\"} 1",
	            true);
	expect_line('P',
	            "s3o_write_failover_total{operation=\"CopyObject\","
	            "failed_backend=\"od\\\"d\\\\\",success_backend=\"disk-1\"} 1",
	            true);
	expect_line('W', "s3o_quota_bytes_available{backend=\"disk-1\"} -3", true);
	ck_assert_uint_eq(metrics_sum(METRIC_WRITE_FAILOVER, METRIC_WRITE_COPY, 1, 0), 1);
	ck_assert_uint_eq(metrics_sum(METRIC_WRITE_FAILOVER, METRIC_WRITE_COPY, 0, 1), 0);
}
END_TEST

START_TEST(histograms_are_cumulative)
{
	metrics_use_slot(2);
	metrics_observe(METRIC_REQUEST_DURATION, METRIC_METHOD_PUT, METRIC_NONE, .005);
	metrics_observe(METRIC_REQUEST_DURATION, METRIC_METHOD_PUT, METRIC_NONE, .75);
	metrics_observe(METRIC_REQUEST_DURATION, METRIC_METHOD_PUT, METRIC_NONE, 1000);
	metrics_observe(METRIC_REQUEST_SIZE, METRIC_METHOD_PUT, METRIC_NONE, 268435456);
	expect_line('P', "s3o_request_duration_seconds_bucket{method=\"PUT\",le=\"0.005\"} 1",
	            true);
	expect_line('P', "s3o_request_duration_seconds_bucket{method=\"PUT\",le=\"0.5\"} 1", true);
	expect_line('P', "s3o_request_duration_seconds_bucket{method=\"PUT\",le=\"1\"} 2", true);
	expect_line('P', "s3o_request_duration_seconds_bucket{method=\"PUT\",le=\"60\"} 2", true);
	expect_line('P', "s3o_request_duration_seconds_bucket{method=\"PUT\",le=\"+Inf\"} 3", true);
	expect_line('P', "s3o_request_duration_seconds_sum{method=\"PUT\"} 1000.755", true);
	expect_line('P', "s3o_request_duration_seconds_count{method=\"PUT\"} 3", true);
	expect_line('P', "s3o_request_size_bytes_bucket{method=\"PUT\",le=\"67108864\"} 0", true);
	expect_line('P', "s3o_request_size_bytes_bucket{method=\"PUT\",le=\"268435456\"} 1", true);
	ck_assert_uint_eq(
		metrics_sum(METRIC_REQUEST_DURATION, METRIC_METHOD_PUT, METRIC_NONE, METRIC_NONE),
		3);
}
END_TEST

START_TEST(dead_children_leave_their_totals)
{
	metrics_use_slot(3);
	metrics_add(METRIC_EARLY_REJECTIONS, METRIC_NONE, METRIC_NONE, METRIC_NONE, 5);
	metrics_observe(METRIC_REQUEST_DURATION, METRIC_METHOD_GET, METRIC_NONE, .25);
	metrics_gauge_add(METRIC_INFLIGHT, METRIC_METHOD_GET, METRIC_NONE, METRIC_NONE, 2);
	for (int i = 0; i < 3; i++) {
		metrics_retire_slot(3);
		metrics_use_slot(3);
		metrics_add(METRIC_EARLY_REJECTIONS, METRIC_NONE, METRIC_NONE, METRIC_NONE, 1);
		metrics_observe(METRIC_REQUEST_DURATION, METRIC_METHOD_GET, METRIC_NONE, .5);
	}
	expect_line('P', "s3o_early_rejections_total 8", true);
	expect_line('P', "s3o_request_duration_seconds_sum{method=\"GET\"} 1.75", true);
	expect_line('P', "s3o_request_duration_seconds_count{method=\"GET\"} 4", true);
	expect_line('P', "s3o_inflight_requests{method=\"GET\"} 0", true);
}
END_TEST

/* Children count and die while the page is read: a total never goes back. */
START_TEST(totals_never_go_back)
{
	enum { ROUNDS = 300, COUNT = 50 };
	atomic_int *done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE,
	                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t last = 0, total;
	int status;
	pid_t supervisor = fork();

	if (supervisor == 0) {
		for (int i = 0; i < ROUNDS; i++) {
			pid_t child = fork();

			if (child == 0) {
				metrics_use_slot(i % SLOTS);
				for (int n = 0; n < COUNT; n++)
					metrics_inc(METRIC_EARLY_REJECTIONS, METRIC_NONE,
					            METRIC_NONE, METRIC_NONE);
				kill(getpid(), SIGKILL);
			}
			waitpid(child, NULL, 0);
			metrics_retire_slot(i % SLOTS);
		}
		atomic_store(done, 1);
		_exit(0);
	}
	do {
		total = metrics_sum(METRIC_EARLY_REJECTIONS, METRIC_NONE, METRIC_NONE, METRIC_NONE);
		ck_assert_uint_ge(total, last);
		last = total;
	} while (atomic_load(done) == 0);
	ck_assert_int_eq(waitpid(supervisor, &status, 0), supervisor);
	ck_assert_uint_eq(
		metrics_sum(METRIC_EARLY_REJECTIONS, METRIC_NONE, METRIC_NONE, METRIC_NONE),
		ROUNDS * COUNT);
	munmap(done, sizeof(*done));
}
END_TEST

START_TEST(unlisted_values_are_other)
{
	ck_assert_int_eq(metrics_method(STR("GET")), METRIC_METHOD_GET);
	ck_assert_int_eq(metrics_method(STR("get")), METRIC_METHOD_OTHER);
	ck_assert_int_eq(metrics_method(STR_NULL), METRIC_METHOD_OTHER);
	ck_assert_int_eq(metrics_status(206), METRIC_CODE_206);
	ck_assert_int_eq(metrics_status(299), METRIC_CODE_OTHER);
	ck_assert_int_eq(metrics_status(-1), METRIC_CODE_OTHER);
	ck_assert_int_eq(metrics_status(100000), METRIC_CODE_OTHER);
	ck_assert_int_eq(metrics_event(STR("s3.PutObject")), METRIC_EVENT_S3_PUT_OBJECT);
	ck_assert_int_eq(metrics_event(STR("s3.Nonsense")), METRIC_EVENT_OTHER);
}
END_TEST

static double value_of(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	ck_assert_ptr_nonnull(p);
	return strtod(strchr(p, '}') + 1, NULL);
}

START_TEST(processes_are_summed)
{
	pid_t self = getpid(), twice[] = {self, self, 999999999};
	struct buf b = {0}, c = {0};

	metrics_render_processes(&b, "proxyd", &self, 1);
	metrics_render_processes(&c, "proxyd", twice, 3);
	buf_add_char(&b, '\0');
	buf_add_char(&c, '\0');
	double rss = value_of(b.p, "\nprocess_resident_memory_bytes{role=\"proxyd\"}");
	ck_assert(rss > 100000);
	ck_assert(value_of(c.p, "\nprocess_resident_memory_bytes{") >= 2 * rss);
	ck_assert(value_of(b.p, "\nprocess_max_fds{") == value_of(c.p, "\nprocess_max_fds{"));
	ck_assert(value_of(b.p, "\nprocess_open_fds{") >= 3);
	double age = (double)time(NULL) - value_of(b.p, "\nprocess_start_time_seconds{");
	ck_assert(age > -2 && age < 300);
	buf_free(&b);
	buf_free(&c);
}
END_TEST

/* Every family has HELP and TYPE before its first sample, once. */
START_TEST(page_is_well_formed)
{
	static const char daemons[] = "PW";

	metrics_use_slot(0);
	for (const char *by = daemons; *by != '\0'; by++) {
		char *p = page(*by), *rest = p, *line, family[128] = "";
		int helps = 0, types = 0;

		while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
			if (sscanf(line, "# HELP %127s", family) == 1) {
				helps++;
			} else if (strncmp(line, "# TYPE ", 7) == 0) {
				ck_assert(strncmp(line + 7, family, strlen(family)) == 0);
				types++;
			} else {
				ck_assert_msg(strncmp(line, family, strlen(family)) == 0, "%s",
				              line);
				ck_assert_ptr_nonnull(strchr(line, ' '));
			}
		}
		ck_assert_int_gt(helps, 15);
		ck_assert_int_eq(helps, types);
		free(p);
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("metrics");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, without_a_region_nothing_happens);
	tcase_add_test(t, closed_sets_start_at_zero);
	tcase_add_test(t, labels_lead_to_their_own_cells);
	tcase_add_test(t, histograms_are_cumulative);
	tcase_add_test(t, dead_children_leave_their_totals);
	tcase_add_test(t, totals_never_go_back);
	tcase_add_test(t, unlisted_values_are_other);
	tcase_add_test(t, processes_are_summed);
	tcase_add_test(t, page_is_well_formed);
	return run_tests("metrics", t);
}
