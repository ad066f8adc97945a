#include "runtime/checkpoint_format.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <isa-l/crc.h>

#include "runtime/base/error.h"
#include "runtime/base/little_endian.h"

enum { /* of a record's header */
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_UNIT = 12,
	AT_RUN = 16,
	AT_TERM = 24,
	AT_STEP = 32,
	AT_BYTES = 40,
	AT_DIGEST = 48,
	AT_HEADER_ZEROS = 64,
	AT_HEADER_CRC = 124,
};
static_assert(AT_HEADER_CRC + 4 == FTP_CHECKPOINT_HEADER_BYTES, "header");

enum { /* of the manifest */
	AT_N_RECORDS = 12,
	AT_SEQUENCE = 24,
	AT_MANIFEST_ZEROS = 32,
	AT_MANIFEST_CRC = 60,
};
static_assert(AT_MANIFEST_CRC + 4 == FTP_CHECKPOINT_MANIFEST_BYTES, "manifest");

enum { /* of an entry */
	AT_ENTRY_UNIT = 0,
	AT_ENTRY_SEGMENT = 4,
	AT_ENTRY_TERM = 8,
	AT_ENTRY_STEP = 16,
	AT_ENTRY_OFFSET = 24,
	AT_ENTRY_BYTES = 32,
	AT_ENTRY_DIGEST = 40,
};
static_assert(AT_ENTRY_DIGEST + 16 == FTP_CHECKPOINT_ENTRY_BYTES, "entry");

#define MAGIC_BYTES  8
#define MAX_SEQUENCE (UINT64_MAX / 2) /* no store counts so far: it can be counted on from */
static const char record_magic[] = "FTPCKREC", manifest_magic[] = "FTPCKMAN";

static uint32_t checksum(uint32_t crc, const uint8_t *data, uint32_t bytes)
{
	return crc32_iscsi((unsigned char *)data, (int)bytes, crc);
}

static void put_digest(uint8_t *p, struct ftp_digest d)
{
	put64(p, d.high);
	put64(p + 8, d.low);
}

static struct ftp_digest get_digest(const uint8_t *p)
{
	return (struct ftp_digest){.high = get64(p), .low = get64(p + 8)};
}

static bool is_zero(const uint8_t *p, size_t bytes)
{
	return !bytes || (!p[0] && !memcmp(p, p + 1, bytes - 1));
}

uint64_t ftp_checkpoint_format_space(uint64_t bytes)
{
	ftp_assert(bytes <= FTP_CHECKPOINT_MAX_BYTES);
	return (FTP_CHECKPOINT_HEADER_BYTES + bytes + FTP_CHECKPOINT_BLOCK - 1) /
	       FTP_CHECKPOINT_BLOCK * FTP_CHECKPOINT_BLOCK;
}

void ftp_checkpoint_format_header(
	uint8_t out[FTP_CHECKPOINT_HEADER_BYTES], const struct ftp_checkpoint_name *name)
{
	memset(out, 0, FTP_CHECKPOINT_HEADER_BYTES);
	memcpy(out + AT_MAGIC, record_magic, MAGIC_BYTES);
	put32(out + AT_VERSION, FTP_CHECKPOINT_VERSION);
	put32(out + AT_UNIT, name->unit);
	put64(out + AT_RUN, name->run);
	put64(out + AT_TERM, name->term);
	put64(out + AT_STEP, name->step);
	put64(out + AT_BYTES, name->bytes);
	put_digest(out + AT_DIGEST, name->digest);
	put32(out + AT_HEADER_CRC, ~checksum(~0u, out, AT_HEADER_CRC));
}

int ftp_checkpoint_format_parse_header(
	struct ftp_checkpoint_name *name, const uint8_t in[FTP_CHECKPOINT_HEADER_BYTES])
{
	if (memcmp(in + AT_MAGIC, record_magic, MAGIC_BYTES) ||
		get32(in + AT_VERSION) != FTP_CHECKPOINT_VERSION ||
		get32(in + AT_HEADER_CRC) != ~checksum(~0u, in, AT_HEADER_CRC) ||
		!is_zero(in + AT_HEADER_ZEROS, AT_HEADER_CRC - AT_HEADER_ZEROS) ||
		get64(in + AT_BYTES) > FTP_CHECKPOINT_MAX_BYTES)
		return -EBADMSG;
	*name = (struct ftp_checkpoint_name){.run = get64(in + AT_RUN),
		.term = get64(in + AT_TERM),
		.step = get64(in + AT_STEP),
		.unit = get32(in + AT_UNIT),
		.bytes = get64(in + AT_BYTES),
		.digest = get_digest(in + AT_DIGEST)};
	return 0;
}

bool ftp_checkpoint_format_same(
	const struct ftp_checkpoint_name *a, const struct ftp_checkpoint_name *b)
{
	return a->run == b->run && a->term == b->term && a->step == b->step && a->unit == b->unit &&
	       a->bytes == b->bytes && a->digest.high == b->digest.high &&
	       a->digest.low == b->digest.low;
}

static void put_entry(uint8_t *p, const struct ftp_checkpoint_record *r)
{
	put32(p + AT_ENTRY_UNIT, r->name.unit);
	put32(p + AT_ENTRY_SEGMENT, r->segment);
	put64(p + AT_ENTRY_TERM, r->name.term);
	put64(p + AT_ENTRY_STEP, r->name.step);
	put64(p + AT_ENTRY_OFFSET, r->offset);
	put64(p + AT_ENTRY_BYTES, r->name.bytes);
	put_digest(p + AT_ENTRY_DIGEST, r->name.digest);
}

static int get_entry(struct ftp_checkpoint_record *r, const uint8_t *p, uint64_t run)
{
	*r = (struct ftp_checkpoint_record){.name = {.run = run,
						    .term = get64(p + AT_ENTRY_TERM),
						    .step = get64(p + AT_ENTRY_STEP),
						    .unit = get32(p + AT_ENTRY_UNIT),
						    .bytes = get64(p + AT_ENTRY_BYTES),
						    .digest = get_digest(p + AT_ENTRY_DIGEST)},
		.segment = get32(p + AT_ENTRY_SEGMENT),
		.offset = get64(p + AT_ENTRY_OFFSET)};
	return r->name.bytes <= FTP_CHECKPOINT_MAX_BYTES && r->offset <= INT64_MAX / 2 &&
			       !(r->offset % FTP_CHECKPOINT_BLOCK)
		       ? 0
		       : -EBADMSG;
}

static uint32_t length_of(uint32_t n_records)
{
	return FTP_CHECKPOINT_MANIFEST_BYTES + n_records * FTP_CHECKPOINT_ENTRY_BYTES;
}

/* Of all but the checksum's own four bytes. */
static uint32_t manifest_checksum(const uint8_t *in, uint32_t n_records)
{
	uint32_t crc = checksum(~0u, in, AT_MANIFEST_CRC);

	return ~checksum(
		crc, in + FTP_CHECKPOINT_MANIFEST_BYTES, n_records * FTP_CHECKPOINT_ENTRY_BYTES);
}

uint32_t ftp_checkpoint_format_manifest(
	uint8_t out[FTP_CHECKPOINT_SLOT_BYTES], const struct ftp_checkpoint_manifest *m)
{
	uint32_t length = length_of(m->n_records);
	uint32_t padded =
		(length + FTP_CHECKPOINT_BLOCK - 1) / FTP_CHECKPOINT_BLOCK * FTP_CHECKPOINT_BLOCK;

	ftp_assert(m->n_records <= FTP_CHECKPOINT_MAX_RECORDS && m->sequence);
	memset(out, 0, FTP_CHECKPOINT_MANIFEST_BYTES);
	memset(out + length, 0, padded - length);
	memcpy(out + AT_MAGIC, manifest_magic, MAGIC_BYTES);
	put32(out + AT_VERSION, FTP_CHECKPOINT_VERSION);
	put32(out + AT_N_RECORDS, m->n_records);
	put64(out + AT_RUN, m->run);
	put64(out + AT_SEQUENCE, m->sequence);
	for (uint32_t i = 0; i < m->n_records; i++)
		put_entry(out + length_of(i), &m->records[i]);
	put32(out + AT_MANIFEST_CRC, manifest_checksum(out, m->n_records));
	return padded;
}

static int parse_manifest(struct ftp_checkpoint_manifest *m, const uint8_t *in, size_t bytes)
{
	uint32_t n_records = get32(in + AT_N_RECORDS);

	if (memcmp(in + AT_MAGIC, manifest_magic, MAGIC_BYTES) ||
		get32(in + AT_VERSION) != FTP_CHECKPOINT_VERSION ||
		n_records > FTP_CHECKPOINT_MAX_RECORDS || length_of(n_records) > bytes ||
		get32(in + AT_MANIFEST_CRC) != manifest_checksum(in, n_records) ||
		!is_zero(in + AT_MANIFEST_ZEROS, AT_MANIFEST_CRC - AT_MANIFEST_ZEROS))
		return -EBADMSG;
	m->run = get64(in + AT_RUN);
	m->n_records = n_records;
	for (uint32_t i = 0; i < n_records; i++)
		if (get_entry(&m->records[i], in + length_of(i), m->run))
			return -EBADMSG;
	m->sequence = get64(in + AT_SEQUENCE);
	if (m->sequence > MAX_SEQUENCE)
		m->sequence = 0;
	return m->sequence ? 0 : -EBADMSG;
}

int ftp_checkpoint_format_parse_manifest(
	struct ftp_checkpoint_manifest *m, const uint8_t *in, size_t bytes)
{
	m->sequence = 0;
	m->n_records = 0;
	if (is_zero(in, bytes))
		return 1;
	return bytes < FTP_CHECKPOINT_MANIFEST_BYTES ? -EBADMSG : parse_manifest(m, in, bytes);
}

void ftp_checkpoint_format_segment_name(char out[FTP_CHECKPOINT_NAME], uint32_t segment)
{
	snprintf(out, FTP_CHECKPOINT_NAME, "segment-%08x", segment);
}

bool ftp_checkpoint_format_is_segment(const char *name, uint32_t *segment)
{
	char again[FTP_CHECKPOINT_NAME];

	if (sscanf(name, "segment-%8x", segment) != 1)
		return false;
	ftp_checkpoint_format_segment_name(again, *segment);
	return !strcmp(name, again);
}
