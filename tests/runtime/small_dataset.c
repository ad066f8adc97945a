#include "tests/runtime/small_dataset.h"

#include <ftw.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/base/check.h"

void small_dataset_directory(char path[64])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, 64, "%.40s/ftp-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void small_dataset_remove(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

char small_dataset_dir[64];

int small_dataset_set_up(void **state)
{
	(void)state;
	small_dataset_directory(small_dataset_dir);
	return 0;
}

int small_dataset_tear_down(void **state)
{
	(void)state;
	small_dataset_remove(small_dataset_dir);
	return 0;
}

void small_dataset_write_file(const char *path, const char *name, const void *data, size_t n_bytes)
{
	char file[512];
	gzFile f;

	snprintf(file, sizeof(file), "%s/%s", path, name);
	f = gzopen(file, strstr(name, ".gz") ? "wb" : "wbT"); /* T: plain */
	assert_non_null(f);
	assert_int_equal(gzwrite(f, data, (unsigned)n_bytes), n_bytes);
	assert_int_equal(gzclose(f), Z_OK);
}

size_t small_dataset_read_file(const char *path, const char *name, void *data, size_t max_bytes)
{
	char file[512];
	size_t n;
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", path, name);
	f = fopen(file, "r");
	assert_non_null(f);
	n = fread(data, 1, max_bytes, f);
	fclose(f);
	return n;
}

uint8_t small_dataset_pixel(int test, uint32_t sample, uint32_t y, uint32_t x)
{
	return (uint8_t)(1 + test + 7 * sample + 3 * y + x);
}

static void write_part(const char *path, int test, uint8_t n)
{
	static const char *const names[2][2] = {
		{"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"},
		{"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"},
	};
	uint8_t images[16 + 256 * SMALL_HEIGHT * SMALL_WIDTH] = {
		0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, SMALL_HEIGHT, 0, 0, 0, SMALL_WIDTH};
	uint8_t labels[8 + 256] = {0, 0, 8, 1, 0, 0, 0, n};
	uint8_t *p = images + 16;

	for (uint32_t i = 0; i < n; i++) {
		labels[8 + i] = (uint8_t)(i % 3);
		for (uint32_t y = 0; y < SMALL_HEIGHT; y++)
			for (uint32_t x = 0; x < SMALL_WIDTH; x++)
				*p++ = small_dataset_pixel(test, i, y, x);
	}
	small_dataset_write_file(path, names[test][0], images, (size_t)(p - images));
	small_dataset_write_file(path, names[test][1], labels, 8 + (size_t)n);
}

void small_dataset_write(const char *path)
{
	write_part(path, 0, SMALL_TRAIN);
	write_part(path, 1, SMALL_TEST);
}
