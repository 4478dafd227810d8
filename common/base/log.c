/* SPDX-License-Identifier: MIT
 *
 * Log lines are built in one static buffer (only the loop's thread logs) and
 * leave with one write(2); between log_hold() and log_release() several leave
 * together. There are two complications. A line that does not fit: its strings
 * are cut, the longest first, to the greatest common length with which it does.
 * And a reader that does not read: a full pipe would stop the process in write(2)
 * for as long, so that it is written to only when there is room.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES (64 * 1024) /* with its newline */
#define STUCK_MS       100         /* how long a reader is waited for: the loop stands still */

struct entry {
	enum log_level level;
	const char *component, *msg;
	const char *event; /* of an audit line, else NULL */
	const struct log_field *fields;
};

static struct {
	int fd;
	pid_t pid; /* of this process; 0: not asked for yet */
	enum log_level level;
	bool may_block; /* no regular file: a reader decides how fast lines are taken */
	bool torn;      /* the last line was cut off in the middle */
	bool stuck;     /* the last line waited in vain: do not wait again until one gets through */
	uint64_t lost;  /* lines since the last one that got through */
} out = {.fd = STDERR_FILENO, .level = LOG_INFO};

static struct {
	char text[1 + LINE_MAX_BYTES]; /* a newline to end a torn line, then lines */
	size_t n;
	size_t held;  /* bytes of whole lines that are not written yet, and the newline */
	size_t lines; /* that these are */
	bool hold;
	bool overflow;
} line = {.text = "\n", .held = 1};

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

static void forget_pid(void)
{
	out.pid = 0;
}

static __attribute__((constructor)) void watch_fork(void)
{
	pthread_atfork(NULL, NULL, forget_pid);
}

void log_init(int fd, enum log_level level)
{
	struct stat st;

	out.fd = fd;
	out.level = level;
	out.may_block = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
	out.torn = out.stuck = false;
}

void log_set_level(enum log_level level)
{
	out.level = level;
}

enum log_level log_get_level(void)
{
	return out.level;
}

bool log_level_parse(struct str name, enum log_level *level)
{
	for (enum log_level i = LOG_DEBUG; i <= LOG_ERROR; i++) {
		if (str_eq_nocase(name, str_of(level_names[i]))) {
			*level = i;
			return true;
		}
	}
	return false;
}

/* --- building --------------------------------------------------------------- */

static void put(const char *p, size_t n)
{
	if (n > sizeof(line.text) - line.n) {
		line.overflow = true;
		return;
	}
	memcpy(line.text + line.n, p, n);
	line.n += n;
}

static void put_cstr(const char *s)
{
	put(s, strlen(s));
}

/* Bytes at the start of s that stand for themselves in JSON. */
static size_t plain_prefix(struct str s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] >= 0x20 && s.p[i] < 0x7F && s.p[i] != '"' && s.p[i] != '\\')
		i++;
	return i;
}

/* Encodes the first character of s (not a plain one); returns its bytes in s. */
static size_t escape(struct str s, char text[8])
{
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	size_t n = str_utf8_len(s);
	const char *at;

	if (n == 0) {
		snprintf(text, 8, "\xEF\xBF\xBD"); /* U+FFFD */
		return 1;
	}
	at = s.p[0] ? strchr(named, s.p[0]) : NULL;
	if (at)
		snprintf(text, 8, "\\%c", letters[at - named]);
	else if (n == 1)
		snprintf(text, 8, "\\u%04x", (unsigned char)s.p[0]);
	else
		*(char *)mempcpy(text, s.p, n) = '\0';
	return n;
}

/* A JSON string; what would need more than cap bytes between the quotes is left out. */
static void put_string(struct str s, size_t cap)
{
	put("\"", 1);
	while (s.n && !line.overflow) {
		size_t used = plain_prefix(s), room = used;
		const char *p = s.p;
		char text[8];

		if (used == 0) {
			used = escape(s, text);
			room = strlen(text);
			p = text;
		} else if (used > cap) {
			used = room = cap;
		}
		if (room > cap || room == 0)
			break;
		put(p, room);
		cap -= room;
		s = str_skip(s, used);
	}
	put("\"", 1);
}

static void put_name(const char *name)
{
	put(",\"", 2);
	put_cstr(name);
	put("\":", 2);
}

/* By hand: half of the time of building a line was snprintf() for its numbers. */
static void put_int(int64_t v)
{
	char text[24], *p = text + sizeof(text);
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	put(p, (size_t)(text + sizeof(text) - p));
}

static void put_field(const struct log_field *f, size_t cap)
{
	if (f->type == LOG_F_STR && !f->s.p)
		return;
	put_name(f->name);
	if (f->type == LOG_F_STR)
		put_string(f->s, cap);
	else if (f->type == LOG_F_INT)
		put_int(f->i);
	else
		put_cstr(f->i ? "true" : "false");
}

static void put_head(const struct entry *e)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(clock_wall(), time);
	put_cstr("{\"time\":\"");
	put_cstr(time);
	put_cstr("\",\"level\":\"");
	put_cstr(level_names[e->level]);
	put_cstr("\",\"msg\":");
	put_string(str_of(e->msg), SIZE_MAX);
	if (e->component) {
		put_name("component");
		put_string(str_of(e->component), SIZE_MAX);
	}
	if (e->event) {
		put_name("audit");
		put_cstr("true");
		put_name("event");
		put_string(str_of(e->event), SIZE_MAX);
	}
}

/* Adds a line to those held, with at most cap bytes for each string; false if
 * that is too long. */
static bool build(const struct entry *e, size_t cap)
{
	line.n = line.held;
	line.overflow = false;
	put_head(e);
	for (const struct log_field *f = e->fields; f->name; f++)
		put_field(f, cap);
	put_name("pid");
	if (out.pid == 0)
		out.pid = getpid();
	put_int(out.pid);
	if (out.lost > 0 && line.lines == 0) {
		put_name("lost_lines");
		put_int((int64_t)out.lost);
	}
	put("}\n", 2);
	return !line.overflow;
}

static bool build_cut(const struct entry *e)
{
	size_t fits = 0, limit = LINE_MAX_BYTES;

	while (fits < limit) {
		size_t mid = (fits + limit + 1) / 2;

		if (build(e, mid))
			fits = mid;
		else
			limit = mid - 1;
	}
	return build(e, fits);
}

/* --- writing ---------------------------------------------------------------- */

/* Waits a little for a slow reader, then gives up, so that a dead one costs the
 * lines and does not stop the service. */
static bool is_writable(void)
{
	struct pollfd p = {.fd = out.fd, .events = POLLOUT};

	out.stuck = poll(&p, 1, out.stuck ? 0 : STUCK_MS) != 1;
	return !out.stuck;
}

/* Bytes written or -1. A writable pipe has room for PIPE_BUF bytes (pipe(7)),
 * more could block. */
static ssize_t write_piece(const char *p, size_t n)
{
	if (!out.may_block)
		return write(out.fd, p, n);
	if (!is_writable())
		return -1;
	return write(out.fd, p, n < PIPE_BUF ? n : PIPE_BUF);
}

/* False when something is left. Errors are ignored: there is nobody to tell. */
static bool write_all(const char *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write_piece(p + done, n - done);

		if (r > 0)
			done += (size_t)r;
		else if (r == 0 || out.stuck || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (done > 0)
		out.torn = done < n;
	return done == n;
}

static void write_held(void)
{
	size_t skip = out.torn ? 0 : 1;

	if (line.lines > 0)
		out.lost =
			write_all(line.text + skip, line.held - skip) ? 0 : out.lost + line.lines;
	line.held = 1;
	line.lines = 0;
}

/* A pipe takes up to PIPE_BUF bytes in one piece: lines are written together
 * only up to there, so that holding never tears one that would have been whole. */
static void emit(const struct entry *e)
{
	int saved = errno;
	bool fits = build(e, SIZE_MAX);

	if (line.lines > 0 && (!fits || line.n > PIPE_BUF)) {
		write_held();
		fits = build(e, SIZE_MAX);
	}
	if (fits || build_cut(e)) {
		line.held = line.n;
		line.lines++;
	}
	if (!line.hold)
		write_held();
	errno = saved;
}

void log_hold(void)
{
	line.hold = true;
}

void log_release(void)
{
	int saved = errno;

	line.hold = false;
	write_held();
	errno = saved;
}

void log_write(enum log_level level, const char *component, const char *msg,
               const struct log_field *fields)
{
	const struct entry e = {
		.level = level, .component = component, .msg = msg, .fields = fields};

	if (level >= out.level)
		emit(&e);
}

void log_audit(const char *component, const char *event, const struct log_field *fields)
{
	const struct entry e = {.level = LOG_INFO,
	                        .component = component,
	                        .msg = "audit",
	                        .event = event,
	                        .fields = fields};

	emit(&e);
}
