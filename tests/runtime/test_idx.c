#include "runtime/idx.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/base/check.h"
#include "tests/runtime/small_dataset.h"

static const uint8_t good[] = {
	0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static int open_idx(struct ftp_idx *idx, int n_dims, struct ftp_error *err)
{
	err->text[0] = 0;
	return ftp_idx_open(idx, small_dataset_dir, "f", n_dims, err);
}

static void assert_refused(int n_dims, int code, const char *text)
{
	struct ftp_idx idx;
	struct ftp_error err;

	assert_int_equal(open_idx(&idx, n_dims, &err), code);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in: %s", text, err.text);
	assert_non_null(strstr(err.text, small_dataset_dir));
	assert_null(idx.values);
}

static void open__plain_and_gzip(void **state)
{
	static const char *const names[] = {"f", "f.gz"};
	struct ftp_error err;
	struct ftp_idx idx;
	char path[80];

	(void)state;
	for (int i = 0; i < 2; i++) {
		small_dataset_write_file(small_dataset_dir, names[i], good, sizeof(good));
		assert_int_equal(open_idx(&idx, 2, &err), 0);
		assert_int_equal(idx.n_bytes, 12);
		assert_int_equal(idx.dims[0], 3);
		assert_int_equal(idx.dims[1], 4);
		assert_memory_equal(idx.values, good + 12, 12);
		ftp_idx_close(&idx);
		snprintf(path, sizeof(path), "%s/%s", small_dataset_dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
}

static void open__missing(void **state)
{
	char path[80];

	(void)state;
	assert_refused(2, -ENOENT, "No such file");
	snprintf(path, sizeof(path), "%s/f", small_dataset_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(2, -EINVAL, "not a regular file");
	assert_int_equal(rmdir(path), 0);
}

static void open__every_truncation(void **state)
{
	static const char *const names[] = {"f", "f.gz"};
	uint8_t whole[128];
	char path[80];

	(void)state;
	for (int i = 0; i < 2; i++) {
		size_t n;

		snprintf(path, sizeof(path), "%s/%s", small_dataset_dir, names[i]);
		small_dataset_write_file(small_dataset_dir, names[i], good, sizeof(good));
		n = small_dataset_read_file(small_dataset_dir, names[i], whole, sizeof(whole));
		assert_in_range(n, sizeof(good), sizeof(whole) - 1);
		for (size_t bytes = 0; bytes < n; bytes++) {
			small_dataset_write_file(small_dataset_dir, names[i], good, sizeof(good));
			assert_int_equal(truncate(path, (off_t)bytes), 0);
			assert_refused(2, -EINVAL, "");
		}
		assert_int_equal(unlink(path), 0);
	}
}

/* Any damaged byte of a gzip file is found by its checksum or its structure; what a damaged byte
 * may change without harm is in the gzip header (time, operating system). */
static void open__every_damaged_byte_of_gzip(void **state)
{
	enum { GZIP_HEADER_FREE_FROM = 4, GZIP_HEADER_END = 10 };
	uint8_t whole[128], original;
	struct ftp_error err;
	struct ftp_idx idx;
	char path[80];
	FILE *f;
	size_t n;

	(void)state;
	snprintf(path, sizeof(path), "%s/f.gz", small_dataset_dir);
	small_dataset_write_file(small_dataset_dir, "f.gz", good, sizeof(good));
	n = small_dataset_read_file(small_dataset_dir, "f.gz", whole, sizeof(whole));
	for (size_t i = 0; i < n; i++) {
		original = whole[i];
		whole[i] ^= 0x55;
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(whole, 1, n, f), n);
		fclose(f);
		whole[i] = original;
		if (i >= GZIP_HEADER_FREE_FROM && i < GZIP_HEADER_END) {
			assert_int_equal(open_idx(&idx, 2, &err), 0);
			assert_memory_equal(idx.values, good + 12, 12);
			ftp_idx_close(&idx);
		} else {
			assert_refused(2, -EINVAL, "");
		}
	}
	assert_int_equal(unlink(path), 0);
}

static void open__wrong_headers(void **state)
{
	static const struct {
		uint8_t at, value;
		int n_dims;
		const char *text;
	} cases[] = {
		{0, 1, 2, "magic number 0x00000802, found 0x01000802"},
		{2, 9, 2, "magic number"}, /* signed bytes */
		{3, 3, 2, "magic number"},
		{0, 0, 3, "magic number 0x00000803, found 0x00000802"},
		{7, 0, 2, "dimension 0 is 0"},
		{11, 0, 2, "dimension 1 is 0"},
		{8, 0xff, 2, "dimension 1 is 4278190084: expected 1 to 4096"},
		{4, 0xff, 2, "expected at most"},
		{5, 1, 2, "cannot hold them"},
		{7, 4, 2, "cannot hold them"},
		{7, 2, 2, "longer than its header says"},
	};
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s/f", small_dataset_dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[sizeof(good)];

		memcpy(bytes, good, sizeof(good));
		bytes[cases[i].at] = cases[i].value;
		/* The plain file is a little shorter than header and data. */
		small_dataset_write_file(small_dataset_dir, "f", bytes,
			strstr(cases[i].text, "hold") ? 12 : sizeof(bytes));
		assert_refused(cases[i].n_dims, -EINVAL, cases[i].text);
	}
	assert_int_equal(unlink(path), 0);
}

/* A header of a few bytes must not make us allocate gigabytes. */
static void open__gzip_bomb_header(void **state)
{
	uint8_t bytes[sizeof(good)];
	char path[80];

	(void)state;
	memcpy(bytes, good, sizeof(good));
	bytes[5] = 0x10; /* a million rows of 4 */
	small_dataset_write_file(small_dataset_dir, "f.gz", bytes, sizeof(bytes));
	assert_refused(2, -EINVAL, "cannot hold them");
	snprintf(path, sizeof(path), "%s/f.gz", small_dataset_dir);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__plain_and_gzip),
		cmocka_unit_test(open__missing),
		cmocka_unit_test(open__every_truncation),
		cmocka_unit_test(open__every_damaged_byte_of_gzip),
		cmocka_unit_test(open__wrong_headers),
		cmocka_unit_test(open__gzip_bomb_header),
	};

	return cmocka_run_group_tests(tests, small_dataset_set_up, small_dataset_tear_down);
}
