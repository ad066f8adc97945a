/* Payloads of the packets that carry no message bytes, little-endian. Pure; any thread.
 *
 * encode: returns the bytes written. parse: false when the bytes are not such a payload. A longer
 * HELLO than ours is legal: later versions append to it.
 */
#ifndef FTP_NET_FRAMES_H
#define FTP_NET_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "net/ranges.h"
#include "net/wire.h"

#define FTP_FRAME_MAX_BYTES	    1024
#define FTP_FRAME_MAX_ACK_DELAY_NS  10000000000ull
#define FTP_FRAME_MIN_PAYLOAD_BYTES 1024 /* every port carries at least this */
#define FTP_FRAME_MAX_GRANTS	    32

/* The sender's limits; the same in every HELLO of an incarnation. max_ack_delay_ns u64,
 * max_payload_bytes u32, n_grants u32. */
struct ftp_frame_hello {
	uint64_t max_ack_delay_ns;  /* at most FTP_FRAME_MAX_ACK_DELAY_NS */
	uint32_t max_payload_bytes; /* messages are cut at multiples of the smaller of both ends' */
	uint32_t n_grants; /* that may be open at once: told, and their messages not complete */
};

/* delay_ns u64, n u32, then first u64, last u64 of each range, highest first. */
struct ftp_frame_ack {
	uint64_t delay_ns; /* since the highest number was received */
	uint32_t n;	   /* 1 to FTP_RANGES_MAX */
	const struct ftp_range *ranges;
};

/* The receiver has posted a message: credit of exactly these bytes for exactly this id. number
 * counts grants within the term, so that a repeated one is known. number u64, kind u8, tensor u8,
 * cut u16, micro_batch u32, step u64, bytes u32. */
struct ftp_grant {
	uint64_t number;
	struct ftp_message_id id;
	uint32_t bytes;
};

uint32_t ftp_frame_encode_hello(uint8_t *out, const struct ftp_frame_hello *h);
uint32_t ftp_frame_encode_ack(uint8_t *out, const struct ftp_frame_ack *a);
uint32_t ftp_frame_encode_grants(uint8_t *out, const struct ftp_grant *grants, uint32_t n);

bool ftp_frame_parse_hello(struct ftp_frame_hello *h, const uint8_t *payload, uint32_t bytes);
/* ranges: room for FTP_RANGES_MAX; they come out disjoint and descending. */
bool ftp_frame_parse_ack(
	struct ftp_frame_ack *a, struct ftp_range *ranges, const uint8_t *payload, uint32_t bytes);
/* grants: room for FTP_FRAME_MAX_GRANTS. */
bool ftp_frame_parse_grants(
	struct ftp_grant *grants, uint32_t *n, const uint8_t *payload, uint32_t bytes);

#endif
