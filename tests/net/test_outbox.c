#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "net/outbox.h"

#define CHUNK 1000

static bool is_held;

static bool idle(struct ftp_port *p, const struct ftp_buffer *b)
{
	(void)p;
	(void)b;
	return !is_held;
}

static const struct ftp_port_ops ops = {.idle = idle};
static struct ftp_port port = {.ops = &ops};

struct fixture {
	struct ftp_outbox o;
	uint8_t memory[10 * CHUNK];
	struct ftp_buffer buffers[4];
};

static struct ftp_message_id id_of(uint32_t i)
{
	return (struct ftp_message_id){.kind = FTP_MESSAGE_PROBE, .micro_batch = i};
}

static void set_up(struct fixture *f)
{
	*f = (struct fixture){0};
	ftp_outbox_init(&f->o, 4, 8, 16, 16);
	ftp_outbox_open(&f->o, CHUNK);
	is_held = false;
}

static int send(struct fixture *f, uint32_t i, uint8_t class, uint32_t bytes)
{
	struct ftp_message_id id = id_of(i);

	ftp_buffer_init(&f->buffers[i], f->memory, bytes);
	return ftp_outbox_send(&f->o, &id, class, &f->buffers[i]);
}

static int grant(struct fixture *f, uint32_t i, uint32_t bytes)
{
	return ftp_outbox_grant(
		&f->o, &(struct ftp_grant){.number = i, .id = id_of(i), .bytes = bytes});
}

static void expect(struct fixture *f, uint32_t i, uint32_t chunk, bool is_again)
{
	struct ftp_outbox_chunk c;
	bool again;

	assert_true(ftp_outbox_next(&f->o, 2, &c, &again));
	assert_int_equal(f->o.messages[c.message].id.micro_batch, i);
	assert_int_equal(c.chunk, chunk);
	assert_int_equal(again, is_again);
}

static void outbox_grant__either_first(void **state)
{
	struct ftp_outbox_chunk c;
	struct fixture f;
	bool again;

	(void)state;
	set_up(&f);
	assert_int_equal(send(&f, 0, 1, 2 * CHUNK), 0);
	assert_int_equal(send(&f, 0, 1, 2 * CHUNK), -EEXIST);
	assert_false(ftp_outbox_next(&f.o, 2, &c, &again));
	assert_int_equal(grant(&f, 0, 2 * CHUNK), 0);
	assert_int_equal(grant(&f, 1, CHUNK), 0);
	assert_int_equal(send(&f, 1, 1, CHUNK - 1), -EPROTO);
	assert_int_equal(send(&f, 1, 1, CHUNK), 0);
	expect(&f, 0, 0, false);
	expect(&f, 0, 1, false);
	expect(&f, 1, 0, false);
	assert_false(ftp_outbox_has_chunk(&f.o, 2));
	/* Told twice: known by its number. */
	assert_int_equal(grant(&f, 1, CHUNK), 0);
	assert_int_equal(f.o.granted.n, 0);
	assert_int_equal(send(&f, 2, 1, CHUNK), 0);
	assert_int_equal(grant(&f, 2, CHUNK + 1), -EPROTO);
	ftp_outbox_deinit(&f.o);
}

static void outbox_grant__too_many(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(grant(&f, i, CHUNK), 0);
	assert_int_equal(grant(&f, 8, CHUNK), -EPROTO);
	ftp_outbox_deinit(&f.o);
}

/* Classes in order; within one, what is lost before what is fresh. */
static void outbox_next__order(void **state)
{
	struct ftp_outbox_chunk data, c;
	struct fixture f;
	bool again;

	(void)state;
	set_up(&f);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(grant(&f, i, 3 * CHUNK), 0);
		assert_int_equal(send(&f, i, (uint8_t)(2 - i), 3 * CHUNK), 0);
	}
	assert_true(ftp_outbox_has_chunk(&f.o, 0));
	expect(&f, 2, 0, false); /* class 0 */
	expect(&f, 2, 1, false);
	expect(&f, 2, 2, false);
	assert_false(ftp_outbox_next(&f.o, 0, &c, &again));
	assert_true(ftp_outbox_next(&f.o, 1, &data, &again));
	assert_int_equal(data.chunk, 0);
	ftp_outbox_lost(&f.o, &data);
	expect(&f, 1, 0, true);
	/* A probe joins nothing that waits already, and is pointless after the ACK. */
	ftp_outbox_lost(&f.o, &data);
	assert_true(ftp_outbox_probe(&f.o, &data));
	expect(&f, 1, 0, true);
	expect(&f, 1, 1, false);
	ftp_outbox_acked(&f.o, &data);
	assert_false(ftp_outbox_probe(&f.o, &data));
	ftp_outbox_lost(&f.o, &data);
	expect(&f, 1, 2, false);
	expect(&f, 0, 0, false);
	ftp_outbox_deinit(&f.o);
}

/* Given back when the last chunk is acknowledged, however often, and the port holds it no more;
 * what still names it afterwards names nothing. */
static void outbox_take__when_idle(void **state)
{
	struct ftp_outbox_chunk chunks[2];
	struct ftp_message_id id;
	struct fixture f;
	uint32_t bytes;
	void *data;
	bool again;

	(void)state;
	set_up(&f);
	grant(&f, 0, 2 * CHUNK);
	send(&f, 0, 1, 2 * CHUNK);
	for (int i = 0; i < 2; i++)
		assert_true(ftp_outbox_next(&f.o, 2, &chunks[i], &again));
	ftp_outbox_acked(&f.o, &chunks[1]);
	ftp_outbox_acked(&f.o, &chunks[1]);
	assert_false(ftp_outbox_take(&f.o, &port, &id, &data, &bytes));
	ftp_outbox_acked(&f.o, &chunks[0]);
	is_held = true;
	assert_false(ftp_outbox_take(&f.o, &port, &id, &data, &bytes));
	is_held = false;
	assert_true(ftp_outbox_take(&f.o, &port, &id, &data, &bytes));
	assert_ptr_equal(data, f.memory);
	assert_int_equal(bytes, 2 * CHUNK);
	assert_false(ftp_outbox_take(&f.o, &port, &id, &data, &bytes));
	/* The place serves the next message; old chunks do not touch it. */
	for (uint32_t i = 1; i < 4; i++)
		send(&f, i, 1, CHUNK);
	send(&f, 0, 1, CHUNK);
	grant(&f, 1, CHUNK);
	ftp_outbox_acked(&f.o, &chunks[0]);
	assert_null(ftp_outbox_live(&f.o, &chunks[0]));
	expect(&f, 1, 0, false);
	assert_false(ftp_outbox_take(&f.o, &port, &id, &data, &bytes));
	ftp_outbox_deinit(&f.o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outbox_grant__either_first),
		cmocka_unit_test(outbox_grant__too_many),
		cmocka_unit_test(outbox_next__order),
		cmocka_unit_test(outbox_take__when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
