#include "tests/runtime/simulated_image.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"

static void drop_page(struct simulated_page *p)
{
	if (p && !--p->n_owners)
		free(p);
}

void simulated_file_resize(struct simulated_file *f, uint64_t bytes)
{
	uint32_t n = (uint32_t)((bytes + SIMULATED_PAGE - 1) / SIMULATED_PAGE);

	for (uint32_t i = n; i < f->n_pages; i++)
		drop_page(f->pages[i]);
	f->pages = realloc(f->pages, (n + 1) * sizeof(f->pages[0]));
	ftp_assert(f->pages);
	for (uint32_t i = f->n_pages; i < n; i++)
		f->pages[i] = NULL;
	f->n_pages = n;
	f->bytes = bytes;
}

static void clear(struct simulated_file *f)
{
	simulated_file_resize(f, 0);
	free(f->pages);
	f->pages = NULL;
}

void simulated_image_copy(struct simulated_image *to, const struct simulated_image *from)
{
	*to = (struct simulated_image){.n_files = from->n_files};
	for (uint32_t i = 0; i < from->n_files; i++) {
		const struct simulated_file *f = &from->files[i];
		struct simulated_file *g = &to->files[i];

		*g = (struct simulated_file){.exists = f->exists};
		memcpy(g->name, f->name, sizeof(g->name));
		simulated_file_resize(g, f->bytes);
		for (uint32_t p = 0; p < f->n_pages; p++) {
			g->pages[p] = f->pages[p];
			if (g->pages[p])
				g->pages[p]->n_owners++;
		}
	}
}

void simulated_image_drop(struct simulated_image *image)
{
	for (uint32_t i = 0; i < image->n_files; i++)
		clear(&image->files[i]);
}

static uint8_t *own_page(struct simulated_file *f, uint32_t i)
{
	struct simulated_page *old = f->pages[i], *p;

	if (old && old->n_owners == 1)
		return old->data;
	p = calloc(1, sizeof(*p));
	ftp_assert(p);
	p->n_owners = 1;
	if (old)
		memcpy(p->data, old->data, SIMULATED_PAGE);
	drop_page(old);
	f->pages[i] = p;
	return p->data;
}

/* Within a page. */
void simulated_file_put(
	struct simulated_file *f, uint64_t offset, const uint8_t *data, uint32_t bytes)
{
	if (offset + bytes > f->bytes)
		simulated_file_resize(f, offset + bytes);
	memcpy(own_page(f, (uint32_t)(offset / SIMULATED_PAGE)) + offset % SIMULATED_PAGE, data,
		bytes);
}

void simulated_file_get(
	const struct simulated_file *f, uint64_t offset, uint8_t *out, uint64_t bytes)
{
	while (bytes) {
		uint64_t in_page = offset % SIMULATED_PAGE, n = SIMULATED_PAGE - in_page;
		const struct simulated_page *p = f->pages[offset / SIMULATED_PAGE];

		n = n < bytes ? n : bytes;
		if (p)
			memcpy(out, p->data + in_page, n);
		else
			memset(out, 0, n);
		out += n;
		offset += n;
		bytes -= n;
	}
}

int simulated_image_find(const struct simulated_image *image, const char *name)
{
	for (uint32_t i = 0; i < image->n_files; i++)
		if (image->files[i].exists && !strcmp(image->files[i].name, name))
			return (int)i;
	return -1;
}

void simulated_file_flip(struct simulated_file *f, uint64_t bit)
{
	ftp_assert(bit / 8 < f->bytes);
	own_page(f, (uint32_t)(bit / 8 / SIMULATED_PAGE))[bit / 8 % SIMULATED_PAGE] ^=
		(uint8_t)(1 << bit % 8);
}
