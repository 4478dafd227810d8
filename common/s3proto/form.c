/* SPDX-License-Identifier: MIT
 *
 * The form as a state machine. The complication is the delimiter, which may be cut
 * anywhere between two pieces of input: how much of it has been seen is a number. When
 * it turns out to be something else, those bytes were data, and are taken from our own
 * copy. CR is its first byte and never comes again in it, so nothing has to be looked
 * at twice.
 */
#include "s3proto/form.h"

#include <string.h>

enum state {
	PREAMBLE,  /* before the first delimiter */
	DELIMITED, /* behind a delimiter, on its line */
	DASH,      /* behind its first '-' */
	LINE_FEED, /* behind the CR of its line */
	HEADERS,
	FIELD,
	IN_FILE,
	ENDED,
	BROKEN,
	TOO_LARGE,
};

struct form {
	enum state state;
	struct str delimiter; /* CR LF "--" boundary */
	size_t matched;       /* bytes of it seen */
	const char *why;
	size_t seen; /* bytes of input before the file */
	/* Header lines and values, one after the other; nothing is moved. Never more than
	 * was seen. */
	char *memory;
	size_t used;
	size_t begin; /* of the line or value that is being read */
	struct str name, file_name;
	bool named, has_file;
	struct str_pair *fields;
	size_t n_fields;
};

/* --- Content-Type ------------------------------------------------------------ */

/* bchars of RFC 2046 */
static bool is_boundary(struct str s)
{
	if (s.n == 0 || s.n > FORM_BOUNDARY_MAX || s.p[s.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];
		bool alnum = (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
		             (ch >= 'a' && ch <= 'z');
		if (!alnum && !memchr("'()+_,-./:=? ", ch, 13))
			return false;
	}
	return true;
}

/* Cuts a parameter's value off: a token, or a quoted string without escapes. */
static struct str cut_value(struct str *rest)
{
	if (!str_starts(*rest, STR("\"")))
		return str_trim(str_cut(*rest, ';', rest));
	struct str value = str_cut(str_skip(*rest, 1), '"', rest);
	str_cut(*rest, ';', rest);
	return value;
}

bool form_is_multipart(struct str content_type, struct str *boundary)
{
	struct str rest, type = str_trim(str_cut(content_type, ';', &rest));
	*boundary = STR_NULL;
	if (!str_eq_nocase(type, STR("multipart/form-data")))
		return false;
	while (rest.n > 0) {
		struct str name = str_trim(str_cut(rest, '=', &rest));
		struct str value = cut_value(&rest);
		if (str_eq_nocase(name, STR("boundary")) && is_boundary(value))
			*boundary = value;
	}
	return true;
}

/* --- the header of a part ----------------------------------------------------- */

static bool is_space(char ch)
{
	return ch == ' ' || ch == '\t';
}

/* Removes the quotes of p[0..n) in place. Browsers escape '"', some a backslash too; a
 * backslash before anything else is one in a path of Windows. Returns the bytes that
 * were read, 0 when the end quote is missing. */
static size_t unquote(char *p, size_t n, struct str *out)
{
	size_t to = 0;
	for (size_t i = 1; i < n; i++) {
		if (p[i] == '"') {
			*out = str_n(p, to);
			return i + 1;
		}
		if (p[i] == '\\' && i + 1 < n && (p[i + 1] == '"' || p[i + 1] == '\\'))
			i++;
		p[to++] = p[i];
	}
	return 0;
}

static size_t read_token(const char *p, size_t n, struct str *out)
{
	size_t i = 0;
	while (i < n && p[i] != ';' && p[i] != '=' && !is_space(p[i]))
		i++;
	*out = str_n(p, i);
	return i;
}

static size_t skip_space(const char *p, size_t i, size_t n)
{
	while (i < n && is_space(p[i]))
		i++;
	return i;
}

/* "name=value" at p[*i..n). */
static bool read_parameter(char *p, size_t *i, size_t n, struct str *name, struct str *value)
{
	*i = skip_space(p, *i, n);
	*i += read_token(p + *i, n - *i, name);
	if (name->n == 0 || *i == n || p[*i] != '=')
		return false;
	(*i)++;
	size_t got = *i < n && p[*i] == '"' ? unquote(p + *i, n - *i, value)
	                                    : read_token(p + *i, n - *i, value);
	*i = skip_space(p, *i + got, n);
	return got > 0;
}

static struct str without_folders(struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/' || path.p[i - 1] == '\\')
			return str_skip(path, i);
	return path;
}

/* What follows "Content-Disposition:". */
static bool read_disposition(struct form *f, char *p, size_t n)
{
	struct str type, name, value;
	size_t i = skip_space(p, 0, n);
	i += read_token(p + i, n - i, &type);
	if (f->named || !str_eq_nocase(type, STR("form-data")))
		return false;
	for (i = skip_space(p, i, n); i < n;) {
		if (p[i++] != ';' || !read_parameter(p, &i, n, &name, &value))
			return false;
		if (str_eq_nocase(name, STR("name")) && !f->named) {
			f->name = value;
			f->named = true;
		} else if (str_eq_nocase(name, STR("filename"))) {
			f->file_name = without_folders(value);
		}
	}
	return f->named && f->name.n > 0;
}

static enum form_result fail(struct form *f, const char *why)
{
	f->why = why;
	f->state = BROKEN;
	return FORM_MALFORMED;
}

static enum form_result begin_content(struct form *f)
{
	if (!f->named)
		return fail(f, "a part has no Content-Disposition");
	f->begin = f->used;
	if (str_eq_nocase(f->name, STR("file"))) {
		f->state = IN_FILE;
		f->has_file = true;
		return FORM_FILE;
	}
	f->state = FIELD;
	return FORM_MORE;
}

/* The line at begin, without its CR LF. */
static enum form_result end_header(struct form *f)
{
	char *line = f->memory + f->begin;
	size_t n = f->used - f->begin;
	f->begin = f->used;
	if (n == 0)
		return begin_content(f);
	ssize_t colon = str_chr(str_n(line, n), ':');
	if (colon <= 0)
		return fail(f, "a part has a malformed header");
	size_t value = (size_t)colon + 1;
	if (str_eq_nocase(str_n(line, (size_t)colon), STR("Content-Disposition")) &&
	    !read_disposition(f, line + value, n - value))
		return fail(f, "a part has a malformed Content-Disposition");
	return FORM_MORE;
}

static void keep(struct form *f, const char *p, size_t n)
{
	memcpy(f->memory + f->used, p, n);
	f->used += n;
}

/* One byte of a header. */
static enum form_result step_header(struct form *f, char ch)
{
	bool after_cr = f->used > f->begin && f->memory[f->used - 1] == '\r';
	if (after_cr != (ch == '\n'))
		return fail(f, "a line of a header does not end with CR LF");
	if (!after_cr) {
		keep(f, &ch, 1);
		return FORM_MORE;
	}
	f->used--;
	return end_header(f);
}

/* --- contents and delimiters ---------------------------------------------------- */

/* How many bytes from p on are certainly no part of a delimiter. */
static size_t find_delimiter(const struct form *f, const char *p, size_t n)
{
	const char *end = p + n, *cr = memchr(p, '\r', n);
	while (cr && (size_t)(end - cr) >= f->delimiter.n &&
	       memcmp(cr, f->delimiter.p, f->delimiter.n) != 0)
		cr = memchr(cr + 1, '\r', (size_t)(end - cr - 1));
	return cr ? (size_t)(cr - p) : n;
}

/* Some bytes of content. True when the delimiter is complete. */
static bool step_content(struct form *f, const char *p, size_t n, size_t *used, const char **data,
                         size_t *data_n)
{
	size_t i = f->matched ? 0 : find_delimiter(f, p, n);
	*used = i;
	*data = p;
	*data_n = i;
	if (i > 0)
		return false;
	while (i < n && f->matched < f->delimiter.n && p[i] == f->delimiter.p[f->matched]) {
		i++;
		f->matched++;
	}
	*used = i;
	bool complete = f->matched == f->delimiter.n;
	if (!complete && i < n) {
		*data = f->delimiter.p;
		*data_n = f->matched;
	}
	if (complete || i < n)
		f->matched = 0;
	return complete;
}

static enum form_result end_field(struct form *f)
{
	struct str value = str_n(f->memory + f->begin, f->used - f->begin);
	if (f->n_fields == FORM_FIELDS_MAX) {
		f->state = TOO_LARGE;
		return FORM_TOO_LARGE;
	}
	f->fields[f->n_fields++] = (struct str_pair){f->name, value};
	return FORM_MORE;
}

/* The line of a delimiter. */
static enum form_result step_delimiter_line(struct form *f, char ch)
{
	if (f->state == DASH && ch == '-') {
		f->state = ENDED;
		return FORM_DONE;
	}
	if (f->state == LINE_FEED && ch == '\n') {
		f->state = HEADERS;
		f->named = false;
		f->name = f->file_name = STR_NULL;
		f->begin = f->used;
	} else if (f->state == DELIMITED && ch == '-') {
		f->state = DASH;
	} else if (f->state == DELIMITED && ch == '\r') {
		f->state = LINE_FEED;
	} else if (f->state != DELIMITED || !is_space(ch)) {
		return fail(f, "a line begins with the boundary and goes on");
	}
	return FORM_MORE;
}

static enum form_result step_file(struct form *f, const char *p, size_t n, size_t *used,
                                  const char **data, size_t *data_n)
{
	if (!step_content(f, p, n, used, data, data_n))
		return FORM_MORE;
	f->state = ENDED;
	return FORM_DONE;
}

/* Before the file; p[0..n) is within the limit. */
static enum form_result step(struct form *f, const char *p, size_t n, size_t *used)
{
	const char *data;
	size_t data_n = 0;
	*used = 1;
	switch (f->state) {
	case DELIMITED:
	case DASH:
	case LINE_FEED:
		return step_delimiter_line(f, *p);
	case HEADERS:
		return step_header(f, *p);
	default:
		break;
	}
	bool complete = step_content(f, p, n, used, &data, &data_n);
	bool is_field = f->state == FIELD;
	if (is_field)
		keep(f, data, data_n);
	if (!complete)
		return FORM_MORE;
	f->state = DELIMITED;
	return is_field ? end_field(f) : FORM_MORE;
}

struct form *form_new(struct arena *a, struct str boundary)
{
	struct form *f = ARENA_NEW(a, struct form);
	f->delimiter = str_of(arena_printf(a, "\r\n--%.*s", STR_FMT(boundary)));
	f->matched = 2; /* the first one needs no line before it */
	f->memory = arena_alloc(a, FORM_BEFORE_FILE);
	f->fields = ARENA_ARRAY(a, struct str_pair, FORM_FIELDS_MAX);
	f->why = "";
	return f;
}

enum form_result form_feed(struct form *f, const char *p, size_t n, size_t *used, const char **data,
                           size_t *data_n)
{
	*used = *data_n = 0;
	switch (f->state) {
	case IN_FILE:
		return step_file(f, p, n, used, data, data_n);
	case ENDED:
		*used = n;
		return FORM_DONE;
	case BROKEN:
		return FORM_MALFORMED;
	case TOO_LARGE:
		return FORM_TOO_LARGE;
	default:
		break;
	}
	enum form_result r = FORM_MORE;
	while (*used < n && r == FORM_MORE) {
		size_t room = FORM_BEFORE_FILE - f->seen, some;
		if (room == 0) {
			f->state = TOO_LARGE;
			return FORM_TOO_LARGE;
		}
		r = step(f, p + *used, n - *used < room ? n - *used : room, &some);
		f->seen += some;
		*used += some;
	}
	return r;
}

bool form_has_file(const struct form *f)
{
	return f->has_file;
}

const char *form_why(const struct form *f)
{
	return f->why;
}

const struct str_pair *form_fields(const struct form *f, size_t *n)
{
	*n = f->n_fields;
	return f->fields;
}

struct str form_file_name(const struct form *f)
{
	return f->has_file ? f->file_name : STR_NULL;
}
