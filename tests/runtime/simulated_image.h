/* What is in a simulated disk at one moment. Images share their pages until one of them is written.
 */
#ifndef FTP_TESTS_SIMULATED_IMAGE_H
#define FTP_TESTS_SIMULATED_IMAGE_H

#include "runtime/disk.h"

#define SIMULATED_PAGE	    FTP_DISK_BLOCK
#define SIMULATED_MAX_FILES 160

struct simulated_page { /* shared by images; written only by its single owner */
	uint32_t n_owners;
	uint8_t data[SIMULATED_PAGE];
};

struct simulated_file {
	char name[FTP_DISK_NAME];
	bool exists;
	uint64_t bytes;
	uint32_t n_pages;
	struct simulated_page **pages; /* NULL: zeros */
};

struct simulated_image {
	struct simulated_file
		files[SIMULATED_MAX_FILES]; /* the same file has the same place in every image */
	uint32_t n_files;
};

void simulated_image_copy(struct simulated_image *to, const struct simulated_image *from);
void simulated_image_drop(struct simulated_image *image);
int simulated_image_find(const struct simulated_image *image, const char *name); /* -1: none */

void simulated_file_resize(struct simulated_file *f, uint64_t bytes);
/* Within a page; the file grows as needed. */
void simulated_file_put(
	struct simulated_file *f, uint64_t offset, const uint8_t *data, uint32_t bytes);
void simulated_file_get(
	const struct simulated_file *f, uint64_t offset, uint8_t *out, uint64_t bytes);
void simulated_file_flip(struct simulated_file *f, uint64_t bit);

#endif
