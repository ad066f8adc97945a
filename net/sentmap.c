#include "net/sentmap.h"

#include <stdlib.h>

#include "runtime/base/error.h"

void ftp_sentmap_init(struct ftp_sentmap *m, uint32_t n_packets)
{
	ftp_assert(n_packets && !(n_packets & (n_packets - 1)));
	*m = (struct ftp_sentmap){.mask = n_packets - 1};
	m->ring = calloc(n_packets, sizeof(*m->ring));
	ftp_assert(m->ring);
}

void ftp_sentmap_deinit(struct ftp_sentmap *m)
{
	free(m->ring);
	m->ring = NULL;
}

void ftp_sentmap_reset(struct ftp_sentmap *m)
{
	m->oldest = m->next;
}

struct ftp_sent *ftp_sentmap_push(struct ftp_sentmap *m)
{
	struct ftp_sent *s;

	ftp_assert(!ftp_sentmap_is_full(m));
	s = ftp_sentmap_at(m, m->next++);
	*s = (struct ftp_sent){0};
	return s;
}
