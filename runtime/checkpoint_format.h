/* Format of a checkpoint directory, version 1: a file `manifest` and files `segment-XXXXXXXX`.
 * Pure; decoders are bounded and believe nothing. All integers are little-endian. Any thread.
 *
 * A record is one unit state: 128 bytes of header, its bytes, zeros up to a multiple of 4,096. It
 * lies at a multiple of 4,096 in a segment.
 *
 *   0 magic "FTPCKREC"   8 version u32   12 unit u32   16 run u64   24 term u64   32 step u64
 *   40 bytes u64   48 digest (high, low) 2 x u64   64 zeros   124 CRC32C of the 124 bytes before
 *
 * The manifest has two slots; a whole one lists every record that counts. The newer whole slot, by
 * sequence number, is the checkpoint; a new one overwrites the other slot.
 *
 *   0 magic "FTPCKMAN"   8 version u32   12 n_records u32   16 run u64   24 sequence u64
 *   32 zeros   60 CRC32C of everything else in the slot up to the last record
 *   64 n_records times: unit u32, segment u32, term, step, offset, bytes, digest (high, low) u64
 */
#ifndef FTP_RUNTIME_CHECKPOINT_FORMAT_H
#define FTP_RUNTIME_CHECKPOINT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/digest.h"

#define FTP_CHECKPOINT_VERSION	      1
#define FTP_CHECKPOINT_BLOCK	      4096
#define FTP_CHECKPOINT_HEADER_BYTES   128
#define FTP_CHECKPOINT_MANIFEST_BYTES 64
#define FTP_CHECKPOINT_ENTRY_BYTES    56
#define FTP_CHECKPOINT_SLOT_BYTES     (256u << 10) /* slot i lies at i times that */
#define FTP_CHECKPOINT_N_SLOTS	      2
#define FTP_CHECKPOINT_MAX_RECORDS                                                                 \
	((FTP_CHECKPOINT_SLOT_BYTES - FTP_CHECKPOINT_MANIFEST_BYTES) / FTP_CHECKPOINT_ENTRY_BYTES)
#define FTP_CHECKPOINT_MAX_BYTES (1ull << 40) /* of one unit state */
#define FTP_CHECKPOINT_MANIFEST	 "manifest"
#define FTP_CHECKPOINT_NAME	 32 /* of a file */

/* The name of a unit state, and its digest. */
struct ftp_checkpoint_name {
	uint64_t run, term, step;
	uint32_t unit;
	uint64_t bytes; /* without header and padding */
	struct ftp_digest digest;
};

/* A record as the manifest lists it. */
struct ftp_checkpoint_record {
	struct ftp_checkpoint_name name;
	uint32_t segment; /* the number in the file's name */
	uint64_t offset;  /* of the header */
};

struct ftp_checkpoint_manifest {
	uint64_t run, sequence; /* sequence 0: there is none */
	uint32_t n_records;
	struct ftp_checkpoint_record records[FTP_CHECKPOINT_MAX_RECORDS];
};

/* On disk, header and padding included. */
uint64_t ftp_checkpoint_format_space(uint64_t bytes);

void ftp_checkpoint_format_header(
	uint8_t out[FTP_CHECKPOINT_HEADER_BYTES], const struct ftp_checkpoint_name *name);

/* -EBADMSG: not a header, or damaged. */
int ftp_checkpoint_format_parse_header(
	struct ftp_checkpoint_name *name, const uint8_t in[FTP_CHECKPOINT_HEADER_BYTES]);

bool ftp_checkpoint_format_same(
	const struct ftp_checkpoint_name *a, const struct ftp_checkpoint_name *b);

/* Fills a slot, zeros up to a whole block included; returns the bytes to write. */
uint32_t ftp_checkpoint_format_manifest(
	uint8_t out[FTP_CHECKPOINT_SLOT_BYTES], const struct ftp_checkpoint_manifest *m);

/* bytes: how many of the slot could be read. 0; positive: nothing was ever written here; -EBADMSG:
 * damaged, or of another version; then m->sequence is 0. */
int ftp_checkpoint_format_parse_manifest(
	struct ftp_checkpoint_manifest *m, const uint8_t *in, size_t bytes);

void ftp_checkpoint_format_segment_name(char out[FTP_CHECKPOINT_NAME], uint32_t segment);
bool ftp_checkpoint_format_is_segment(const char *name, uint32_t *segment);

#endif
