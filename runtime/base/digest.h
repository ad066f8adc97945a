/* XXH3-128: the identity of unit states, models, configurations and data sets. Any thread. */
#ifndef FTP_BASE_DIGEST_H
#define FTP_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FTP_DIGEST_HEX 33 /* 32 hex digits and the final 0 */

struct ftp_digest {
	uint64_t high, low;
};

static inline bool ftp_digest_equal(struct ftp_digest a, struct ftp_digest b)
{
	return a.high == b.high && a.low == b.low;
}

struct ftp_digest_stream; /* opaque; allocates once */

struct ftp_digest ftp_digest_of(const void *data, size_t bytes);

struct ftp_digest_stream *ftp_digest_begin(void);
void ftp_digest_add(struct ftp_digest_stream *s, const void *data, size_t bytes);
/* Of what was added since it began, or since it was taken last; no allocation. */
struct ftp_digest ftp_digest_take(struct ftp_digest_stream *s);
struct ftp_digest ftp_digest_end(struct ftp_digest_stream *s); /* frees s */

/* 32 lower-case hex digits, high half first. */
void ftp_digest_hex(struct ftp_digest d, char hex[FTP_DIGEST_HEX]);

#endif
