/* Round trips, and decoders that get every flipped bit, every length and random bytes. */
#include "runtime/checkpoint_format.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/prng.h"
#include "tests/base/check.h"

static struct ftp_checkpoint_name name_of(uint64_t i)
{
	return (struct ftp_checkpoint_name){.run = 5,
		.term = i + 1,
		.step = 10 * i,
		.unit = (uint32_t)i,
		.bytes = 1000 * i,
		.digest = {.high = ftp_prng_mix(i), .low = i}};
}

static void header__round_trip_and_flips(void **state)
{
	uint8_t bytes[FTP_CHECKPOINT_HEADER_BYTES];
	struct ftp_checkpoint_name name = name_of(7), found;

	(void)state;
	ftp_checkpoint_format_header(bytes, &name);
	assert_int_equal(ftp_checkpoint_format_parse_header(&found, bytes), 0);
	assert_true(ftp_checkpoint_format_same(&name, &found));
	for (uint32_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(ftp_checkpoint_format_parse_header(&found, bytes), -EBADMSG);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static struct ftp_checkpoint_manifest written, parsed;
static uint8_t slot[FTP_CHECKPOINT_SLOT_BYTES];

static uint32_t write_manifest(uint32_t n_records)
{
	written.run = 5;
	written.sequence = 9;
	written.n_records = n_records;
	for (uint32_t i = 0; i < n_records; i++)
		written.records[i] = (struct ftp_checkpoint_record){
			.name = name_of(i), .segment = i % 3, .offset = 4096ull * i};
	memset(slot, 0xee, sizeof(slot));
	return ftp_checkpoint_format_manifest(slot, &written);
}

static void manifest__round_trip(void **state)
{
	static const uint32_t counts[] = {0, 1, 71, 72, 73, FTP_CHECKPOINT_MAX_RECORDS};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t bytes = write_manifest(counts[i]);

		assert_int_equal(bytes % FTP_CHECKPOINT_BLOCK, 0);
		assert_int_equal(ftp_checkpoint_format_parse_manifest(&parsed, slot, bytes), 0);
		assert_int_equal(parsed.sequence, 9);
		assert_int_equal(parsed.run, 5);
		assert_int_equal(parsed.n_records, counts[i]);
		for (uint32_t k = 0; k < counts[i]; k++) {
			assert_true(ftp_checkpoint_format_same(
				&parsed.records[k].name, &written.records[k].name));
			assert_int_equal(parsed.records[k].offset, written.records[k].offset);
			assert_int_equal(parsed.records[k].segment, written.records[k].segment);
		}
	}
}

/* The next one must have a number too. */
static void manifest__sequence_at_its_end(void **state)
{
	uint32_t bytes;

	(void)state;
	write_manifest(1);
	written.sequence = UINT64_MAX;
	bytes = ftp_checkpoint_format_manifest(slot, &written);
	assert_int_equal(ftp_checkpoint_format_parse_manifest(&parsed, slot, bytes), -EBADMSG);
	assert_int_equal(parsed.sequence, 0);
}

static void manifest__flips_and_lengths(void **state)
{
	uint32_t used = FTP_CHECKPOINT_MANIFEST_BYTES + 5 * FTP_CHECKPOINT_ENTRY_BYTES;

	(void)state;
	write_manifest(5);
	for (uint32_t bit = 0; bit < 8 * used; bit++) {
		slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(ftp_checkpoint_format_parse_manifest(&parsed, slot, sizeof(slot)),
			-EBADMSG);
		assert_int_equal(parsed.sequence, 0);
		slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (uint32_t bytes = 0; bytes < used; bytes++) {
		/* A copy of just that size: what is read beyond it is seen by the sanitizer. */
		uint8_t *cut = malloc(bytes + 1);

		ftp_assert(cut);
		memcpy(cut, slot, bytes);
		assert_int_not_equal(ftp_checkpoint_format_parse_manifest(&parsed, cut, bytes), 0);
		free(cut);
	}
}

/* A checksum that holds does not make nonsense right: counts, places and sizes are bounded. */
static void manifest__nonsense_with_a_checksum(void **state)
{
	(void)state;
	write_manifest(2);
	written.records[1].offset = 100;
	ftp_checkpoint_format_manifest(slot, &written);
	assert_int_equal(
		ftp_checkpoint_format_parse_manifest(&parsed, slot, sizeof(slot)), -EBADMSG);
	written.records[1].offset = UINT64_MAX & ~4095ull;
	ftp_checkpoint_format_manifest(slot, &written);
	assert_int_equal(
		ftp_checkpoint_format_parse_manifest(&parsed, slot, sizeof(slot)), -EBADMSG);
	written.records[1].offset = 4096;
	written.records[1].name.bytes = UINT64_MAX;
	ftp_checkpoint_format_manifest(slot, &written);
	assert_int_equal(
		ftp_checkpoint_format_parse_manifest(&parsed, slot, sizeof(slot)), -EBADMSG);
}

static void parse__random_bytes(void **state)
{
	struct ftp_checkpoint_name name;
	uint64_t key = check_seed();

	(void)state;
	for (uint64_t i = 0; i < 20000; i++) {
		size_t bytes = ftp_prng_below(key, i * 1000, 600) + 128;
		uint8_t *random = malloc(bytes);

		ftp_assert(random);
		for (size_t k = 0; k < bytes; k++)
			random[k] = (uint8_t)ftp_prng_u64(key, i * 1000 + k);
		if (i % 2)
			memcpy(random, i % 4 == 1 ? "FTPCKMAN\1\0\0\0" : "FTPCKREC\1\0\0\0", 12);
		assert_int_not_equal(
			ftp_checkpoint_format_parse_manifest(&parsed, random, bytes), 0);
		assert_int_not_equal(ftp_checkpoint_format_parse_header(&name, random), 0);
		free(random);
	}
}

static void manifest__never_written(void **state)
{
	(void)state;
	memset(slot, 0, sizeof(slot));
	assert_int_equal(ftp_checkpoint_format_parse_manifest(&parsed, slot, sizeof(slot)), 1);
	assert_int_equal(ftp_checkpoint_format_parse_manifest(&parsed, slot, 0), 1);
	slot[sizeof(slot) - 1] = 1;
	assert_int_equal(
		ftp_checkpoint_format_parse_manifest(&parsed, slot, sizeof(slot)), -EBADMSG);
}

static void segment_name__both_ways(void **state)
{
	static const char *const strange[] = {"segment-1", "segment-0000000g", "segment-000000001",
		"Segment-00000001", "manifest", "", "segment--0000001", "segment-0000000A"};
	char name[FTP_CHECKPOINT_NAME];
	uint32_t n;

	(void)state;
	ftp_checkpoint_format_segment_name(name, 0xabcdef);
	assert_string_equal(name, "segment-00abcdef");
	assert_true(ftp_checkpoint_format_is_segment(name, &n));
	assert_int_equal(n, 0xabcdef);
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
		assert_false(ftp_checkpoint_format_is_segment(strange[i], &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header__round_trip_and_flips),
		cmocka_unit_test(manifest__round_trip),
		cmocka_unit_test(manifest__sequence_at_its_end),
		cmocka_unit_test(manifest__flips_and_lengths),
		cmocka_unit_test(manifest__nonsense_with_a_checksum),
		cmocka_unit_test(manifest__never_written),
		cmocka_unit_test(parse__random_bytes),
		cmocka_unit_test(segment_name__both_ways),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
