#include "runtime/base/digest.h"

#include <inttypes.h>
#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/base/error.h"

static struct ftp_digest from_xxh(XXH128_hash_t h)
{
	return (struct ftp_digest){.high = h.high64, .low = h.low64};
}

struct ftp_digest ftp_digest_of(const void *data, size_t bytes)
{
	return from_xxh(XXH3_128bits(data, bytes));
}

struct ftp_digest_stream *ftp_digest_begin(void)
{
	XXH3_state_t *s = XXH3_createState();

	ftp_assert(s);
	XXH3_128bits_reset(s);
	return (struct ftp_digest_stream *)s;
}

void ftp_digest_add(struct ftp_digest_stream *s, const void *data, size_t bytes)
{
	XXH3_128bits_update((XXH3_state_t *)s, data, bytes);
}

struct ftp_digest ftp_digest_take(struct ftp_digest_stream *s)
{
	struct ftp_digest d = from_xxh(XXH3_128bits_digest((XXH3_state_t *)s));

	XXH3_128bits_reset((XXH3_state_t *)s);
	return d;
}

struct ftp_digest ftp_digest_end(struct ftp_digest_stream *s)
{
	struct ftp_digest d = ftp_digest_take(s);

	XXH3_freeState((XXH3_state_t *)s);
	return d;
}

void ftp_digest_hex(struct ftp_digest d, char hex[FTP_DIGEST_HEX])
{
	snprintf(hex, FTP_DIGEST_HEX, "%016" PRIx64 "%016" PRIx64, d.high, d.low);
}
