/* A small synthetic data set on disk, for the tests of whatever reads one. */
#ifndef FTP_TESTS_SMALL_DATASET_H
#define FTP_TESTS_SMALL_DATASET_H

#include <stddef.h>
#include <stdint.h>

#define SMALL_TRAIN  23
#define SMALL_TEST   11
#define SMALL_HEIGHT 5
#define SMALL_WIDTH  4

/* A new directory under $TMPDIR or /tmp; small_dataset_remove() deletes it with all that is in it.
 */
void small_dataset_directory(char path[64]);
void small_dataset_remove(const char *path);

/* The same, for a group of tests. */
extern char small_dataset_dir[64];
int small_dataset_set_up(void **state);
int small_dataset_tear_down(void **state);

/* The four files; sample i has label i % 3 and pixels of a fixed pattern, which tell the sample. */
void small_dataset_write(const char *path);
uint8_t small_dataset_pixel(int test, uint32_t sample, uint32_t y, uint32_t x);

/* One file: plain, or through gzip when its name ends in ".gz". */
void small_dataset_write_file(const char *path, const char *name, const void *data, size_t n_bytes);

/* Reads a file raw; the length, at most max_bytes. */
size_t small_dataset_read_file(const char *path, const char *name, void *data, size_t max_bytes);

#endif
