#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/frames.h"

static void frames_hello__round_trip(void **state)
{
	struct ftp_frame_hello h = {12345678901, 8192, 77}, back;
	uint8_t payload[FTP_FRAME_MAX_BYTES] = {0};
	uint32_t bytes = ftp_frame_encode_hello(payload, &h);

	(void)state;
	h.max_ack_delay_ns = 12345678;
	bytes = ftp_frame_encode_hello(payload, &h);
	assert_true(ftp_frame_parse_hello(&back, payload, bytes));
	assert_memory_equal(&h, &back, sizeof(h));
	/* A later version may say more. */
	assert_true(ftp_frame_parse_hello(&back, payload, bytes + 8));
	assert_false(ftp_frame_parse_hello(&back, payload, bytes - 1));
}

static void frames_hello__bounds(void **state)
{
	static const struct ftp_frame_hello bad[] = {
		{FTP_FRAME_MAX_ACK_DELAY_NS + 1, 8192, 1},
		{0, FTP_FRAME_MIN_PAYLOAD_BYTES - 1, 1},
		{0, FTP_WIRE_MAX_PAYLOAD_BYTES + 1, 1},
		{0, 8192, 0},
	};
	uint8_t payload[FTP_FRAME_MAX_BYTES];
	struct ftp_frame_hello back;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ftp_frame_parse_hello(
			&back, payload, ftp_frame_encode_hello(payload, &bad[i])));
}

static void frames_ack__round_trip(void **state)
{
	struct ftp_range ranges[FTP_RANGES_MAX], back[FTP_RANGES_MAX];
	struct ftp_frame_ack ack = {.delay_ns = 99, .ranges = ranges}, got;
	uint8_t payload[FTP_FRAME_MAX_BYTES];

	(void)state;
	for (uint32_t i = 0; i < FTP_RANGES_MAX; i++)
		ranges[i] = (struct ftp_range){1000 - 10 * i, 1005 - 10 * i};
	for (ack.n = 1; ack.n <= FTP_RANGES_MAX; ack.n++) {
		uint32_t bytes = ftp_frame_encode_ack(payload, &ack);

		assert_true(ftp_frame_parse_ack(&got, back, payload, bytes));
		assert_int_equal(got.delay_ns, 99);
		assert_int_equal(got.n, ack.n);
		assert_memory_equal(back, ranges, ack.n * sizeof(ranges[0]));
		assert_false(ftp_frame_parse_ack(&got, back, payload, bytes - 1));
		assert_false(ftp_frame_parse_ack(&got, back, payload, bytes + 1));
	}
}

static void frames_ack__refuses_disorder(void **state)
{
	static const struct ftp_range bad[][2] = {
		{{5, 4}, {1, 2}},   /* backwards */
		{{5, 9}, {3, 5}},   /* overlap */
		{{5, 9}, {10, 12}}, /* ascending */
	};
	struct ftp_range back[FTP_RANGES_MAX];
	struct ftp_frame_ack got;
	uint8_t payload[FTP_FRAME_MAX_BYTES] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ftp_frame_ack ack = {.n = 2, .ranges = bad[i]};

		assert_false(ftp_frame_parse_ack(
			&got, back, payload, ftp_frame_encode_ack(payload, &ack)));
	}
	memset(payload, 0, sizeof(payload)); /* no range at all */
	assert_false(ftp_frame_parse_ack(&got, back, payload, 12));
}

static void frames_grants__round_trip(void **state)
{
	struct ftp_grant grants[FTP_FRAME_MAX_GRANTS], back[FTP_FRAME_MAX_GRANTS];
	uint8_t payload[FTP_FRAME_MAX_BYTES];
	uint32_t n, bytes;

	(void)state;
	memset(grants, 0, sizeof(grants));
	for (uint32_t i = 0; i < FTP_FRAME_MAX_GRANTS; i++) {
		grants[i].number = 1000000007ull * i;
		grants[i].id = (struct ftp_message_id){1, (uint8_t)i, 2, 3 + i, 1ull << i};
		grants[i].bytes = 1 + i;
	}
	bytes = ftp_frame_encode_grants(payload, grants, FTP_FRAME_MAX_GRANTS);
	assert_true(ftp_frame_parse_grants(back, &n, payload, bytes));
	assert_int_equal(n, FTP_FRAME_MAX_GRANTS);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(back[i].number, grants[i].number);
		assert_true(ftp_message_id_equal(&back[i].id, &grants[i].id));
		assert_int_equal(back[i].bytes, grants[i].bytes);
	}
	assert_false(ftp_frame_parse_grants(back, &n, payload, bytes - 1));
	assert_false(ftp_frame_parse_grants(back, &n, payload, 0));
	grants[0].bytes = 0;
	bytes = ftp_frame_encode_grants(payload, grants, 1);
	assert_false(ftp_frame_parse_grants(back, &n, payload, bytes));
	grants[0].bytes = FTP_WIRE_MAX_MESSAGE_BYTES + 1;
	bytes = ftp_frame_encode_grants(payload, grants, 1);
	assert_false(ftp_frame_parse_grants(back, &n, payload, bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_hello__round_trip),
		cmocka_unit_test(frames_hello__bounds),
		cmocka_unit_test(frames_ack__round_trip),
		cmocka_unit_test(frames_ack__refuses_disorder),
		cmocka_unit_test(frames_grants__round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
