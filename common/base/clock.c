/* SPDX-License-Identifier: MIT
 *
 * Time and its text forms. Own calendar arithmetic instead of strftime() and
 * timegm(): it is independent of locale and TZ and several times cheaper. Each
 * form keeps the last second it formatted, because a server formats the same
 * second thousands of times.
 */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#define DAY_SEC INT64_C(86400)

/* What four digits of year can say: 0000-01-01T00:00:00Z to 9999-12-31T23:59:59Z. */
#define FIRST_SEC INT64_C(-62167219200)
#define LAST_SEC  INT64_C(253402300799)

struct civil {
	int year, month, day, hour, minute, second; /* month and day from 1 */
	int weekday;                                /* 0 is Sunday */
};

struct cached {
	bool valid;
	int64_t sec;
	char text[CLOCK_HTTP_SIZE]; /* the longest form */
};

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekdays[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                     "Thursday", "Friday", "Saturday"};

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * CLOCK_SEC + ts.tv_nsec / 1000;
}

int64_t clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_deadline(int64_t us)
{
	int64_t t;

	if (__builtin_add_overflow(clock_mono(), us, &t))
		return CLOCK_NEVER;
	return t;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. Years
 * are counted from March, so that the leap day is the last day of a year; an
 * era is 400 years, 146097 days (H. Hinnant, chrono-compatible date algorithms). */
static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, struct civil *c)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	c->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c->year = (int)(yoe + era * 400) + (c->month <= 2);
	c->weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

static void civil_from_sec(int64_t sec, struct civil *c)
{
	int64_t days = sec / DAY_SEC, rest = sec % DAY_SEC;

	if (rest < 0) {
		rest += DAY_SEC;
		days--;
	}
	civil_from_days(days, c);
	c->hour = (int)(rest / 3600);
	c->minute = (int)(rest / 60 % 60);
	c->second = (int)(rest % 60);
}

/* Whole seconds (rounded down, within what can be formatted) and the rest. */
static int64_t split(int64_t wall, int *micros)
{
	int64_t sec = wall / CLOCK_SEC, rest = wall % CLOCK_SEC;

	if (rest < 0) {
		rest += CLOCK_SEC;
		sec--;
	}
	*micros = (int)rest;
	return sec < FIRST_SEC ? FIRST_SEC : sec > LAST_SEC ? LAST_SEC : sec;
}

static char *put_digits(char *p, int v, int width)
{
	for (int i = width - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + width;
}

static char *put_text(char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

static char *put_date(char *p, const struct civil *c, const char *sep)
{
	p = put_text(put_digits(p, c->year, 4), sep, strlen(sep));
	p = put_text(put_digits(p, c->month, 2), sep, strlen(sep));
	return put_digits(p, c->day, 2);
}

static char *put_time(char *p, const struct civil *c, const char *sep)
{
	p = put_text(put_digits(p, c->hour, 2), sep, strlen(sep));
	p = put_text(put_digits(p, c->minute, 2), sep, strlen(sep));
	return put_digits(p, c->second, 2);
}

static void fill_http(char *p, const struct civil *c)
{
	p = put_text(put_text(p, weekdays[c->weekday], 3), ", ", 2);
	p = put_text(put_digits(p, c->day, 2), " ", 1);
	p = put_text(put_text(p, months[c->month - 1], 3), " ", 1);
	p = put_text(put_digits(p, c->year, 4), " ", 1);
	put_text(put_time(p, c, ":"), " GMT", 5);
}

static void fill_amz(char *p, const struct civil *c)
{
	p = put_text(put_date(p, c, ""), "T", 1);
	put_text(put_time(p, c, ""), "Z", 2);
}

static void fill_iso(char *p, const struct civil *c)
{
	p = put_text(put_date(p, c, "-"), "T", 1);
	put_text(put_time(p, c, ":"), ".000Z", 6);
}

static const char *cached_text(struct cached *last, int64_t sec,
                               void (*fill)(char *, const struct civil *))
{
	struct civil c;

	if (!last->valid || last->sec != sec) {
		civil_from_sec(sec, &c);
		fill(last->text, &c);
		last->sec = sec;
		last->valid = true;
	}
	return last->text;
}

void clock_format_http(int64_t wall, char out[CLOCK_HTTP_SIZE])
{
	static _Thread_local struct cached last;
	int micros;

	memcpy(out, cached_text(&last, split(wall, &micros), fill_http), CLOCK_HTTP_SIZE);
}

void clock_format_amz(int64_t wall, char out[CLOCK_AMZ_SIZE])
{
	static _Thread_local struct cached last;
	int micros;

	memcpy(out, cached_text(&last, split(wall, &micros), fill_amz), CLOCK_AMZ_SIZE);
}

void clock_format_s3(int64_t wall, char out[CLOCK_S3_SIZE])
{
	static _Thread_local struct cached last;
	int micros;

	memcpy(out, cached_text(&last, split(wall, &micros), fill_iso), CLOCK_S3_SIZE);
}

void clock_format_rfc3339(int64_t wall, char out[CLOCK_RFC3339_SIZE])
{
	static _Thread_local struct cached last;
	int micros;
	const char *text = cached_text(&last, split(wall, &micros), fill_iso);
	char *p = put_text(out, text, sizeof("2026-04-01T10:00:00.") - 1);

	put_text(put_digits(p, micros, 6), "Z", 2);
}

/* --- reading ---------------------------------------------------------------
 *
 * Each take_*() removes something from the front of *s, or returns false. */

static bool take_char(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

static bool take_text(struct str *s, const char *text)
{
	if (!str_starts(*s, str_of(text)))
		return false;
	*s = str_skip(*s, strlen(text));
	return true;
}

static bool take_digits(struct str *s, size_t width, int *v)
{
	uint64_t x;

	if (s->n < width || !str_to_u64(str_n(s->p, width), &x))
		return false;
	*v = (int)x;
	*s = str_skip(*s, width);
	return true;
}

static bool take_month(struct str *s, int *month)
{
	for (int i = 0; i < 12; i++) {
		if (take_text(s, months[i])) {
			*month = i + 1;
			return true;
		}
	}
	return false;
}

/* A weekday; whether it is the right one for the date does not matter. */
static bool take_weekday(struct str *s, bool *full)
{
	for (int i = 0; i < 7; i++) {
		*full = take_text(s, weekdays[i]);
		if (*full)
			return true;
		if (str_starts(*s, str_n(weekdays[i], 3))) {
			*s = str_skip(*s, 3);
			return true;
		}
	}
	return false;
}

static bool take_hms(struct str *s, struct civil *c)
{
	return take_digits(s, 2, &c->hour) && take_char(s, ':') && take_digits(s, 2, &c->minute) &&
	       take_char(s, ':') && take_digits(s, 2, &c->second);
}

static int days_in_month(int year, int month)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Second 60 is a leap second: it counts as the first of the next minute. */
static bool to_wall(const struct civil *c, int64_t *wall)
{
	if (c->month < 1 || c->month > 12 || c->day < 1 ||
	    c->day > days_in_month(c->year, c->month) || c->hour > 23 || c->minute > 59 ||
	    c->second > 60)
		return false;
	*wall = (days_from_civil(c->year, c->month, c->day) * DAY_SEC + c->hour * 3600 +
	         c->minute * 60 + c->second) *
	        CLOCK_SEC;
	return true;
}

/* RFC 9110 5.6.7: a two-digit year more than 50 years ahead is in the past. */
static int full_year(int two_digits)
{
	struct civil now;
	int year;

	civil_from_sec(clock_wall() / CLOCK_SEC, &now);
	year = now.year - now.year % 100 + two_digits;
	return year > now.year + 50 ? year - 100 : year;
}

/* " 06 Nov 1994 08:49:37 GMT" */
static bool parse_imf(struct str s, struct civil *c)
{
	return take_char(&s, ' ') && take_digits(&s, 2, &c->day) && take_char(&s, ' ') &&
	       take_month(&s, &c->month) && take_char(&s, ' ') && take_digits(&s, 4, &c->year) &&
	       take_char(&s, ' ') && take_hms(&s, c) && take_text(&s, " GMT") && s.n == 0;
}

/* " 06-Nov-94 08:49:37 GMT" */
static bool parse_rfc850(struct str s, struct civil *c)
{
	bool ok = take_char(&s, ' ') && take_digits(&s, 2, &c->day) && take_char(&s, '-') &&
	          take_month(&s, &c->month) && take_char(&s, '-') && take_digits(&s, 2, &c->year) &&
	          take_char(&s, ' ') && take_hms(&s, c) && take_text(&s, " GMT") && s.n == 0;

	if (ok)
		c->year = full_year(c->year);
	return ok;
}

/* " Nov  6 08:49:37 1994" */
static bool parse_asctime(struct str s, struct civil *c)
{
	return take_char(&s, ' ') && take_month(&s, &c->month) && take_char(&s, ' ') &&
	       take_digits(&s, take_char(&s, ' ') ? 1 : 2, &c->day) && take_char(&s, ' ') &&
	       take_hms(&s, c) && take_char(&s, ' ') && take_digits(&s, 4, &c->year) && s.n == 0;
}

bool clock_parse_http(struct str s, int64_t *wall)
{
	struct civil c = {0};
	bool full, ok;

	s = str_trim(s);
	if (!take_weekday(&s, &full))
		return false;
	if (take_char(&s, ','))
		ok = full ? parse_rfc850(s, &c) : parse_imf(s, &c);
	else
		ok = !full && parse_asctime(s, &c);
	return ok && to_wall(&c, wall);
}

bool clock_parse_amz(struct str s, int64_t *wall)
{
	struct civil c = {0};

	return take_digits(&s, 4, &c.year) && take_digits(&s, 2, &c.month) &&
	       take_digits(&s, 2, &c.day) && take_char(&s, 'T') && take_digits(&s, 2, &c.hour) &&
	       take_digits(&s, 2, &c.minute) && take_digits(&s, 2, &c.second) &&
	       take_char(&s, 'Z') && s.n == 0 && to_wall(&c, wall);
}

/* ".123456789": 1 to 9 digits, those after the sixth do not count. */
static bool take_fraction(struct str *s, int64_t *micros)
{
	int64_t unit = CLOCK_SEC;
	int digit, n = 0;

	*micros = 0;
	if (!take_char(s, '.'))
		return true;
	while (n < 9 && take_digits(s, 1, &digit)) {
		unit /= 10;
		*micros += digit * unit;
		n++;
	}
	return n > 0;
}

/* "Z", "+02:00", and PostgreSQL's "+02" and "+00:53:28". */
static bool take_offset(struct str *s, int64_t *seconds)
{
	int hours, minutes = 0, secs = 0;
	bool negative;

	*seconds = 0;
	if (take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	negative = take_char(s, '-');
	if (!negative && !take_char(s, '+'))
		return false;
	if (!take_digits(s, 2, &hours) || hours > 23)
		return false;
	if (take_char(s, ':') && (!take_digits(s, 2, &minutes) || minutes > 59))
		return false;
	if (take_char(s, ':') && (!take_digits(s, 2, &secs) || secs > 59))
		return false;
	*seconds = hours * 3600 + minutes * 60 + secs;
	if (negative)
		*seconds = -*seconds;
	return true;
}

bool clock_parse_rfc3339(struct str s, int64_t *wall)
{
	struct civil c = {0};
	int64_t micros, offset, base;

	if (!take_digits(&s, 4, &c.year) || !take_char(&s, '-') || !take_digits(&s, 2, &c.month) ||
	    !take_char(&s, '-') || !take_digits(&s, 2, &c.day))
		return false;
	if (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' '))
		return false;
	if (!take_hms(&s, &c) || !take_fraction(&s, &micros) || !take_offset(&s, &offset) || s.n)
		return false;
	if (!to_wall(&c, &base))
		return false;
	*wall = base + micros - offset * CLOCK_SEC;
	return true;
}
