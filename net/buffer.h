/* Memory descriptor: a piece of tensor memory that packets point into.
 *
 * A send takes the descriptor and gives it back when every byte is acknowledged and no port holds a
 * reference any more; until then the memory must not change. The descriptor has a stable address
 * for its whole life. `port_words` belongs to the port that sends from it (the DPDK port keeps its
 * external-buffer reference count there).
 */
#ifndef FTP_NET_BUFFER_H
#define FTP_NET_BUFFER_H

#include <stdint.h>
#include <string.h>

struct ftp_buffer {
	uint8_t *data;
	uint32_t bytes;
	_Alignas(16) uint64_t port_words[4];
};

static inline void ftp_buffer_init(struct ftp_buffer *b, void *data, uint32_t bytes)
{
	memset(b, 0, sizeof(*b));
	b->data = data;
	b->bytes = bytes;
}

#endif
