/* What a coordinator would say of a plan's units, for tests. */
#ifndef FTP_TESTS_TRANSFERS_H
#define FTP_TESTS_TRANSFERS_H

#include "runtime/moves.h"

static inline struct ftp_digest digest_of(uint32_t unit)
{
	return (struct ftp_digest){.high = 7, .low = unit};
}

/* The digests of all units that travel. */
static inline struct ftp_transfer transfer_of(const struct ftp_plan *p, uint64_t step)
{
	struct ftp_transfer m = {.term = p->term, .step = step};

	for (uint32_t u = 0; u < p->n_units; u++) {
		if (!ftp_moves_travels(p, u) && !p->recovery)
			continue;
		m.unit[m.n_units] = u;
		m.digest[m.n_units++] = digest_of(u);
	}
	return m;
}

#endif
