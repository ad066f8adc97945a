#include "net/frames.h"

#include "runtime/base/little_endian.h"

enum {
	HELLO_BYTES = 16,
	ACK_BYTES = 12,
	RANGE_BYTES = 16,
	GRANT_BYTES = 28,
};
static_assert(ACK_BYTES + RANGE_BYTES * FTP_RANGES_MAX <= FTP_FRAME_MAX_BYTES, "ack");
static_assert(GRANT_BYTES * FTP_FRAME_MAX_GRANTS <= FTP_FRAME_MAX_BYTES, "grants");
static_assert(FTP_FRAME_MAX_BYTES <= FTP_FRAME_MIN_PAYLOAD_BYTES, "every port carries a frame");

uint32_t ftp_frame_encode_hello(uint8_t *out, const struct ftp_frame_hello *h)
{
	put64(out, h->max_ack_delay_ns);
	put32(out + 8, h->max_payload_bytes);
	put32(out + 12, h->n_grants);
	return HELLO_BYTES;
}

bool ftp_frame_parse_hello(struct ftp_frame_hello *h, const uint8_t *payload, uint32_t bytes)
{
	if (bytes < HELLO_BYTES)
		return false;
	h->max_ack_delay_ns = get64(payload);
	h->max_payload_bytes = get32(payload + 8);
	h->n_grants = get32(payload + 12);
	return h->max_ack_delay_ns <= FTP_FRAME_MAX_ACK_DELAY_NS &&
	       h->max_payload_bytes >= FTP_FRAME_MIN_PAYLOAD_BYTES &&
	       h->max_payload_bytes <= FTP_WIRE_MAX_PAYLOAD_BYTES && h->n_grants;
}

uint32_t ftp_frame_encode_ack(uint8_t *out, const struct ftp_frame_ack *a)
{
	uint8_t *p = out + ACK_BYTES;

	put64(out, a->delay_ns);
	put32(out + 8, a->n);
	for (uint32_t i = 0; i < a->n; i++, p += RANGE_BYTES) {
		put64(p, a->ranges[i].first);
		put64(p + 8, a->ranges[i].last);
	}
	return (uint32_t)(p - out);
}

bool ftp_frame_parse_ack(
	struct ftp_frame_ack *a, struct ftp_range *ranges, const uint8_t *payload, uint32_t bytes)
{
	const uint8_t *p = payload + ACK_BYTES;

	if (bytes < ACK_BYTES)
		return false;
	a->delay_ns = get64(payload);
	a->n = get32(payload + 8);
	a->ranges = ranges;
	if (!a->n || a->n > FTP_RANGES_MAX || bytes != ACK_BYTES + a->n * RANGE_BYTES)
		return false;
	for (uint32_t i = 0; i < a->n; i++, p += RANGE_BYTES) {
		ranges[i] = (struct ftp_range){get64(p), get64(p + 8)};
		if (ranges[i].first > ranges[i].last ||
			(i && ranges[i].last >= ranges[i - 1].first))
			return false;
	}
	return true;
}

uint32_t ftp_frame_encode_grants(uint8_t *out, const struct ftp_grant *grants, uint32_t n)
{
	uint8_t *p = out;

	for (uint32_t i = 0; i < n; i++, p += GRANT_BYTES) {
		const struct ftp_grant *g = &grants[i];

		put64(p, g->number);
		p[8] = g->id.kind;
		p[9] = g->id.tensor;
		put16(p + 10, g->id.cut);
		put32(p + 12, g->id.micro_batch);
		put64(p + 16, g->id.step);
		put32(p + 24, g->bytes);
	}
	return (uint32_t)(p - out);
}

bool ftp_frame_parse_grants(
	struct ftp_grant *grants, uint32_t *n, const uint8_t *payload, uint32_t bytes)
{
	const uint8_t *p = payload;

	*n = bytes / GRANT_BYTES;
	if (!*n || *n > FTP_FRAME_MAX_GRANTS || bytes % GRANT_BYTES)
		return false;
	for (uint32_t i = 0; i < *n; i++, p += GRANT_BYTES) {
		grants[i].number = get64(p);
		grants[i].id = (struct ftp_message_id){
			.kind = p[8],
			.tensor = p[9],
			.cut = get16(p + 10),
			.micro_batch = get32(p + 12),
			.step = get64(p + 16),
		};
		grants[i].bytes = get32(p + 24);
		if (!grants[i].bytes || grants[i].bytes > FTP_WIRE_MAX_MESSAGE_BYTES)
			return false;
	}
	return true;
}
