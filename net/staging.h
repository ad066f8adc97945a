/* Packets that are numbered and sealed but that the port has not accepted yet. A packet is sealed
 * once, however often the port refuses it. Knows nothing of connections. One owner. */
#ifndef FTP_NET_STAGING_H
#define FTP_NET_STAGING_H

#include "net/frames.h"
#include "net/port.h"

#define FTP_STAGING_MAX FTP_PORT_BURST

struct ftp_staged {
	uint64_t packet_number;
	struct ftp_port_tx tx;
	uint8_t type; /* enum ftp_wire_type */
	uint8_t head[FTP_WIRE_HEAD_BYTES];
	uint8_t frame[FTP_FRAME_MAX_BYTES]; /* payload of all but DATA */
};

struct ftp_staging { /* first in, first out */
	struct ftp_staged *packets;
	uint32_t head, n;
};

static inline struct ftp_staged *ftp_staging_at(struct ftp_staging *s, uint32_t i)
{
	return &s->packets[(s->head + i) % FTP_STAGING_MAX];
}

#endif
