#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "net/inbox.h"

#define CHUNK 1000

static struct ftp_message_id id_of(uint32_t i)
{
	return (struct ftp_message_id){.kind = FTP_MESSAGE_PROBE, .micro_batch = i};
}

static struct ftp_wire_header packet_of(uint32_t i, uint32_t offset, uint32_t total)
{
	struct ftp_wire_header h = {
		.type = FTP_WIRE_DATA, .id = id_of(i), .offset = offset, .total = total};

	h.length = (uint16_t)(total - offset < CHUNK ? total - offset : CHUNK);
	return h;
}

static void post(struct ftp_inbox *b, uint32_t i, void *data, uint32_t bytes)
{
	struct ftp_message_id id = id_of(i);

	assert_int_equal(ftp_inbox_post(b, &id, data, bytes), 0);
}

/* Grants wait for the peer's HELLO and for room at the peer. */
static void inbox_grant__limits(void **state)
{
	struct ftp_grant grants[FTP_FRAME_MAX_GRANTS];
	uint8_t memory[4][CHUNK];
	struct ftp_inbox b;

	(void)state;
	ftp_inbox_init(&b, 4, 8);
	for (uint32_t i = 0; i < 4; i++)
		post(&b, i, memory[i], CHUNK);
	assert_false(ftp_inbox_has_grants(&b));
	ftp_inbox_open(&b, CHUNK, 2);
	assert_int_equal(ftp_inbox_grant(&b, 50, grants), 2);
	assert_int_equal(grants[0].number, 0);
	assert_int_equal(grants[1].number, 1);
	assert_int_equal(grants[1].id.micro_batch, 1);
	assert_int_equal(grants[1].bytes, CHUNK);
	assert_false(ftp_inbox_has_grants(&b));
	/* What is told again takes no further room, and keeps its number. */
	assert_true(ftp_inbox_grant_lost(&b, 50));
	assert_int_equal(ftp_inbox_grant(&b, 51, grants), 2);
	assert_int_equal(grants[1].number, 1);
	assert_false(ftp_inbox_grant_lost(&b, 50));
	/* A complete message makes room. */
	assert_int_equal(
		ftp_inbox_place(&b,
			&(struct ftp_wire_header){.id = id_of(0), .total = CHUNK, .length = CHUNK}),
		FTP_INBOX_COMPLETED);
	assert_int_equal(ftp_inbox_grant(&b, 52, grants), 1);
	assert_int_equal(grants[0].id.micro_batch, 2);
	/* What is complete is not told again. */
	assert_true(ftp_inbox_grant_lost(&b, 51));
	assert_int_equal(ftp_inbox_grant(&b, 53, grants), 1);
	assert_int_equal(grants[0].id.micro_batch, 1);
	ftp_inbox_deinit(&b);
}

/* A grant that waits to be told again while its message completes and its place is posted anew. */
static void inbox_grant__stale_entry(void **state)
{
	struct ftp_grant grants[FTP_FRAME_MAX_GRANTS];
	struct ftp_wire_header h = packet_of(0, 0, CHUNK);
	struct ftp_message_id id;
	uint8_t memory[CHUNK];
	struct ftp_inbox b;
	uint32_t bytes;
	void *data;

	(void)state;
	ftp_inbox_init(&b, 1, 8);
	ftp_inbox_open(&b, CHUNK, 1);
	post(&b, 0, memory, CHUNK);
	assert_int_equal(ftp_inbox_grant(&b, 5, grants), 1);
	assert_true(ftp_inbox_grant_lost(&b, 5));
	assert_int_equal(ftp_inbox_place(&b, &h), FTP_INBOX_COMPLETED);
	assert_true(ftp_inbox_take(&b, &id, &data, &bytes));
	post(&b, 1, memory, CHUNK);
	assert_int_equal(ftp_inbox_grant(&b, 6, grants), 1);
	assert_int_equal(grants[0].id.micro_batch, 1);
	assert_int_equal(grants[0].number, 1);
	assert_int_equal(ftp_inbox_grant(&b, 7, grants), 0);
	ftp_inbox_deinit(&b);
}

static void inbox_place__outcomes(void **state)
{
	struct ftp_grant grants[FTP_FRAME_MAX_GRANTS];
	struct ftp_wire_header first = packet_of(0, 0, 2500), last = packet_of(0, 2000, 2500),
			       middle = packet_of(0, 1000, 2500), bad;
	struct ftp_message_id id;
	uint8_t memory[2500];
	struct ftp_inbox b;
	uint32_t bytes;
	void *data;

	(void)state;
	ftp_inbox_init(&b, 2, 8);
	ftp_inbox_open(&b, CHUNK, 2);
	assert_int_equal(ftp_inbox_place(&b, &first), FTP_INBOX_UNPOSTED);
	post(&b, 0, memory, 2500);
	assert_null(ftp_inbox_room(&b, &first)); /* not granted yet */
	assert_int_equal(ftp_inbox_place(&b, &first), FTP_INBOX_UNPOSTED);
	ftp_inbox_grant(&b, 1, grants);
	assert_ptr_equal(ftp_inbox_room(&b, &first), memory);
	assert_ptr_equal(ftp_inbox_room(&b, &last), memory + 2000);
	assert_int_equal(ftp_inbox_place(&b, &last), FTP_INBOX_PLACED);
	assert_null(ftp_inbox_room(&b, &last));
	assert_int_equal(ftp_inbox_place(&b, &last), FTP_INBOX_DUPLICATE);
	/* Another total, off the grid, too short, too long. */
	for (int i = 0; i < 4; i++) {
		bad = middle;
		bad.total += i == 0;
		bad.offset += i == 1;
		bad.length -= i == 2;
		bad.length += i == 3;
		assert_null(ftp_inbox_room(&b, &bad));
		assert_int_equal(ftp_inbox_place(&b, &bad), -EPROTO);
	}
	assert_int_equal(ftp_inbox_place(&b, &first), FTP_INBOX_PLACED);
	assert_false(ftp_inbox_take(&b, &id, &data, &bytes));
	assert_int_equal(ftp_inbox_place(&b, &middle), FTP_INBOX_COMPLETED);
	assert_int_equal(ftp_inbox_place(&b, &middle), FTP_INBOX_UNPOSTED);
	assert_true(ftp_inbox_take(&b, &id, &data, &bytes));
	assert_ptr_equal(data, memory);
	assert_int_equal(bytes, 2500);
	ftp_inbox_deinit(&b);
}

static void inbox_reset__forgets(void **state)
{
	struct ftp_grant grants[FTP_FRAME_MAX_GRANTS];
	struct ftp_wire_header h = packet_of(0, 0, CHUNK);
	uint8_t memory[CHUNK];
	struct ftp_inbox b;

	(void)state;
	ftp_inbox_init(&b, 1, 8);
	ftp_inbox_open(&b, CHUNK, 1);
	post(&b, 0, memory, CHUNK);
	ftp_inbox_grant(&b, 1, grants);
	ftp_inbox_reset(&b);
	assert_null(ftp_inbox_room(&b, &h));
	post(&b, 0, memory, CHUNK);
	assert_false(ftp_inbox_has_grants(&b));
	ftp_inbox_open(&b, CHUNK, 1);
	assert_int_equal(ftp_inbox_grant(&b, 9, grants), 1);
	assert_int_equal(grants[0].number, 0);
	ftp_inbox_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inbox_grant__limits),
		cmocka_unit_test(inbox_grant__stale_entry),
		cmocka_unit_test(inbox_place__outcomes),
		cmocka_unit_test(inbox_reset__forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
