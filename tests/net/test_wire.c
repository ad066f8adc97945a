#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <isa-l/crc.h>

#include "net/wire.h"
#include "runtime/base/prng.h"

static const struct ftp_wire_header data = {
	.type = FTP_WIRE_DATA,
	.run = 0x1112131415161718,
	.term = 0x2122232425262728,
	.source = 0x3132333435363738,
	.destination = 0x4142434445464748,
	.packet_number = 0x5152535455565758,
	.id = {.kind = 0x61,
		.tensor = 0x62,
		.cut = 0x6364,
		.micro_batch = 0x71727374,
		.step = 0x8182838485868788},
	.offset = 0x1000,
	.total = 0x2000,
	.length = 100,
};

static uint32_t make(uint8_t *packet, const struct ftp_wire_header *h)
{
	ftp_wire_encode(packet, h);
	for (uint32_t i = 0; i < h->length; i++)
		packet[FTP_WIRE_HEAD_BYTES + i] = (uint8_t)(3 * i + 1);
	ftp_wire_seal(packet, packet + FTP_WIRE_HEAD_BYTES, h->length);
	return FTP_WIRE_HEAD_BYTES + h->length;
}

/* Both ways of verifying agree, and the copy is the payload. */
static enum ftp_wire_reject decode(struct ftp_wire_header *h, const uint8_t *packet, uint32_t bytes)
{
	enum ftp_wire_reject reject = ftp_wire_parse(h, packet, bytes);
	uint8_t copy[FTP_WIRE_MAX_PAYLOAD_BYTES];
	bool is_right;

	if (reject)
		return reject;
	is_right = ftp_wire_verify(h, packet);
	assert_int_equal(ftp_wire_copy(h, packet, copy), is_right);
	assert_memory_equal(copy, packet + FTP_WIRE_HEAD_BYTES, h->length);
	return is_right ? FTP_WIRE_OK : FTP_WIRE_TAG_BAD;
}

/* The layout that other versions and other machines rely on, byte by byte. */
static void wire_encode__layout(void **state)
{
	static const uint8_t expected[FTP_WIRE_HEADER_BYTES] = {
		1, 2, 0, 0,					/* version, type, zero */
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* run */
		0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, /* term */
		0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, /* source */
		0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41, /* destination */
		0x58, 0x57, 0x56, 0x55, 0x54, 0x53, 0x52, 0x51, /* packet number */
		0x61, 0x62, 0x64, 0x63,				/* kind, tensor, cut */
		0x74, 0x73, 0x72, 0x71,				/* micro-batch */
		0x88, 0x87, 0x86, 0x85, 0x84, 0x83, 0x82, 0x81, /* step */
		0x00, 0x10, 0, 0, 0x00, 0x20, 0, 0, 100, 0,	/* offset, total, length */
	};
	uint8_t header[FTP_WIRE_HEADER_BYTES];

	(void)state;
	ftp_wire_encode(header, &data);
	assert_memory_equal(header, expected, sizeof(expected));
	assert_int_equal((FTP_WIRE_CARRIER_BYTES + FTP_WIRE_HEAD_BYTES) % 64, 0);
}

static void wire_parse__round_trip(void **state)
{
	uint8_t packet[512];
	uint32_t bytes = make(packet, &data);
	struct ftp_wire_header h;

	(void)state;
	assert_int_equal(decode(&h, packet, bytes), FTP_WIRE_OK);
	assert_int_equal(h.type, data.type);
	assert_int_equal(h.run, data.run);
	assert_int_equal(h.term, data.term);
	assert_int_equal(h.source, data.source);
	assert_int_equal(h.destination, data.destination);
	assert_int_equal(h.packet_number, data.packet_number);
	assert_true(ftp_message_id_equal(&h.id, &data.id));
	assert_int_equal(h.offset, data.offset);
	assert_int_equal(h.total, data.total);
	assert_int_equal(h.length, data.length);
	/* Ethernet pads short frames. */
	assert_int_equal(decode(&h, packet, bytes + 20), FTP_WIRE_OK);
}

static void wire_parse__rejects(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t value;
		int cut; /* bytes taken off the end */
		enum ftp_wire_reject reject;
	} cases[] = {
		{0, 2, 0, FTP_WIRE_VERSION_BAD},
		{2, 1, 0, FTP_WIRE_VERSION_BAD},
		{1, 0, 0, FTP_WIRE_TYPE_BAD},
		{1, FTP_WIRE_N_TYPES, 0, FTP_WIRE_TYPE_BAD},
		{1, FTP_WIRE_ACK, 0, FTP_WIRE_LENGTH_BAD}, /* an ACK with an id */
		{60, 0xff, 0, FTP_WIRE_TAG_BAD},
		{63, 0xff, 0, FTP_WIRE_LENGTH_BAD}, /* offset + length overflows 32 bits or total */
		{65, 0x00, 0, FTP_WIRE_LENGTH_BAD}, /* total 0 */
		{67, 0x41, 0, FTP_WIRE_LENGTH_BAD}, /* total above 1 GiB */
		{68, 0, 0, FTP_WIRE_LENGTH_BAD},    /* no payload */
		{69, 0x41, 0, FTP_WIRE_LENGTH_BAD}, /* above 16,384 */
		{68, 101, 0, FTP_WIRE_SHORT},
		{0, 1, 1, FTP_WIRE_SHORT},
		{0, 1, 101, FTP_WIRE_SHORT},
		{70, 0x5a, 0, FTP_WIRE_TAG_BAD},
		{85, 1, 0, FTP_WIRE_TAG_BAD}, /* the tag's zeros */
		{100, 0, 0, FTP_WIRE_TAG_BAD},
	};
	uint8_t packet[512];
	struct ftp_wire_header h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t bytes = make(packet, &data);

		packet[cases[i].at] = cases[i].value;
		assert_int_equal(
			decode(&h, packet, bytes - (uint32_t)cases[i].cut), cases[i].reject);
	}
	assert_int_equal(decode(&h, packet, 0), FTP_WIRE_SHORT);
}

/* Every single flipped bit is found. */
static void wire_parse__every_bit(void **state)
{
	uint8_t packet[512];
	uint32_t bytes = make(packet, &data);
	struct ftp_wire_header h;

	(void)state;
	for (uint32_t bit = 0; bit < 8 * bytes; bit++) {
		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(decode(&h, packet, bytes), FTP_WIRE_OK);
		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(decode(&h, packet, bytes), FTP_WIRE_OK);
}

/* RFC 3720 appendix B.4: the tag is CRC32C (Castagnoli), here over a bitwise reference. */
static void wire_seal__crc32c(void **state)
{
	uint8_t packet[512];
	uint32_t bytes = make(packet, &data), crc = ~0u;

	(void)state;
	assert_int_equal(~crc32_iscsi((unsigned char *)"123456789", 9, ~0u), 0xe3069283);
	for (uint32_t i = 0; i < bytes; i++) {
		if (i >= FTP_WIRE_HEADER_BYTES && i < FTP_WIRE_HEAD_BYTES)
			continue;
		crc ^= packet[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	crc = ~crc;
	for (int k = 0; k < 4; k++)
		assert_int_equal(packet[FTP_WIRE_HEADER_BYTES + k], crc >> 8 * k & 0xff);
	for (int k = 4; k < FTP_WIRE_TAG_BYTES; k++)
		assert_int_equal(packet[FTP_WIRE_HEADER_BYTES + k], 0);
}

/* Lengths around the blocks of the copy. */
static void wire_copy__lengths(void **state)
{
	static const uint16_t lengths[] = {1, 63, 2047, 2048, 2049, 4096, 10000, 16384};
	static uint8_t packet[FTP_WIRE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES];
	struct ftp_wire_header h = data, back;

	(void)state;
	h.total = 1 << 20;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t bytes;

		h.length = lengths[i];
		bytes = make(packet, &h);
		assert_int_equal(decode(&back, packet, bytes), FTP_WIRE_OK);
		packet[bytes - 1] ^= 1;
		assert_int_equal(decode(&back, packet, bytes), FTP_WIRE_TAG_BAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_encode__layout),
		cmocka_unit_test(wire_parse__round_trip),
		cmocka_unit_test(wire_parse__rejects),
		cmocka_unit_test(wire_parse__every_bit),
		cmocka_unit_test(wire_copy__lengths),
		cmocka_unit_test(wire_seal__crc32c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
