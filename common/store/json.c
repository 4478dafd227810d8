/* SPDX-License-Identifier: MIT
 *
 * Representation headers and user metadata as JSON objects of strings.
 */
#include "store/store_private.h"

#include <jansson.h>
#include <stdlib.h>
#include "base/buf.h"

static bool add_pair(json_t *object, const struct str_pair *p)
{
	json_t *value = json_stringn(p->value.p ? p->value.p : "", p->value.n);
	return value && json_object_setn_new(object, p->name.p, p->name.n, value) == 0;
}

enum err json_from_pairs(const struct str_pair *pairs, size_t n, struct buf *out, struct error *e)
{
	json_t *object = json_object();
	enum err r = ERR_OK;
	for (size_t i = 0; i < n && r == ERR_OK; i++)
		if (!add_pair(object, &pairs[i]))
			r = err_set(e, ERR_INVALID, "a metadata value is not UTF-8");
	char *text = r == ERR_OK ? json_dumps(object, JSON_COMPACT) : NULL;
	if (text)
		buf_add_cstr(out, text);
	free(text);
	json_decref(object);
	return r;
}

void json_to_pairs(struct arena *a, struct str json, struct str_pair **out, size_t *n)
{
	json_t *object = json_loadb(json.p, json.n, 0, NULL);
	const char *name;
	json_t *value;
	*out = ARENA_ARRAY(a, struct str_pair, json_object_size(object));
	*n = 0;
	json_object_foreach(object, name, value) if (json_is_string(value))(*out)[(*n)++] =
		(struct str_pair){
			arena_dup(a, str_of(name)),
			arena_dup(a, str_n(json_string_value(value), json_string_length(value)))};
	json_decref(object);
}
