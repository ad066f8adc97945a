/* Wire format: every on-wire structure and protocol constant, little-endian, version 1.
 *
 *   carrier (Ethernet 14, IPv4 20, UDP 8: the port's affair) | header 70 | tag 16 | payload
 *
 * On Ethernet frames the payload so starts at byte 128, 64-byte aligned. Kernel UDP carries header,
 * tag and payload as one datagram: a DPDK node and a kernel-UDP node interoperate.
 *
 * Pure; any thread.
 */
#ifndef FTP_NET_WIRE_H
#define FTP_NET_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define FTP_WIRE_VERSION	   1
#define FTP_WIRE_CARRIER_BYTES	   42
#define FTP_WIRE_HEADER_BYTES	   70
#define FTP_WIRE_TAG_BYTES	   16
#define FTP_WIRE_HEAD_BYTES	   (FTP_WIRE_HEADER_BYTES + FTP_WIRE_TAG_BYTES)
#define FTP_WIRE_MAX_PAYLOAD_BYTES 16384
#define FTP_WIRE_MAX_MESSAGE_BYTES (1u << 30)

enum ftp_wire_type {
	FTP_WIRE_HELLO = 1, /* payload: struct ftp_frame_hello; opens a term, keeps alive */
	FTP_WIRE_DATA =
		2, /* payload: bytes [offset, offset + length) of the message that id names */
	FTP_WIRE_ACK = 3,   /* payload: struct ftp_frame_ack; itself never acknowledged */
	FTP_WIRE_CLOSE = 4, /* no payload; the sender has gone */
	FTP_WIRE_GRANT = 5, /* payload: struct ftp_frame_grant, receiver credit */
	FTP_WIRE_N_TYPES,
};

/* Packets that are themselves never acknowledged (ACK, CLOSE) are numbered apart, with this bit
 * set: so every number is used once (it is the nonce of packet protection), and the numbers that
 * are acknowledged stay dense. */
#define FTP_WIRE_APART (1ull << 63)

/* What a message is. Ids are derived by both ends from the plan, never allocated. */
enum ftp_message_kind {
	FTP_MESSAGE_ACTIVATION = 1,
	FTP_MESSAGE_GRADIENT = 2,
	FTP_MESSAGE_LABELS = 3,
	FTP_MESSAGE_EVAL_ACTIVATION = 4,
	FTP_MESSAGE_EVAL_LABELS = 5,
	FTP_MESSAGE_UNIT_STATE = 6, /* cut: the unit's index */
	FTP_MESSAGE_PROBE = 7,	    /* link measurement and benches */
	FTP_MESSAGE_REPLICA = 8,    /* cut: the unit's index; step: of the snapshot */
};

struct ftp_message_id {
	uint8_t kind; /* enum ftp_message_kind */
	uint8_t tensor;
	uint16_t cut;
	uint32_t micro_batch;
	uint64_t step;
};

struct ftp_wire_header {
	uint8_t type; /* enum ftp_wire_type */
	uint64_t run, term;
	uint64_t source, destination; /* incarnations */
	uint64_t packet_number;
	struct ftp_message_id id;
	uint32_t offset; /* bytes, within the message */
	uint32_t total;	 /* bytes of the whole message */
	uint16_t length; /* bytes of payload in this packet */
};

/* The layout of the 70 bytes: version u8, type u8, zero u16, run u64, term u64, source u64,
 * destination u64, packet_number u64, kind u8, tensor u8, cut u16, micro_batch u32, step u64,
 * offset u32, total u32, length u16. */
static_assert(1 + 1 + 2 + 5 * 8 + 1 + 1 + 2 + 4 + 8 + 4 + 4 + 2 == FTP_WIRE_HEADER_BYTES, "header");

/* Writes the header; the tag is written by ftp_wire_seal(). */
void ftp_wire_encode(uint8_t out[FTP_WIRE_HEADER_BYTES], const struct ftp_wire_header *h);

/* Positive outcomes of ftp_wire_parse(): why a packet is not ours. Each is a metric label. */
enum ftp_wire_reject {
	FTP_WIRE_OK = 0,
	FTP_WIRE_SHORT = 1, /* fewer bytes than a head, or than length says */
	FTP_WIRE_VERSION_BAD = 2,
	FTP_WIRE_TYPE_BAD = 3,
	FTP_WIRE_LENGTH_BAD = 4, /* offset + length > total, or a size out of its bounds */
	FTP_WIRE_TAG_BAD = 5,
	FTP_WIRE_N_REJECTS,
};

/* packet: head and payload, bytes long; what follows the payload (a carrier's padding) is ignored.
 * Checks every bound, but not the tag. DATA carries 1 to FTP_WIRE_MAX_PAYLOAD_BYTES bytes of a
 * message of 1 to FTP_WIRE_MAX_MESSAGE_BYTES; id, offset and total of all other types are zero. */
enum ftp_wire_reject ftp_wire_parse(
	struct ftp_wire_header *h, const uint8_t *packet, uint32_t bytes);

/* Is the tag of a parsed packet right? */
bool ftp_wire_verify(const struct ftp_wire_header *h, const uint8_t *packet);

/* Copies the payload of a parsed packet to out and verifies the tag in the same pass. false: what
 * is in out now means nothing. */
bool ftp_wire_copy(const struct ftp_wire_header *h, const uint8_t *packet, uint8_t *out);

/* Puts the CRC32C (ISA-L) over header and payload into the tag: 4 bytes, then zeros. */
void ftp_wire_seal(uint8_t head[FTP_WIRE_HEAD_BYTES], const void *payload, uint32_t payload_bytes);

bool ftp_message_id_equal(const struct ftp_message_id *a, const struct ftp_message_id *b);

#endif
