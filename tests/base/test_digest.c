#include "runtime/base/digest.h"

#include "runtime/base/prng.h"
#include "tests/base/check.h"

static void hex__of_known_values(void **state)
{
	char hex[FTP_DIGEST_HEX];

	(void)state;
	/* `xxhsum -H2 < /dev/null` */
	ftp_digest_hex(ftp_digest_of("", 0), hex);
	assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
	ftp_digest_hex((struct ftp_digest){.high = 0x1, .low = 0xab}, hex);
	assert_string_equal(hex, "000000000000000100000000000000ab");
}

static void add__in_any_pieces_is_the_whole(void **state)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0);
	unsigned char data[5000];
	struct ftp_digest whole;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)ftp_prng_u64(key, i);
	whole = ftp_digest_of(data, sizeof(data));
	for (uint64_t turn = 0; turn < 50; turn++) {
		struct ftp_digest_stream *s = ftp_digest_begin();
		struct ftp_digest d;

		ftp_digest_add(s, data, 10 * turn);
		d = ftp_digest_take(s);
		assert_int_equal(d.low, ftp_digest_of(data, 10 * turn).low);

		for (size_t at = 0, n = 0, i = 0; at < sizeof(data); at += n, i++) {
			n = ftp_prng_below(key, 10000 + turn * 100 + i, 700);
			n = n < sizeof(data) - at ? n : sizeof(data) - at;
			ftp_digest_add(s, data + at, n);
		}
		d = ftp_digest_end(s);
		assert_memory_equal(&d, &whole, sizeof(d));
	}
	data[4999] ^= 1;
	assert_int_not_equal(ftp_digest_of(data, sizeof(data)).low, whole.low);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex__of_known_values),
		cmocka_unit_test(add__in_any_pieces_is_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
