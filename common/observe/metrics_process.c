/* SPDX-License-Identifier: MIT
 *
 * The process_* families, from /proc (proc(5)).
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "observe/metrics.h"

struct usage {
	double cpu;        /* seconds */
	uint64_t resident; /* bytes */
	uint64_t virtual;  /* bytes */
	uint64_t open_fds;
	uint64_t max_fds; /* of the first process */
	double started;   /* Unix time, of the first process */
};

static bool read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	if (pid == 0)
		snprintf(path, sizeof(path), "/proc/%s", name);
	else
		snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(text, 1, size - 1, f);
	fclose(f);
	text[n] = '\0';
	return n > 0;
}

/* When the machine was started, Unix time. */
static double boot_time(void)
{
	char text[128];
	struct timespec now;

	if (!read_proc(0, "uptime", text, sizeof(text)))
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - strtod(text, NULL);
}

static uint64_t count_fds(pid_t pid)
{
	char path[64];
	uint64_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	d = opendir(path);
	if (d == NULL)
		return 0;
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		if (e->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

static uint64_t limit_of_fds(pid_t pid)
{
	static const char label[] = "Max open files";
	char text[4096];
	const char *line;

	if (!read_proc(pid, "limits", text, sizeof(text)))
		return 0;
	line = strstr(text, label);
	return line == NULL ? 0 : strtoull(line + sizeof(label) - 1, NULL, 10);
}

static void add_process(struct usage *u, pid_t pid, bool first)
{
	double ticks = (double)sysconf(_SC_CLK_TCK);
	unsigned long long user, system, user_ended, system_ended, start, size;
	long long resident;
	char text[4096];
	const char *rest;

	if (!read_proc(pid, "stat", text, sizeof(text)))
		return;
	rest = strrchr(text, ')'); /* the name before it may contain anything */
	if (rest == NULL ||
	    sscanf(rest + 1,
	           " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu "
	           "%*d %*d %*d %*d %llu %llu %lld",
	           &user, &system, &user_ended, &system_ended, &start, &size, &resident) != 7)
		return;
	/* With that of children that have ended, so that the sum never goes back. */
	u->cpu += (double)(user + system + user_ended + system_ended) / ticks;
	u->virtual += size;
	u->resident += (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
	u->open_fds += count_fds(pid);
	if (first) {
		u->started = boot_time() + (double)start / ticks;
		u->max_fds = limit_of_fds(pid);
	}
}

static void add_line(struct buf *out, const char *name, const char *type, const char *help,
                     const char *role, double value)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s{role=\"%s\"} %.15g\n", name, help, name,
	           type, name, role, value);
}

void metrics_render_processes(struct buf *out, const char *role, const pid_t *pids, size_t n)
{
	struct usage u = {0};

	for (size_t i = 0; i < n; i++)
		add_process(&u, pids[i], i == 0);
	add_line(out, "process_cpu_seconds_total", "counter",
	         "User and system time, with that of processes that have ended.", role, u.cpu);
	add_line(out, "process_resident_memory_bytes", "gauge", "Resident memory.", role,
	         (double)u.resident);
	add_line(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.", role,
	         (double)u.virtual);
	add_line(out, "process_open_fds", "gauge", "Open file descriptors.", role,
	         (double)u.open_fds);
	add_line(out, "process_max_fds", "gauge", "Limit of open file descriptors.", role,
	         (double)u.max_fds);
	add_line(out, "process_start_time_seconds", "gauge", "Unix time of the start.", role,
	         u.started);
}
