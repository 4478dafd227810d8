/* SPDX-License-Identifier: MIT
 *
 * adminctl top: what happens at this moment, on a screen that is drawn anew every two
 * seconds; once, over one such interval, when the output is no terminal. Rates are the
 * differences of two pages of metrics.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "adminctl/daemons.h"
#include "adminctl/print.h"
#include "adminctl/samples.h"
#include "base/clock.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define INTERVAL_MS 2000

/* Control sequences of terminals: ECMA-48, and private modes of xterm. */
#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define SCREEN_REST  "\033[J"

struct snapshot {
	int64_t at; /* monotonic */
	struct buf pages[DAEMONS];
	json_t *status; /* of both */
};

static void snapshot_free(struct snapshot *s)
{
	for (int d = 0; d < DAEMONS; d++)
		buf_free(&s->pages[d]);
	json_decref(s->status);
	*s = (struct snapshot){.at = 0};
}

/* A daemon that does not answer is shown as such. */
static enum exit_code take(const struct admin *a, struct snapshot *s)
{
	const struct question q = {"GET", "/admin/api/status", NULL, ASK_TIMEOUT};

	for (int d = 0; d < (a->addr ? 1 : DAEMONS); d++) /* there is one at an address */
		daemon_fetch(a, (enum daemon)d, "/metrics", &s->pages[d]);
	s->at = clock_mono();
	return daemons_ask(a, &q, &s->status);
}

/* --- rates --------------------------------------------------------------------------------- */

struct interval {
	const struct snapshot *before, *after;
	double seconds;
};

/* How much a sum over both daemons has grown. One that was started anew begins at 0. */
static double growth(const struct interval *i, const char *name, const char *label,
                     const char *other)
{
	double sum = 0;

	for (int d = 0; d < DAEMONS; d++) {
		double before = samples_sum(buf_str(&i->before->pages[d]), name, label, other);
		double after = samples_sum(buf_str(&i->after->pages[d]), name, label, other);

		sum += after >= before ? after - before : after;
	}
	return sum;
}

static void set_rate(json_t *o, const char *member, double n, const struct interval *i)
{
	json_object_set_new(o, member, json_real(n / i->seconds));
}

/* Milliseconds; absent when there was nothing. */
static void set_ms(json_t *o, const char *member, double seconds)
{
	if (seconds >= 0)
		json_object_set_new(o, member, json_real(seconds * 1000));
}

static void set_mean(json_t *o, const struct interval *i, const char *sum, const char *count,
                     const char *label)
{
	double n = growth(i, count, label, "");

	set_ms(o, "mean_ms", n > 0 ? growth(i, sum, label, "") / n : -1);
}

/* Only codes of three digits: "status_code=\"5". */
static json_t *requests_json(const struct interval *i, const char *method)
{
	static const char base[] = "s3o_request_duration_seconds";
	char label[64] = "";
	struct str before = buf_str(&i->before->pages[PROXYD]),
		   after = buf_str(&i->after->pages[PROXYD]);
	json_t *o = json_object();

	if (*method)
		snprintf(label, sizeof label, "method=\"%s\"", method);
	json_object_set_new(o, "method", json_string(*method ? method : "all"));
	set_rate(o, "per_second", growth(i, "s3o_requests_total", label, ""), i);
	set_rate(o, "client_errors_per_second",
	         growth(i, "s3o_requests_total", label, "status_code=\"4"), i);
	set_rate(o, "server_errors_per_second",
	         growth(i, "s3o_requests_total", label, "status_code=\"5"), i);
	json_object_set_new(
		o, "in_progress",
		json_integer((json_int_t)samples_sum(after, "s3o_inflight_requests", label, "")));
	set_rate(o, "received_bytes_per_second", growth(i, "s3o_request_size_bytes_sum", label, ""),
	         i);
	set_rate(o, "sent_bytes_per_second", growth(i, "s3o_response_size_bytes_sum", label, ""),
	         i);
	set_mean(o, i, "s3o_request_duration_seconds_sum", "s3o_request_duration_seconds_count",
	         label);
	set_ms(o, "p50_ms", samples_quantile(before, after, base, label, 0.5));
	set_ms(o, "p99_ms", samples_quantile(before, after, base, label, 0.99));
	return o;
}

static json_t *all_requests(const struct interval *i)
{
	static const char *const methods[] = {"", "GET", "HEAD", "PUT", "POST", "DELETE"};
	json_t *list = json_array();

	for (size_t k = 0; k < COUNT(methods); k++) {
		json_t *o = requests_json(i, methods[k]);

		if (k == 0 || json_real_value(json_object_get(o, "per_second")) > 0)
			json_array_append(list, o);
		json_decref(o);
	}
	return list;
}

/* What proxyd tells about it, and the calls of both. */
static json_t *backend_json(const struct interval *i, const json_t *status)
{
	json_t *o = json_copy((json_t *)status);
	char label[300];

	snprintf(label, sizeof label, "backend=\"%s\"", member_text(status, "name"));
	set_rate(o, "calls_per_second", growth(i, "s3o_backend_requests_total", label, ""), i);
	set_rate(o, "errors_per_second",
	         growth(i, "s3o_backend_requests_total", label, "status=\"error\""), i);
	set_mean(o, i, "s3o_backend_duration_seconds_sum", "s3o_backend_duration_seconds_count",
	         label);
	return o;
}

static json_t *all_backends(const struct interval *i)
{
	const json_t *proxyd = json_object_get(i->after->status, "proxyd");
	json_t *list = json_array(), *b;
	size_t n;

	json_array_foreach(json_object_get(proxyd, "backends"), n, b)
		json_array_append_new(list, backend_json(i, b));
	return list;
}

static json_t *measure(const struct snapshot *before, const struct snapshot *after)
{
	struct interval i = {before, after, (double)(after->at - before->at) / CLOCK_SEC};
	json_t *o = json_object();

	json_object_set_new(o, "seconds", json_real(i.seconds));
	json_object_set_new(o, "requests", all_requests(&i));
	json_object_set_new(o, "backends", all_backends(&i));
	json_object_set(o, "proxyd", json_object_get(after->status, "proxyd"));
	json_object_set(o, "workerd", json_object_get(after->status, "workerd"));
	return o;
}

/* --- the screen ----------------------------------------------------------------------------- */

void show_top(const json_t *r)
{
	static const struct print_column requests[] = {
		{"REQUESTS", "method", PRINT_TEXT},
		{"PER SECOND", "per_second", PRINT_RATE},
		{"4XX", "client_errors_per_second", PRINT_RATE},
		{"5XX", "server_errors_per_second", PRINT_RATE},
		{"NOW", "in_progress", PRINT_COUNT},
		{"RECEIVED/S", "received_bytes_per_second", PRINT_BYTES},
		{"SENT/S", "sent_bytes_per_second", PRINT_BYTES},
		{"MEAN MS", "mean_ms", PRINT_RATE},
		{"P50", "p50_ms", PRINT_RATE},
		{"P99", "p99_ms", PRINT_RATE},
	};
	static const struct print_column backends[] = {
		{"BACKEND", "name", PRINT_TEXT},
		{"CALLS/S", "calls_per_second", PRINT_RATE},
		{"ERRORS/S", "errors_per_second", PRINT_RATE},
		{"MEAN MS", "mean_ms", PRINT_RATE},
		{"USED", "bytes_used", PRINT_BYTES},
		{"LIMIT", "bytes_limit", PRINT_LIMIT},
		{"OBJECTS", "object_count", PRINT_COUNT},
		{"BREAKER", "breaker", PRINT_TEXT},
		{"DRAINING", "draining", PRINT_TEXT},
	};

	show_daemons(r);
	putchar('\n');
	print_table(json_object_get(r, "requests"), requests, COUNT(requests));
	putchar('\n');
	print_table(json_object_get(r, "backends"), backends, COUNT(backends));
	show_queues_and_jobs(r);
}

static int rows_of_screen(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 2 ? w.ws_row : 24;
}

/* What does not fit is left out at the bottom: the screen must not scroll. */
static void put_lines(struct str text, int max)
{
	for (int n = 0; n < max && text.n > 0; n++) {
		struct str line = str_cut(text, '\n', &text);

		printf("%.*s\n", STR_FMT(line));
	}
}

/* Everything in one go, so that nothing flickers. */
static void draw(const json_t *r)
{
	FILE *terminal = stdout;
	char *text = NULL;
	size_t n;

	stdout = open_memstream(&text, &n); /* a variable in glibc: printers write there */
	if (!stdout)
		abort();
	show_top(r);
	fclose(stdout);
	stdout = terminal;
	fputs(SCREEN_HOME SCREEN_REST, stdout);
	put_lines(str_n(text, n), rows_of_screen() - 1);
	fputs("q: quit", stdout);
	fflush(stdout);
	free(text);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* False: the user has seen enough. */
static bool wait_for_next(bool keys)
{
	struct pollfd in = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
	int64_t end = clock_mono() + INTERVAL_MS * CLOCK_MS, left;
	char key;

	while (!interrupted && (left = (end - clock_mono()) / CLOCK_MS) > 0) {
		if (poll(&in, 1, (int)left) <= 0)
			continue;
		if (read(in.fd, &key, 1) <= 0)
			in.fd = -1; /* nobody types any more */
		else if (key == 'q' || key == 'Q')
			return false;
	}
	return !interrupted;
}

static void live(const struct admin *a, struct snapshot *before)
{
	struct snapshot after = {.at = 0};

	while (wait_for_next(true)) {
		json_t *r;

		take(a, &after);
		r = measure(before, &after);
		draw(r);
		json_decref(r);
		snapshot_free(before);
		*before = after;
		after = (struct snapshot){.at = 0};
	}
}

/* Keys come one by one, unseen; what was set before comes back. */
static void on_terminal(const struct admin *a, struct snapshot *before)
{
	struct sigaction end = {.sa_handler = on_signal};
	struct termios was, raw;
	bool keys = tcgetattr(STDIN_FILENO, &was) == 0;

	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	if (keys) {
		raw = was;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs(SCREEN_ENTER SCREEN_HOME, stdout);
	fflush(stdout);
	live(a, before);
	fputs(SCREEN_LEAVE, stdout);
	fflush(stdout);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &was);
}

enum exit_code cmd_top(struct admin *a, json_t **out)
{
	struct snapshot before = {.at = 0}, after = {.at = 0};
	enum exit_code code = EXIT_DONE;
	struct error e;

	if (daemons_locate(a, &e) != ERR_OK) {
		fprintf(stderr, "adminctl: %s\n", e.text);
		return EXIT_ERROR;
	}
	take(a, &before);
	if (isatty(STDOUT_FILENO) && !a->json) {
		on_terminal(a, &before);
	} else if (wait_for_next(false)) {
		code = take(a, &after);
		*out = measure(&before, &after);
	}
	snapshot_free(&before);
	snapshot_free(&after);
	return code;
}
