/* SPDX-License-Identifier: MIT
 *
 * codec, digest: published test vectors, strictness, uniqueness across fork().
 */
#include <check.h>
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/digest.h"
#include "t/unit/run.h"

START_TEST(hex)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t b[4];
	char text[9];

	hex_encode("\x00\x7f\x80\xff", 4, text);
	ck_assert_str_eq(text, "007f80ff");
	ck_assert(hex_decode(STR("007F80fF"), b, 4));
	ck_assert_mem_eq(b, "\x00\x7f\x80\xff", 4);
	ck_assert(!hex_decode(STR("007f80f"), b, 4));
	ck_assert(!hex_decode(STR("007f80ff0"), b, 4));
	ck_assert(!hex_decode(STR("007f80fg"), b, 4));
	ck_assert(hex_decode(STR_NULL, b, 0));
	for (int c = 0; c < 256; c++) {
		const char *at = c ? strchr(digits, tolower(c)) : NULL;
		int value = at ? (int)(at - digits) : -1;

		ck_assert_int_eq(hex_digit((char)c), value);
	}
}
END_TEST

/* RFC 4648 section 10 */
START_TEST(base64_vectors)
{
	static const char *const vectors[][2] = {{"", ""},
	                                         {"f", "Zg=="},
	                                         {"fo", "Zm8="},
	                                         {"foo", "Zm9v"},
	                                         {"foob", "Zm9vYg=="},
	                                         {"fooba", "Zm9vYmE="},
	                                         {"foobar", "Zm9vYmFy"}};
	char text[16], back[16];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i][0]);

		base64_encode(vectors[i][0], n, text);
		ck_assert_str_eq(text, vectors[i][1]);
		ck_assert_uint_eq(strlen(text) + 1, BASE64_SIZE(n));
		ck_assert_int_eq(base64_decode(str_of(text), back, n), (ssize_t)n);
		ck_assert_mem_eq(back, vectors[i][0], n);
	}
	base64_encode("\xfb\xff", 2, text);
	ck_assert_str_eq(text, "+/8=");
}
END_TEST

START_TEST(base64_is_strict)
{
	static const char *const bad[] = {"Z",     "Zg",   "Zg=",     "Zm9",      "Zm9v\n",
	                                  "Zm 9v", "====", "Z===",    "Zg==Zg==", "Zh==",
	                                  "Zm9=",  "Zm9-", "Z\x80==", "=m9v",     "Zm=v"};
	char out[16];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(base64_decode(str_of(bad[i]), out, sizeof(out)) == -1, "%s", bad[i]);
	ck_assert_int_eq(base64_decode(STR("Zm9v"), out, 2), -1);
	ck_assert_int_eq(base64_decode(STR_NULL, out, 0), 0);
}
END_TEST

START_TEST(random_numbers_differ)
{
	uint8_t a[32] = {0}, b[32] = {0};

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
	ck_assert_uint_ne(random_u64(), random_u64());
}
END_TEST

START_TEST(ulids_ascend)
{
	char before[ULID_SIZE], now[ULID_SIZE];
	int64_t start = clock_wall() / CLOCK_MS * CLOCK_MS;

	ulid_new(before);
	ck_assert_int_ge(ulid_wall(str_of(before)), start);
	ck_assert_int_le(ulid_wall(str_of(before)), clock_wall());
	for (int i = 0; i < 100000; i++) {
		ulid_new(now);
		ck_assert_int_gt(strcmp(now, before), 0);
		memcpy(before, now, sizeof(before));
	}
	ck_assert(ulid_is_valid(str_of(now)));
}
END_TEST

START_TEST(ulids_are_checked)
{
	ck_assert(ulid_is_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAV")));
	ck_assert(ulid_is_valid(STR("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")));
	ck_assert(!ulid_is_valid(STR("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"))); /* more than 128 bits */
	ck_assert(!ulid_is_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FA")));
	ck_assert(!ulid_is_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAVX")));
	ck_assert(!ulid_is_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAI")));
	ck_assert(!ulid_is_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAu")));
	ck_assert(!ulid_is_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FA\0")));
	ck_assert_int_eq(ulid_wall(STR("01ARYZ6S410000000000000000")),
	                 INT64_C(1469918176385) * CLOCK_MS);
}
END_TEST

/* Parent and child go on from the same state, in the same millisecond. */
START_TEST(forked_processes_differ)
{
	struct {
		char ulid[ULID_SIZE];
		uint64_t random;
	} mine, theirs;
	int fds[2];
	pid_t pid;

	ulid_new(mine.ulid);
	mine.random = random_u64();
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	ulid_new(mine.ulid);
	mine.random = random_u64();
	if (pid == 0)
		_exit(write(fds[1], &mine, sizeof(mine)) != sizeof(mine));
	ck_assert_int_eq(read(fds[0], &theirs, sizeof(theirs)), sizeof(theirs));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_mem_ne(mine.ulid + 10, theirs.ulid + 10, 12); /* high random bits */
	ck_assert_uint_ne(mine.random, theirs.random);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static void check_digest(enum digest_kind k, const char *text, const char *hex_want)
{
	uint8_t sum[DIGEST_MAX];
	char got[2 * DIGEST_MAX + 1];
	struct digest *d = digest_new(k);

	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < strlen(text); i++)
			digest_update(d, text + i, 1);
		digest_final(d, sum);
		hex_encode(sum, digest_size(k), got);
		ck_assert_str_eq(got, hex_want);
	}
	digest_free(&d);
	ck_assert_ptr_null(d);
	digest_free(&d);
}

START_TEST(digests)
{
	char sum[SHA256_HEX_SIZE];

	check_digest(DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e");
	check_digest(DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72");
	check_digest(DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
	check_digest(DIGEST_SHA256, "abc",
	             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex(NULL, 0, sum);
	ck_assert_str_eq(sum, SHA256_EMPTY_HEX);
}
END_TEST

static void check_hmac(const void *key, size_t key_n, const char *text, const char *hex_want)
{
	uint8_t sum[SHA256_SIZE];
	char got[SHA256_HEX_SIZE];

	hmac_sha256(key, key_n, text, strlen(text), sum);
	hex_encode(sum, sizeof(sum), got);
	ck_assert_str_eq(got, hex_want);
}

/* RFC 4231, cases 1, 2, 6 (key longer than a block); and an empty key */
START_TEST(hmac)
{
	uint8_t key[131];

	memset(key, 0x0b, 20);
	check_hmac(key, 20, "Hi There",
	           "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	check_hmac("Jefe", 4, "what do ya want for nothing?",
	           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	check_hmac(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First",
	           "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	check_hmac(NULL, 0, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
END_TEST

static void *hash_in_thread(void *arg)
{
	sha256_hex("abc", 3, arg);
	return NULL;
}

/* The thread's context goes away with it, or the leak checker complains. */
START_TEST(digests_in_threads)
{
	pthread_t threads[4];
	char sums[4][SHA256_HEX_SIZE];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hash_in_thread, sums[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_str_eq(sums[i], "ba7816bf8f01cfea414140de5dae2223"
		                          "b00361a396177a9cb410ff61f20015ad");
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_test(t, hex);
	tcase_add_test(t, base64_vectors);
	tcase_add_test(t, base64_is_strict);
	tcase_add_test(t, random_numbers_differ);
	tcase_add_test(t, ulids_ascend);
	tcase_add_test(t, ulids_are_checked);
	tcase_add_test(t, forked_processes_differ);
	tcase_add_test(t, digests);
	tcase_add_test(t, hmac);
	tcase_add_test(t, digests_in_threads);
	return run_tests("base_codec", t);
}
