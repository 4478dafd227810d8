/* SPDX-License-Identifier: MIT
 *
 * Values in words: sizes, durations and times rounded to what an eye can use.
 * The exact ones are in the JSON output.
 */
#include <stdbool.h>

#include "adminctl/print.h"
#include "base/clock.h"

const char *member_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

json_int_t member_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void put_bytes(struct buf *out, json_int_t n)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)(n < 0 ? -n : n);
	const char *unit = "B";
	bool whole = v < 1024;

	for (size_t i = 0; v >= 1024 && i < sizeof units / sizeof *units; i++) {
		v /= 1024;
		unit = units[i];
	}
	/* three digits are enough: 1.46 GiB, 14.6 GiB, 146 GiB */
	buf_printf(out, "%s%.*f %s", n < 0 ? "-" : "",
	           whole || v >= 100 ? 0
	           : v >= 10         ? 1
	                             : 2,
	           v, unit);
}

/* The two largest units that are not zero. */
static void put_seconds(struct buf *out, json_int_t s)
{
	static const struct {
		char unit;
		json_int_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	int shown = 0;

	for (size_t i = 0; i < 4 && shown < 2; i++) {
		json_int_t n = s / units[i].seconds;

		s %= units[i].seconds;
		if (n == 0 && !(units[i].unit == 's' && shown == 0))
			continue;
		buf_printf(out, "%s%lld%c", shown++ ? " " : "", (long long)n, units[i].unit);
	}
}

static void put_since(struct buf *out, const char *time)
{
	int64_t wall, age;

	if (!clock_parse_rfc3339(str_of(time), &wall)) {
		buf_add_cstr(out, time);
		return;
	}
	age = (clock_wall() - wall) / CLOCK_SEC;
	if (age == 0) {
		buf_add_cstr(out, "now");
		return;
	}
	if (age < 0)
		buf_add_cstr(out, "in ");
	put_seconds(out, age < 0 ? -age : age);
	if (age > 0)
		buf_add_cstr(out, " ago");
}

static void put_text(struct buf *out, const char *s)
{
	for (; *s; s++) /* C0 and DEL; UTF-8 passes */
		buf_add_char(out, (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s);
}

static void put_number(struct buf *out, json_int_t n, enum print_kind kind)
{
	if ((kind == PRINT_LIMIT || kind == PRINT_COUNT_LIMIT) && n == 0)
		buf_add_cstr(out, "unlimited");
	else if (kind == PRINT_BYTES || kind == PRINT_LIMIT)
		put_bytes(out, n);
	else if (kind == PRINT_SECONDS)
		put_seconds(out, n);
	else if (kind == PRINT_MS)
		buf_printf(out, "%.1fs", (double)n / 1000);
	else
		buf_printf(out, "%lld", (long long)n);
}

static void put_real(struct buf *out, double v, enum print_kind kind)
{
	if (kind == PRINT_BYTES)
		put_bytes(out, (json_int_t)v);
	else
		buf_printf(out, "%.*f", v == 0 || v >= 100 ? 0 : v >= 10 ? 1 : 2, v);
}

static void put_list(struct buf *out, const json_t *list, enum print_kind kind)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		if (i > 0)
			buf_add_cstr(out, ", ");
		print_value(out, v, kind);
	}
}

void print_value(struct buf *out, const json_t *v, enum print_kind kind)
{
	if (json_is_boolean(v))
		buf_add_cstr(out, json_is_true(v) ? "yes" : "no");
	else if (json_is_integer(v))
		put_number(out, json_integer_value(v), kind);
	else if (json_is_real(v))
		put_real(out, json_real_value(v), kind);
	else if (json_is_string(v) && kind == PRINT_SINCE)
		put_since(out, json_string_value(v));
	else if (json_is_string(v) && json_string_length(v) > 0)
		put_text(out, json_string_value(v));
	else if (json_array_size(v) > 0)
		put_list(out, v, kind);
	else
		buf_add_char(out, '-');
}
