/* SPDX-License-Identifier: MIT
 *
 * The error table and the XML body made from it.
 */
#include "s3proto/s3err.h"

#include <assert.h>
#include <stddef.h>

#include "s3proto/xml.h"

static const struct row {
	const char *code;
	const char *message;
	int status;
} rows[] = {
#define X(name, code_, status_, message_)                                                          \
	[S3_##name] = {.code = code_, .status = status_, .message = message_},
	S3_ERRORS(X)
#undef X
};

static const struct row *row_of(enum s3_error e)
{
	assert(e > S3_OK && (size_t)e < sizeof(rows) / sizeof(rows[0]));
	return &rows[e];
}

const char *s3_error_code(enum s3_error e)
{
	return row_of(e)->code;
}

int s3_error_status(enum s3_error e)
{
	return row_of(e)->status;
}

const char *s3_error_message(enum s3_error e)
{
	return row_of(e)->message;
}

/* Error bodies are indented, unlike all other XML that goes out. */
static void add_element(struct buf *b, const char *name, struct str text)
{
	buf_add_cstr(b, "  ");
	xml_text(b, name, text);
	buf_add_char(b, '\n');
}

static void add_optional(struct buf *b, const char *name, struct str text)
{
	if (text.n > 0)
		add_element(b, name, text);
}

void s3_error_body(struct buf *b, enum s3_error e, struct str message, struct str resource,
                   struct str request_id, struct str host_id)
{
	if (message.n == 0)
		message = str_of(s3_error_message(e));
	buf_add_cstr(b, XML_DECLARATION "<Error>\n");
	add_element(b, "Code", str_of(s3_error_code(e)));
	add_element(b, "Message", message);
	add_optional(b, "Resource", resource);
	add_optional(b, "RequestId", request_id);
	add_optional(b, "HostId", host_id);
	buf_add_cstr(b, "</Error>");
}
