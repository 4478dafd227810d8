/* SPDX-License-Identifier: MIT
 *
 * Part of every program built with sanitizers: keeps LeakSanitizer from looking for
 * pointers in the variables of the sanitizers themselves. These are tables of 11 MB,
 * hardly touched otherwise, and none of them leads to memory of the program. Each of
 * their pages is a page fault at the end of every process, and tests end thousands of
 * processes.
 *
 * LeakSanitizer walks over the modules of a process in a process of its own that
 * shares the memory. Whoever else walks over them, such as what names the functions
 * of a report, sees all.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

typedef int callback(struct dl_phdr_info *info, size_t size, void *arg);

struct walk {
	callback *fn;
	void *arg;
};

static struct {
	int (*real)(callback *fn, void *arg);
	pid_t process;
	const void *sanitizers[2]; /* where their libraries lie; NULL: linked statically */
} roots;

static const void *library_of(const void *address)
{
	Dl_info info;

	return address && dladdr(address, &info) ? info.dli_fbase : NULL;
}

static void find_sanitizers(void)
{
	static const char *const functions[] = {"__asan_init", "__ubsan_handle_out_of_bounds"};
	const void *own = library_of(&roots);

	for (int i = 0; i < 2; i++) {
		const void *library = library_of(dlsym(RTLD_DEFAULT, functions[i]));

		roots.sanitizers[i] = library != own ? library : NULL;
	}
}

static void note_process(void)
{
	roots.process = getpid();
}

static __attribute__((constructor)) void prepare(void)
{
	note_process();
	pthread_atfork(NULL, NULL, note_process);
	find_sanitizers();
}

static int pass_on(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct walk *w = arg;

	for (int i = 0; i < 2; i++)
		if (roots.sanitizers[i] && (uintptr_t)roots.sanitizers[i] == info->dlpi_addr)
			return 0;
	return w->fn(info, size, w->arg);
}

/* In place of libc's, also for the libraries of the sanitizers. */
int dl_iterate_phdr(callback *fn, void *arg)
{
	struct walk w = {fn, arg};

	if (!roots.real)
		*(void **)&roots.real = dlsym(RTLD_NEXT, "dl_iterate_phdr");
	if (roots.process == 0 || roots.process == getpid())
		return roots.real(fn, arg);
	return roots.real(pass_on, &w);
}
