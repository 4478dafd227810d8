/* SPDX-License-Identifier: MIT
 *
 * Streams and sockets over the loopback: waiting, ends, splice, sendfile, TLS.
 */
#include "base/mem.h"
#include "net/stream_private.h"
#include "test_net.h"
#include "t/unit/run.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#define MIB ((size_t)1024 * 1024)

/* --- writers and readers in the background ---------------------------------- */

struct pump {
	struct stream *s;
	size_t n;    /* bytes to write */
	bool random; /* in pieces of random size */
	int result;
	bool close; /* shut the sending side down at the end */
};

static void pump_task(void *arg)
{
	struct pump *p = arg;
	unsigned char *buf = malloc(64 * 1024);

	for (size_t at = 0; at < p->n && p->result == 0;) {
		size_t n = p->random ? random_u64() % 20000 + 1 : 64 * 1024;

		if (n > p->n - at)
			n = p->n - at;
		fill_pattern(buf, n, at);
		p->result = stream_write_all(p->s, buf, n, TEST_PATIENCE);
		if (p->random && random_u64() % 8 == 0)
			task_yield();
		at += n;
	}
	if (p->close)
		stream_shutdown_write(p->s);
	free(buf);
}

struct sink {
	struct stream *s;
	size_t got;
	bool intact;
	ssize_t end; /* the last result of stream_read() */
};

static void sink_task(void *arg)
{
	struct sink *k = arg;
	unsigned char *buf = malloc(40000);

	k->intact = true;
	while ((k->end = stream_read(k->s, buf, 40000, clock_deadline(TEST_PATIENCE))) > 0) {
		k->intact &= is_pattern(buf, (size_t)k->end, k->got);
		k->got += (size_t)k->end;
		if (random_u64() % 4 == 0)
			task_yield();
	}
	free(buf);
}

/* --- plain ------------------------------------------------------------------ */

static void read_waits(void)
{
	struct stream *a, *b;
	char buf[100];

	pair_open(&a, &b);
	ck_assert_int_eq(stream_read(a, buf, sizeof buf, clock_deadline(10 * CLOCK_MS)),
	                 -ETIMEDOUT);
	ck_assert_int_eq(stream_try_read(a, buf, sizeof buf), -EAGAIN);
	ck_assert_int_eq(stream_write_all(b, "hello", 5, TEST_PATIENCE), 0);
	ck_assert_int_eq(stream_peek(a, buf, 3, clock_deadline(TEST_PATIENCE)), 3);
	ck_assert_int_eq(stream_read(a, buf, 3, clock_deadline(TEST_PATIENCE)), 3);
	ck_assert_int_eq(stream_read(a, buf, sizeof buf, clock_deadline(TEST_PATIENCE)), 2);
	ck_assert_mem_eq(buf, "lo", 2);
	stream_close(&b);
	ck_assert_int_eq(stream_read(a, buf, sizeof buf, clock_deadline(TEST_PATIENCE)), 0);
	ck_assert_int_eq(stream_read(a, buf, sizeof buf, clock_deadline(TEST_PATIENCE)), 0);
	stream_close(&a);
}

/* The end comes in the same event as the data, and the read is short. */
static void end_with_data(void)
{
	struct stream *a, *b;
	char buf[100];

	for (int i = 0; i < 50; i++) {
		pair_open(&a, &b);
		if (i % 2)
			ck_assert_int_eq(stream_try_read(a, buf, sizeof buf), -EAGAIN);
		ck_assert_int_eq(stream_write_all(b, "x", 1, TEST_PATIENCE), 0);
		stream_close(&b);
		ck_assert_int_eq(stream_read(a, buf, sizeof buf, clock_deadline(TEST_PATIENCE)), 1);
		ck_assert_int_eq(stream_read(a, buf, sizeof buf, clock_deadline(TEST_PATIENCE)), 0);
		stream_close(&a);
	}
}

static void write_vectors(void)
{
	struct stream *a, *b;
	struct wait_group g = {0};
	struct sink k;
	const size_t all = 5 * MIB;
	unsigned char *data = mem_alloc(all);
	struct iovec iov[4];

	pair_open(&a, &b);
	fill_pattern(data, all, 0);
	k = (struct sink){.s = b};
	ck_assert_int_eq(wait_group_spawn(&g, "sink", sink_task, &k, NULL), 0);
	iov[0] = (struct iovec){data, 10};
	iov[1] = (struct iovec){data + 10, 0};
	iov[2] = (struct iovec){data + 10, MIB};
	iov[3] = (struct iovec){data + 10 + MIB, all - 10 - MIB};
	ck_assert_int_eq(stream_write(a, iov, 4, TEST_PATIENCE), 0);
	stream_close(&a);
	wait_group_wait(&g, 0);
	ck_assert(k.intact && k.end == 0);
	ck_assert_uint_eq(k.got, all);
	stream_close(&b);
	free(data);
}

static void write_times_out(void)
{
	struct stream *a, *b;
	const size_t all = 32 * MIB;
	char *data = mem_alloc(all);
	struct iovec iov = {data, all};

	pair_open(&a, &b);
	ck_assert_int_eq(stream_write(a, &iov, 1, 50 * CLOCK_MS), -ETIMEDOUT);
	ck_assert(iov.iov_len > 0 && iov.iov_len < all);
	stream_close(&b);
	stream_close(&a);
	free(data);
}

static void write_to_closed(void)
{
	struct stream *a, *b;
	int r = 0;

	pair_open(&a, &b);
	stream_close(&b);
	while (r == 0)
		r = stream_write_all(a, "x", 1, TEST_PATIENCE);
	ck_assert(r == -EPIPE || r == -ECONNRESET);
	stream_close(&a);
}

static void cancelled_reader(void *arg)
{
	struct sink *k = arg;
	char c;

	k->end = stream_read(k->s, &c, 1, CLOCK_NEVER);
}

static void read_cancelled(void)
{
	struct stream *a, *b;
	struct wait_group g = {0};
	struct task *t;
	struct sink k;

	pair_open(&a, &b);
	k = (struct sink){.s = a};
	ck_assert_int_eq(wait_group_spawn(&g, "reader", cancelled_reader, &k, &t), 0);
	task_yield();
	task_cancel(t);
	wait_group_wait(&g, 0);
	ck_assert_int_eq(k.end, -ECANCELED);
	stream_close(&a);
	stream_close(&b);
}

static void staleness(void)
{
	struct stream *a, *b;
	char c;

	pair_open(&a, &b);
	ck_assert(!stream_is_stale(a));
	ck_assert_int_eq(stream_write_all(b, "x", 1, TEST_PATIENCE), 0);
	ck_assert_int_eq(stream_peek(a, &c, 1, clock_deadline(TEST_PATIENCE)), 1);
	ck_assert(stream_is_stale(a));
	ck_assert_int_eq(stream_read(a, &c, 1, clock_deadline(TEST_PATIENCE)), 1);
	ck_assert(!stream_is_stale(a));
	stream_close(&b);
	ck_assert_int_eq(stream_wait_read(a, clock_deadline(TEST_PATIENCE)), 0);
	ck_assert(stream_is_stale(a));
	ck_assert_int_eq(strncmp(stream_peer(a), "127.0.0.1:", 10), 0);
	stream_close(&a);
}

/* --- splice and sendfile ---------------------------------------------------- */

struct relay {
	struct stream *from_out, *from; /* pump -> from */
	struct stream *to, *to_in;      /* to -> sink */
	struct pump pump;
	struct sink sink;
	struct wait_group g;
};

static void relay_open(struct relay *r, size_t n, bool random)
{
	*r = (struct relay){0};
	pair_open(&r->from_out, &r->from);
	pair_open(&r->to, &r->to_in);
	r->pump = (struct pump){.s = r->from_out, .n = n, .random = random};
	r->sink = (struct sink){.s = r->to_in};
	ck_assert_int_eq(wait_group_spawn(&r->g, "pump", pump_task, &r->pump, NULL), 0);
	ck_assert_int_eq(wait_group_spawn(&r->g, "sink", sink_task, &r->sink, NULL), 0);
}

static void relay_close(struct relay *r)
{
	stream_close(&r->to);
	wait_group_wait(&r->g, 0);
	stream_close(&r->from);
	stream_close(&r->from_out);
	stream_close(&r->to_in);
}

static void splice_intact(void)
{
	struct relay r;
	uint64_t moved, total = 0;
	bool from_failed;
	const size_t all = 5 * MIB;

	relay_open(&r, all, true);
	while (total < all) {
		uint64_t n = random_u64() % MIB + 1;

		if (n > all - total)
			n = all - total;
		ck_assert_int_eq(
			stream_splice(r.to, r.from, n, TEST_PATIENCE, &moved, &from_failed), 0);
		ck_assert_uint_eq(moved, n);
		total += n;
	}
	relay_close(&r);
	ck_assert(r.sink.intact);
	ck_assert_uint_eq(r.sink.got, all);
}

static void splice_source_ends(void)
{
	struct relay r;
	uint64_t moved;
	bool from_failed;

	relay_open(&r, 100000, true);
	r.pump.close = true;
	ck_assert_int_eq(stream_splice(r.to, r.from, MIB, TEST_PATIENCE, &moved, &from_failed),
	                 -EPIPE);
	ck_assert(from_failed);
	ck_assert_uint_eq(moved, 100000);
	relay_close(&r);
	ck_assert(r.sink.intact);
	ck_assert_uint_eq(r.sink.got, 100000);
}

/* Bytes that stay in the pipe must not turn up in the next transfer, and the
 * source must not be read any more. */
static void splice_sink_fails(void)
{
	struct stream *from_out, *from, *to, *to_in;
	struct relay next;
	uint64_t moved;
	bool from_failed;
	char c;
	int r;

	pair_open(&from_out, &from);
	pair_open(&to, &to_in);
	stream_close(&to_in);
	ck_assert_int_eq(stream_wait_read(to, clock_deadline(TEST_PATIENCE)), 0);
	do {
		ck_assert_int_eq(stream_write_all(from_out, "stale bytes", 11, TEST_PATIENCE), 0);
		r = stream_splice(to, from, 11, TEST_PATIENCE, &moved, &from_failed);
	} while (r == 0);
	ck_assert(r == -EPIPE || r == -ECONNRESET);
	ck_assert(!from_failed);
	ck_assert_int_eq(stream_read(from, &c, 1, clock_deadline(TEST_PATIENCE)), -EIO);
	stream_close(&from);
	stream_close(&from_out);
	stream_close(&to);

	relay_open(&next, 1000, false);
	ck_assert_int_eq(
		stream_splice(next.to, next.from, 1000, TEST_PATIENCE, &moved, &from_failed), 0);
	relay_close(&next);
	ck_assert(next.sink.intact && next.sink.got == 1000);
}

static void splice_times_out(void)
{
	struct relay r;
	uint64_t moved;
	bool from_failed;

	relay_open(&r, 1000, false);
	ck_assert_int_eq(stream_splice(r.to, r.from, 2000, 50 * CLOCK_MS, &moved, &from_failed),
	                 -ETIMEDOUT);
	ck_assert(from_failed && moved == 1000);
	relay_close(&r);
}

/* Sends the next thousand bytes only when the last ones have arrived. */
static void lockstep_task(void *arg)
{
	struct relay *r = arg;
	unsigned char piece[1000];

	for (size_t at = 0; at < 5000; at += sizeof piece) {
		int64_t deadline = clock_deadline(TEST_PATIENCE);

		fill_pattern(piece, sizeof piece, at);
		ck_assert_int_eq(stream_write_all(r->from_out, piece, sizeof piece, TEST_PATIENCE),
		                 0);
		while (r->sink.got < at + sizeof piece && clock_mono() < deadline)
			task_sleep(CLOCK_MS);
	}
	ck_assert_int_eq(stream_write_all(r->from_out, "x", 1, TEST_PATIENCE), 0);
}

/* What trickles in is passed on although much more is expected, and afterwards a
 * single byte wakes a reader again. */
static void splice_slow_source(void)
{
	struct relay r;
	uint64_t moved;
	bool from_failed;
	char c = 0;

	relay_open(&r, 0, false);
	ck_assert_int_eq(wait_group_spawn(&r.g, "lockstep", lockstep_task, &r, NULL), 0);
	ck_assert_int_eq(stream_splice(r.to, r.from, 5000, TEST_PATIENCE, &moved, &from_failed), 0);
	ck_assert_int_eq(stream_read(r.from, &c, 1, clock_deadline(TEST_PATIENCE)), 1);
	ck_assert_int_eq(c, 'x');
	relay_close(&r);
	ck_assert(r.sink.intact && r.sink.got == 5000);
}

static int pattern_file(size_t n)
{
	char name[] = "/tmp/test_net_XXXXXX";
	int fd = mkstemp(name);
	unsigned char *p = malloc(n);

	ck_assert_int_ge(fd, 0);
	unlink(name);
	fill_pattern(p, n, 0);
	ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
	free(p);
	return fd;
}

/* Once from the page cache, once after asking the kernel to forget it. */
static void sendfile_intact(void)
{
	const size_t all = 5 * MIB + 123;
	int fd = pattern_file(all);

	for (int cold = 0; cold < 2; cold++) {
		struct relay r;
		uint64_t moved;
		bool from_failed;

		if (cold) {
			fsync(fd);
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		relay_open(&r, 0, false);
		ck_assert_int_eq(
			stream_sendfile(r.to, fd, 0, all, TEST_PATIENCE, &moved, &from_failed), 0);
		ck_assert_uint_eq(moved, all);
		relay_close(&r);
		ck_assert(r.sink.intact && r.sink.got == all);
	}
	close(fd);
}

static void sendfile_too_short(void)
{
	int fd = pattern_file(1000);
	struct relay r;
	uint64_t moved;
	bool from_failed;

	relay_open(&r, 0, false);
	ck_assert_int_eq(stream_sendfile(r.to, fd, 0, 2000, TEST_PATIENCE, &moved, &from_failed),
	                 -EPIPE);
	ck_assert(from_failed && moved == 1000);
	relay_close(&r);
	close(fd);
}

/* --- sockets ---------------------------------------------------------------- */

static in_port_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
	                                      : ((struct sockaddr_in *)&ss)->sin_port);
}

START_TEST(test_listen)
{
	char address[32];
	int fds[4], again;
	static const char *const bad[] = {"",       "localhost",    "h:",         "127.0.0.1:65536",
	                                  "::1:80", "127.0.0.1:-1", "300.0.0.1:x"};

	ck_assert_ok(socket_listen_tcp("127.0.0.1:0", 4, fds, &error));
	for (int i = 1; i < 4; i++)
		ck_assert_uint_eq(port_of(fds[i]), port_of(fds[0]));
	ck_assert(fcntl(fds[3], F_GETFD) & FD_CLOEXEC);
	ck_assert(fcntl(fds[3], F_GETFL) & O_NONBLOCK);
	snprintf(address, sizeof address, "127.0.0.1:%d", port_of(fds[0]));
	ck_assert_int_eq(socket_listen_tcp(address, 1, &again, &error), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(error.text, address));
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	ck_assert_ok(socket_listen_tcp(address, 1, &again, &error));
	close(again);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(socket_listen_tcp(bad[i], 1, fds, &error), ERR_INVALID);
}
END_TEST

static void both_families(void)
{
	struct stream *s;
	char port[8];
	int fd, client;
	struct rt_fd *f;

	ck_assert_ok(socket_listen_tcp(":0", 1, &fd, &error));
	snprintf(port, sizeof port, "%d", port_of(fd));
	f = rt_fd_new(fd);
	/* By name: "localhost" needs the look-up thread. */
	ck_assert_ok(
		socket_connect_tcp("localhost", port, clock_deadline(TEST_PATIENCE), &s, &error));
	ck_assert_ok(socket_accept(f, clock_deadline(TEST_PATIENCE), &client, &error));
	close(client);
	stream_close(&s);
	ck_assert_ok(
		socket_connect_tcp("127.0.0.1", port, clock_deadline(TEST_PATIENCE), &s, &error));
	ck_assert_ok(socket_accept(f, clock_deadline(TEST_PATIENCE), &client, &error));
	stream_close(&s);
	s = stream_new(client);
	ck_assert_int_eq(strncmp(stream_peer(s), "127.0.0.1:", 10), 0);
	stream_close(&s);
	rt_fd_close(&f);
}

static void connect_fails(void)
{
	struct listener l;
	struct stream *s;

	listener_open(&l);
	rt_fd_close(&l.f);
	ck_assert_int_eq(
		socket_connect_tcp("127.0.0.1", l.port, clock_deadline(TEST_PATIENCE), &s, &error),
		ERR_IO);
	ck_assert_ptr_nonnull(strstr(error.text, l.port));
	ck_assert_int_eq(socket_connect_tcp("no-such-host.invalid", "80",
	                                    clock_deadline(TEST_PATIENCE), &s, &error),
	                 ERR_IO);
}

/* Two who ask for one name share the look-up. */
static void connect_by_name(void *arg)
{
	struct listener *l = arg;
	struct stream *s;

	ck_assert_ok(socket_connect_tcp("localhost", l->port, clock_deadline(TEST_PATIENCE), &s,
	                                &error));
	stream_close(&s);
}

static void shared_lookup(void)
{
	struct listener l;
	struct wait_group g = {0};

	listener_open(&l);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(wait_group_spawn(&g, "c", connect_by_name, &l, NULL), 0);
	wait_group_wait(&g, 0);
	rt_fd_close(&l.f);
}

static void accept_waits(void)
{
	struct listener l;
	int fd;

	listener_open(&l);
	ck_assert_int_eq(socket_accept(l.f, clock_deadline(10 * CLOCK_MS), &fd, &error),
	                 ERR_TIMEOUT);
	rt_fd_close(&l.f);
}

static void unix_sockets(void)
{
	char dir[] = "/tmp/test_net_XXXXXX", path[64], peer[32];
	struct stream *a, *b;
	struct stat st;
	struct rt_fd *f;
	int fd, fd2, client;
	uid_t uid = (uid_t)-1;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/sock", dir);
	ck_assert_ok(socket_listen_unix(path, 0600, &fd, &error));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(socket_listen_unix(path, 0600, &fd2, &error), ERR_CONFLICT);

	ck_assert_ok(socket_connect_unix(path, clock_deadline(TEST_PATIENCE), &a, &error));
	ck_assert_int_eq(socket_unix_holder(path), getpid());
	f = rt_fd_new(fd);
	/* The probe of the second listener is in the queue too. */
	ck_assert_ok(socket_accept(f, clock_deadline(TEST_PATIENCE), &client, &error));
	close(client);
	ck_assert_ok(socket_accept(f, clock_deadline(TEST_PATIENCE), &client, &error));
	b = stream_new(client);
	ck_assert(socket_peer_uid(stream_fd(b), &uid));
	ck_assert_uint_eq(uid, getuid());
	ck_assert(socket_peer_in_group(stream_fd(b), getgid()));
	ck_assert(!socket_peer_in_group(stream_fd(b), (gid_t)-2));
	snprintf(peer, sizeof peer, "unix:%u", (unsigned)uid);
	ck_assert_str_eq(stream_peer(b), peer);
	stream_close(&a);
	stream_close(&b);
	rt_fd_close(&f);

	/* A file that nobody serves any more is replaced, any other is not. */
	ck_assert_int_eq(socket_connect_unix(path, clock_deadline(TEST_PATIENCE), &a, &error),
	                 ERR_IO);
	ck_assert_ok(socket_listen_unix(path, 0660, &fd, &error));
	close(fd);
	ck_assert_int_eq(socket_unix_holder(path), 0);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ck_assert_int_eq(socket_listen_unix(path, 0600, &fd, &error), ERR_CONFLICT);
	unlink(path);
	rmdir(dir);
}

/* --- TLS -------------------------------------------------------------------- */

struct tls_case {
	SSL_CTX *server, *client;
};

/* A self-signed certificate for localhost and 127.0.0.1; trusted by the client
 * when `trusted`. */
static struct tls_case tls_new(bool trusted)
{
	struct tls_case t = {SSL_CTX_new(TLS_server_method()), SSL_CTX_new(TLS_client_method())};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *san =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	                           (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_add_ext(x, san, -1);
	X509_set_pubkey(x, key);
	ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
	SSL_CTX_use_certificate(t.server, x);
	SSL_CTX_use_PrivateKey(t.server, key);
	if (trusted)
		X509_STORE_add_cert(SSL_CTX_get_cert_store(t.client), x);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(key);
	return t;
}

static void tls_free(struct tls_case *t)
{
	SSL_CTX_free(t->server);
	SSL_CTX_free(t->client);
}

struct tls_server {
	struct stream *s;
	SSL_CTX *ctx;
	enum err rc;
};

static void tls_accept(void *arg)
{
	struct tls_server *t = arg;
	struct error ignored;

	t->rc = stream_tls_server(t->s, t->ctx, clock_deadline(TEST_PATIENCE), &ignored);
	if (t->rc)
		stream_close(&t->s);
}

/* Both hand-shakes; the client's result. */
static enum err tls_pair(struct tls_case *t, const char *host, bool verify, struct stream **a,
                         struct stream **b)
{
	struct wait_group g = {0};
	struct tls_server server = {.ctx = t->server};
	enum err rc;

	pair_open(a, &server.s);
	ck_assert_int_eq(wait_group_spawn(&g, "tls", tls_accept, &server, NULL), 0);
	rc = stream_tls_client(*a, t->client, host, verify, clock_deadline(TEST_PATIENCE), &error);
	if (rc)
		stream_close(a);
	wait_group_wait(&g, 0);
	*b = server.s;
	return rc;
}

static void tls_verifies(void)
{
	static const struct {
		const char *host;
		bool trusted, verify;
		enum err want;
	} cases[] = {
		{"localhost", true, true, ERR_OK},  {"127.0.0.1", true, true, ERR_OK},
		{"localhost", false, true, ERR_IO}, {"localhost", false, false, ERR_OK},
		{"otherhost", true, true, ERR_IO},  {"127.0.0.2", true, true, ERR_IO},
		{"otherhost", true, false, ERR_OK},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tls_case t = tls_new(cases[i].trusted);
		struct stream *a, *b;
		enum err rc = tls_pair(&t, cases[i].host, cases[i].verify, &a, &b);

		ck_assert_msg(rc == cases[i].want, "%s: %s", cases[i].host, error.text);
		stream_close(&a);
		stream_close(&b);
		tls_free(&t);
	}
}

/* Both directions at once, larger than every buffer. */
static void tls_full_duplex(void)
{
	struct tls_case t = tls_new(true);
	struct stream *a, *b;
	struct wait_group g = {0};
	struct pump pa, pb;
	struct task *reader_a;
	struct sink sa, sb;

	ck_assert_int_eq(tls_pair(&t, "localhost", true, &a, &b), ERR_OK);
	ck_assert(!stream_is_plain(a));
	pa = (struct pump){.s = a, .n = 3 * MIB, .random = true};
	pb = (struct pump){.s = b, .n = 3 * MIB, .random = true};
	sa = (struct sink){.s = a};
	sb = (struct sink){.s = b};
	wait_group_spawn(&g, "pump", pump_task, &pa, NULL);
	wait_group_spawn(&g, "pump", pump_task, &pb, NULL);
	wait_group_wait(&g, 2);
	wait_group_spawn(&g, "sink", sink_task, &sa, &reader_a);
	wait_group_spawn(&g, "sink", sink_task, &sb, NULL);
	while (sa.got < pb.n || sb.got < pa.n)
		task_yield();
	wait_group_wait(&g, 2);
	task_cancel(reader_a);
	wait_group_wait(&g, 1);
	stream_close(&a);
	wait_group_wait(&g, 0);
	ck_assert(sa.intact && sb.intact && pa.result == 0 && pb.result == 0);
	ck_assert_int_eq(sb.end, 0); /* close_notify makes it a clean end */
	stream_close(&b);
	tls_free(&t);
}

static void tls_writes_vectors(void)
{
	struct tls_case t = tls_new(true);
	struct stream *a, *b;
	struct wait_group g = {0};
	struct sink k;
	static unsigned char data[200000];
	struct iovec iov[3] = {{data, 500}, {data + 500, 700}, {data + 1200, sizeof data - 1200}};

	ck_assert_int_eq(tls_pair(&t, "localhost", true, &a, &b), ERR_OK);
	ck_assert(!stream_is_stale(a)); /* session tickets do not count */
	fill_pattern(data, sizeof data, 0);
	k = (struct sink){.s = b};
	wait_group_spawn(&g, "sink", sink_task, &k, NULL);
	ck_assert_int_eq(stream_write(a, iov, 3, TEST_PATIENCE), 0);
	stream_close(&a);
	wait_group_wait(&g, 0);
	ck_assert(k.intact && k.got == sizeof data && k.end == 0);
	stream_close(&b);
	tls_free(&t);
}

/* A connection cut without close_notify is an error, never a clean end. */
static void tls_ends(void)
{
	struct tls_case t = tls_new(true);
	struct stream *a, *b;
	char c;

	ck_assert_int_eq(tls_pair(&t, "localhost", true, &a, &b), ERR_OK);
	stream_finish_write(b);
	ck_assert_int_eq(stream_read(a, &c, 1, clock_deadline(TEST_PATIENCE)), 0);
	ck_assert_int_eq(stream_write_all(a, "x", 1, TEST_PATIENCE), 0); /* in one direction */
	ck_assert_int_eq(stream_read(b, &c, 1, clock_deadline(TEST_PATIENCE)), 1);
	stream_close(&a);
	ck_assert_int_eq(stream_read(b, &c, 1, clock_deadline(TEST_PATIENCE)), 0);
	stream_close(&b);

	ck_assert_int_eq(tls_pair(&t, "localhost", true, &a, &b), ERR_OK);
	stream_shutdown_write(b);
	ck_assert_int_eq(stream_read(a, &c, 1, clock_deadline(TEST_PATIENCE)), -ECONNRESET);
	stream_close(&a);
	stream_close(&b);
	tls_free(&t);
}

/* Records that carry no data. */
static void send_key_updates(struct stream *s, int n)
{
	while (n-- > 0) {
		ck_assert_int_eq(SSL_key_update(s->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		ck_assert_int_eq(SSL_do_handshake(s->ssl), 1);
	}
}

struct turns {
	int n;
	bool end;
};

static void count_turns(void *arg)
{
	struct turns *t = arg;

	for (; !t->end; t->n++)
		task_yield();
}

/* A peer that sends records without data, or with next to none, keeps neither the
 * loop nor, in the end, its connection. */
static void tls_empty_records(void)
{
	struct tls_case t = tls_new(true);
	struct turns turns = {0};
	struct wait_group g = {0};
	struct stream *a, *b;
	char c;

	ck_assert_int_eq(tls_pair(&t, "localhost", true, &a, &b), ERR_OK);
	wait_group_spawn(&g, "turns", count_turns, &turns, NULL);
	for (int i = 0; i < 3; i++) {
		send_key_updates(a, 50);
		ck_assert_int_eq(stream_write_all(a, "x", 1, TEST_PATIENCE), 0);
		ck_assert_int_eq(stream_read(b, &c, 1, clock_deadline(TEST_PATIENCE)), 1);
	}
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(stream_write_all(a, "x", 1, TEST_PATIENCE), 0);
	turns.n = 0;
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(stream_read(b, &c, 1, clock_deadline(TEST_PATIENCE)), 1);
	ck_assert_int_ge(turns.n, 5);
	turns.end = true;
	send_key_updates(a, 2000);
	ck_assert_int_eq(stream_write_all(a, "x", 1, TEST_PATIENCE), 0);
	ck_assert_int_eq(stream_read(b, &c, 1, clock_deadline(TEST_PATIENCE)), -EPROTO);
	send_key_updates(b, 2000); /* the other direction */
	ck_assert_int_eq(stream_write_all(b, "x", 1, TEST_PATIENCE), 0);
	ck_assert_int_eq(stream_peek(a, &c, 1, clock_deadline(TEST_PATIENCE)), -EPROTO);
	wait_group_wait(&g, 0);
	stream_close(&a);
	stream_close(&b);
	tls_free(&t);
}

static void tls_garbage_and_silence(void)
{
	struct tls_case t = tls_new(true);
	struct stream *a, *b;

	pair_open(&a, &b);
	ck_assert_int_eq(stream_write_all(a, "GET / HTTP/1.1\r\n\r\n", 18, TEST_PATIENCE), 0);
	ck_assert_int_eq(stream_tls_server(b, t.server, clock_deadline(TEST_PATIENCE), &error),
	                 ERR_IO);
	stream_close(&a);
	stream_close(&b);
	pair_open(&a, &b);
	ck_assert_int_eq(stream_tls_server(b, t.server, clock_deadline(20 * CLOCK_MS), &error),
	                 ERR_TIMEOUT);
	stream_close(&a);
	stream_close(&b);
	tls_free(&t);
}

static void (*const in_tasks[])(void) = {
	read_waits,         end_with_data,      write_vectors,    write_times_out,
	write_to_closed,    read_cancelled,     staleness,        splice_intact,
	splice_source_ends, splice_sink_fails,  splice_times_out, splice_slow_source,
	sendfile_intact,    sendfile_too_short, both_families,    connect_fails,
	shared_lookup,      accept_waits,       unix_sockets,     tls_verifies,
	tls_full_duplex,    tls_writes_vectors, tls_ends,         tls_garbage_and_silence,
	tls_empty_records,
};

START_TEST(test_in_task)
{
	in_task(in_tasks[_i]);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_listen);
	tcase_add_loop_test(t, test_in_task, 0, sizeof in_tasks / sizeof *in_tasks);
	return run_tests("net_stream", t);
}
