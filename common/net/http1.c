/* SPDX-License-Identifier: MIT
 *
 * Parser of HTTP/1.1 heads. One pass over the bytes, no state between calls: an
 * incomplete head is parsed again from its start when more has come (the caller
 * sees to it that this happens rarely). Fields are collected on the stack and
 * copied into the arena only when the head is complete and acceptable.
 */
#include <string.h>

#include "net/http1.h"

/* Longer than any registered method (RFC 9110 16.1, longest is 17). */
#define METHOD_MAX 32

/* tchar of RFC 9110 5.6.2 */
static const bool is_tchar[256] = {
	['!'] = true,         ['#'] = true,         ['$'] = true, ['%'] = true,
	['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true,
	['-'] = true,         ['.'] = true,         ['^'] = true, ['_'] = true,
	['`'] = true,         ['|'] = true,         ['~'] = true, ['0' ... '9'] = true,
	['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

struct scan {
	const char *p, *end;
	const char *why;
};

/* What a head may say only once, or says in several fields together. */
struct seen {
	unsigned hosts, lengths, codings;
	bool close, keep_alive, chunked, expect;
};

static enum http1_result refuse(struct scan *s, enum http1_result r, const char *why)
{
	s->why = why;
	return r;
}

static enum http1_result bad(struct scan *s, const char *why)
{
	return refuse(s, HTTP1_BAD, why);
}

/* The first byte of [p, end) that is below `low` or DEL. Eight at a time: the
 * two tests are exact about whether a word has such a byte (Bit Twiddling Hacks,
 * "hasless"), the loop at the end finds which one. */
static const char *skip_text(const char *p, const char *end, unsigned char low)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;

	while (end - p >= 8) {
		uint64_t w, del;

		memcpy(&w, p, sizeof w);
		del = w ^ (ones * 0x7f);
		if ((((w - ones * low) & ~w) | ((del - ones) & ~del)) & highs)
			break;
		p += 8;
	}
	while (p < end && (unsigned char)*p >= low && *p != 0x7f)
		p++;
	return p;
}

/* The first byte that may not be in a field value: controls except HTAB. */
static const char *skip_value(const char *p, const char *end)
{
	for (;;) {
		p = skip_text(p, end, ' ');
		if (p == end || *p != '\t')
			return p;
		p++;
	}
}

static const char *skip_token(const char *p, const char *end)
{
	while (p < end && is_tchar[(unsigned char)*p])
		p++;
	return p;
}

static enum http1_result scan_line_end(struct scan *s)
{
	if (s->p == s->end)
		return HTTP1_MORE;
	if (*s->p != '\r')
		return bad(s, *s->p == '\n' ? "line feed without carriage return"
		                            : "unexpected character");
	if (s->end - s->p < 2)
		return HTTP1_MORE;
	if (s->p[1] != '\n')
		return bad(s, "carriage return without line feed");
	s->p += 2;
	return HTTP1_DONE;
}

static enum http1_result scan_space(struct scan *s)
{
	if (s->p == s->end)
		return HTTP1_MORE;
	if (*s->p != ' ')
		return bad(s, "malformed start line");
	s->p++;
	return HTTP1_DONE;
}

static enum http1_result scan_method(struct scan *s, struct str *method)
{
	const char *q = skip_token(s->p, s->end);
	size_t n = (size_t)(q - s->p);

	if (n > METHOD_MAX)
		return bad(s, "method too long");
	if (q == s->end)
		return HTTP1_MORE;
	if (n == 0)
		return bad(s, "malformed method");
	*method = str_n(s->p, n);
	s->p = q;
	return scan_space(s);
}

static enum http1_result scan_target(struct scan *s, struct str *target)
{
	const char *q = skip_text(s->p, s->end, '!');

	if (q == s->end)
		return HTTP1_MORE;
	if (q == s->p)
		return bad(s, "empty request target");
	*target = str_n(s->p, (size_t)(q - s->p));
	s->p = q;
	if (*q != ' ')
		return bad(s, "control character in request target");
	return scan_space(s);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum http1_result scan_version(struct scan *s, int *minor)
{
	static const char name[] = "HTTP/";
	size_t left = (size_t)(s->end - s->p);
	size_t n = left < 5 ? left : 5;

	if (memcmp(s->p, name, n) != 0)
		return bad(s, "malformed protocol version");
	if (left < 8)
		return HTTP1_MORE;
	if (!is_digit(s->p[5]) || s->p[6] != '.' || !is_digit(s->p[7]))
		return bad(s, "malformed protocol version");
	if (s->p[5] != '1' || s->p[7] > '1')
		return refuse(s, HTTP1_BAD_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	*minor = s->p[7] - '0';
	s->p += 8;
	return HTTP1_DONE;
}

static enum http1_result scan_request_line(struct scan *s, struct http_head *h)
{
	enum http1_result r;

	while (s->p < s->end && (*s->p == '\r' || *s->p == '\n'))
		if ((r = scan_line_end(s)))
			return r;
	if ((r = scan_method(s, &h->method)) || (r = scan_target(s, &h->target)) ||
	    (r = scan_version(s, &h->minor)))
		return r;
	return scan_line_end(s);
}

static enum http1_result scan_status(struct scan *s, int *status)
{
	int v = 0;

	for (int i = 0; i < 3; i++, s->p++) {
		if (s->p == s->end)
			return HTTP1_MORE;
		if (!is_digit(*s->p))
			return bad(s, "malformed status code");
		v = v * 10 + (*s->p - '0');
	}
	if (v < 100)
		return bad(s, "malformed status code");
	*status = v;
	return HTTP1_DONE;
}

/* Servers are seen to leave out the reason together with the space before it. */
static enum http1_result scan_reason(struct scan *s, struct str *reason)
{
	const char *q;

	if (s->p == s->end)
		return HTTP1_MORE;
	if (*s->p == '\r')
		return scan_line_end(s);
	if (*s->p != ' ')
		return bad(s, "malformed status line");
	q = skip_value(++s->p, s->end);
	*reason = str_n(s->p, (size_t)(q - s->p));
	s->p = q;
	return scan_line_end(s);
}

static enum http1_result scan_status_line(struct scan *s, struct http_head *h)
{
	enum http1_result r;

	if ((r = scan_version(s, &h->minor)) || (r = scan_space(s)) ||
	    (r = scan_status(s, &h->status)))
		return r;
	return scan_reason(s, &h->reason);
}

static enum http1_result scan_field(struct scan *s, struct http_field *f)
{
	const char *q = skip_token(s->p, s->end);

	if (q == s->end)
		return HTTP1_MORE;
	if (q == s->p)
		return bad(s, *q == ' ' || *q == '\t' ? "folded header field"
		                                      : "malformed header field name");
	if (*q != ':')
		return bad(s, *q == ' ' || *q == '\t' ? "white space before the colon"
		                                      : "malformed header field name");
	f->name = str_n(s->p, (size_t)(q - s->p));
	s->p = q + 1;
	q = skip_value(s->p, s->end);
	f->value = str_trim(str_n(s->p, (size_t)(q - s->p)));
	s->p = q;
	return scan_line_end(s);
}

static enum http1_result scan_fields(struct scan *s, struct http_field *fields, size_t *n)
{
	enum http1_result r;

	for (*n = 0;; (*n)++) {
		if (s->p == s->end)
			return HTTP1_MORE;
		if (*s->p == '\r')
			return scan_line_end(s);
		if (*n == HTTP1_FIELDS_MAX)
			return refuse(s, HTTP1_TOO_LARGE, "too many header fields");
		if ((r = scan_field(s, &fields[*n])))
			return r;
	}
}

/* A Host that another parser could take for something else is refused; names,
 * addresses and ports pass. */
static bool is_host(struct str v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c <= ' ' || c >= 0x7f || memchr("/\\?#@,\"<>", c, 9))
			return false;
	}
	return true;
}

static void note_connection(struct str list, struct seen *seen)
{
	while (list.n > 0) {
		struct str option = str_trim(str_cut(list, ',', &list));

		seen->close |= str_eq_nocase(option, STR("close"));
		seen->keep_alive |= str_eq_nocase(option, STR("keep-alive"));
	}
}

static enum http1_result note_length(struct scan *s, struct str value, struct http_head *h,
                                     struct seen *seen)
{
	if (seen->lengths++ > 0)
		return bad(s, "more than one Content-Length");
	/* Half of the range is enough, and sums of two never overflow. */
	if (!str_to_u64(value, &h->content_length) || h->content_length > INT64_MAX)
		return bad(s, "malformed Content-Length");
	h->has_length = true;
	return HTTP1_DONE;
}

/* The fields that decide about framing all differ in length. */
static enum http1_result note_field(struct scan *s, const struct http_field *f, struct http_head *h,
                                    struct seen *seen)
{
	switch (f->name.n) {
	case 4:
		if (!str_eq_nocase(f->name, STR("Host")))
			break;
		seen->hosts++;
		if (!is_host(f->value))
			return bad(s, "malformed Host");
		break;
	case 6:
		if (str_eq_nocase(f->name, STR("Expect")))
			seen->expect |= str_eq_nocase(f->value, STR("100-continue"));
		break;
	case 10:
		if (str_eq_nocase(f->name, STR("Connection")))
			note_connection(f->value, seen);
		break;
	case 14:
		if (str_eq_nocase(f->name, STR("Content-Length")))
			return note_length(s, f->value, h, seen);
		break;
	case 17:
		if (!str_eq_nocase(f->name, STR("Transfer-Encoding")))
			break;
		seen->codings++;
		seen->chunked = str_eq_nocase(f->value, STR("chunked"));
		break;
	}
	return HTTP1_DONE;
}

/* Framing as far as both directions agree (RFC 9112 6). */
static enum http1_result judge_framing(struct scan *s, struct http_head *h, const struct seen *seen)
{
	if (seen->codings > 0 && seen->lengths > 0)
		return bad(s, "Content-Length together with Transfer-Encoding");
	if (seen->codings > 1)
		return bad(s, "more than one Transfer-Encoding");
	if (seen->codings > 0 && h->minor == 0)
		return bad(s, "Transfer-Encoding in HTTP/1.0");
	if (seen->codings > 0 && !seen->chunked)
		return refuse(s, HTTP1_BAD_CODING, "transfer coding other than chunked");
	if (seen->codings > 0)
		h->framing = HTTP_BODY_CHUNKED;
	else if (seen->lengths > 0)
		h->framing = HTTP_BODY_LENGTH;
	else
		h->framing = HTTP_BODY_NONE;
	h->keep_alive = !seen->close && (h->minor == 1 || seen->keep_alive);
	return HTTP1_DONE;
}

static enum http1_result judge_request(struct scan *s, struct http_head *h, const struct seen *seen)
{
	if (seen->hosts > 1)
		return bad(s, "more than one Host");
	if (seen->hosts == 0 && h->minor == 1)
		return bad(s, "no Host");
	h->expect_continue = seen->expect && h->minor == 1;
	return judge_framing(s, h, seen);
}

static enum http1_result judge_response(struct scan *s, struct http_head *h,
                                        const struct seen *seen, bool is_head)
{
	enum http1_result r = judge_framing(s, h, seen);

	if (r)
		return r;
	if (is_head || h->status < 200 || h->status == 204 || h->status == 304) {
		h->framing = HTTP_BODY_NONE;
	} else if (h->framing == HTTP_BODY_NONE) {
		h->framing = HTTP_BODY_CLOSE;
		h->keep_alive = false;
	}
	return HTTP1_DONE;
}

/* is_head counts for responses only. */
static enum http1_result parse_head(struct scan *s, struct arena *a, struct http_head *h,
                                    bool is_request, bool is_head)
{
	struct http_field fields[HTTP1_FIELDS_MAX];
	struct seen seen = {0};
	enum http1_result r;

	r = is_request ? scan_request_line(s, h) : scan_status_line(s, h);
	if (r || (r = scan_fields(s, fields, &h->n_fields)))
		return r;
	for (size_t i = 0; i < h->n_fields; i++)
		if ((r = note_field(s, &fields[i], h, &seen)))
			return r;
	r = is_request ? judge_request(s, h, &seen) : judge_response(s, h, &seen, is_head);
	if (r)
		return r;
	h->fields = ARENA_ARRAY(a, struct http_field, h->n_fields);
	if (h->n_fields > 0)
		memcpy(h->fields, fields, h->n_fields * sizeof *fields);
	return HTTP1_DONE;
}

static enum http1_result parse(const char *p, size_t n, struct arena *a, struct http_head *h,
                               size_t *used, const char **why, bool is_request, bool is_head)
{
	size_t limit = n <= HTTP1_HEAD_MAX ? n : HTTP1_HEAD_MAX;
	struct scan s = {.p = p, .end = p + limit};
	enum http1_result r;

	*h = (struct http_head){0};
	*used = 0;
	r = parse_head(&s, a, h, is_request, is_head);
	if (r == HTTP1_MORE && n >= HTTP1_HEAD_MAX)
		r = refuse(&s, HTTP1_TOO_LARGE, "head too large");
	if (r == HTTP1_DONE)
		*used = (size_t)(s.p - p);
	if (why)
		*why = s.why;
	return r;
}

enum http1_result http1_parse_request(const char *p, size_t n, struct arena *a, struct http_head *h,
                                      size_t *used, const char **why)
{
	return parse(p, n, a, h, used, why, true, false);
}

enum http1_result http1_parse_response(const char *p, size_t n, struct str request_method,
                                       struct arena *a, struct http_head *h, size_t *used,
                                       const char **why)
{
	return parse(p, n, a, h, used, why, false, str_eq(request_method, STR("HEAD")));
}

const struct str *http_head_get(const struct http_head *h, struct str name)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (str_eq_nocase(h->fields[i].name, name))
			return &h->fields[i].value;
	return NULL;
}

struct str http_head_value(const struct http_head *h, struct str name)
{
	const struct str *v = http_head_get(h, name);

	return v ? *v : STR_NULL;
}

bool http1_is_token(struct str s)
{
	return s.n > 0 && skip_token(s.p, s.p + s.n) == s.p + s.n;
}

bool http1_is_target(struct str s)
{
	return s.n > 0 && skip_text(s.p, s.p + s.n, '!') == s.p + s.n;
}

bool http1_is_value(struct str s)
{
	return s.n == 0 || skip_value(s.p, s.p + s.n) == s.p + s.n;
}
