/* SPDX-License-Identifier: MIT
 *
 * Checking answers, and the file that they become: complete and valid, or not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adminctl/init.h"

/* How the answers are called in findings. */
#define ANSWERS "answers"

/* Line numbers of a file that nobody has seen are of no use: "answers:12: key: fault". */
static void print_findings(const struct buf *lines)
{
	struct str rest = buf_str(lines), line;

	while (rest.n) {
		line = str_cut(rest, '\n', &rest);
		if (str_starts(line, STR(ANSWERS ":")))
			str_cut(str_skip(line, sizeof(ANSWERS)), ':', &line);
		if (line.n)
			printf("  %.*s\n", STR_FMT(str_trim(line)));
	}
}

struct config *init_check(const struct init_answers *in)
{
	static struct init_backend some_backend = {
		.name = "backend", .type = "directory", .path = "/nonexistent"};
	static struct init_bucket some_bucket = {
		.name = "bucket", .access_key_id = "key", .secret_access_key = "secret"};
	struct init_answers all = *in;
	struct config_findings f = {0};
	struct config *c = NULL;
	BUF_AUTO text = {0};

	if (all.n_backends == 0) {
		all.backends = &some_backend;
		all.n_backends = 1;
	}
	if (all.n_buckets == 0) {
		all.buckets = &some_bucket;
		all.n_buckets = 1;
	}
	init_write_text(&all, &text);
	if (config_load_text(ANSWERS, text.p, text.n, &c, &f) != ERR_OK)
		print_findings(&f.errors);
	config_findings_free(&f);
	explicit_bzero(text.p, text.n);
	return c;
}

/* --- the file ------------------------------------------------------------------------ */

static enum err fail(struct error *e, const char *path)
{
	return err_set(e, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
}

/* The folder of a path, to be freed. */
static char *folder_of(const char *path)
{
	char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;

	if (!folder)
		abort();
	free(copy);
	return folder;
}

enum err init_check_place(const char *path, struct error *e)
{
	char *folder = folder_of(path);
	enum err r = ERR_OK;
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		r = err_set(e, ERR_IO, "%s: not a regular file", path);
	else if (access(folder, W_OK | X_OK) < 0)
		r = fail(e, folder);
	free(folder);
	return r;
}

static enum err fill(int fd, const char *path, struct str text, struct error *e)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(e, path);
		text = str_skip(text, (size_t)n);
	}
	return fsync(fd) < 0 ? fail(e, path) : ERR_OK;
}

static enum err check_file(const char *path, struct error *e)
{
	struct config_findings f = {0};
	struct config *c = NULL;
	enum err r = config_load(path, &c, &f);

	print_findings(&f.errors);
	print_findings(&f.warnings);
	config_findings_free(&f);
	config_free(&c);
	return r == ERR_OK ? r : err_set(e, r, "it would not be valid");
}

static enum err sync_folder(const char *path, struct error *e)
{
	char *folder = folder_of(path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err r = fd < 0 || fsync(fd) < 0 ? fail(e, folder) : ERR_OK;

	if (fd >= 0)
		close(fd);
	free(folder);
	return r;
}

enum err init_write_file(const char *path, struct str text, struct error *e)
{
	BUF_AUTO temporary = {0};
	enum err r;
	int fd;

	buf_printf(&temporary, "%s.XXXXXX", path);
	fd = mkostemp(temporary.p, O_CLOEXEC); /* with mode 0600 */
	if (fd < 0)
		return fail(e, path);
	r = fill(fd, path, text, e);
	close(fd);
	if (r == ERR_OK)
		r = check_file(temporary.p, e);
	if (r == ERR_OK && rename(temporary.p, path) < 0)
		r = fail(e, path);
	if (r != ERR_OK)
		unlink(temporary.p);
	return r == ERR_OK ? sync_folder(path, e) : r;
}
