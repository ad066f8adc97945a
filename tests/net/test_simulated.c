#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/simulated.h"
#include "runtime/base/clock.h"
#include "tests/net/pair.h"

struct fixture {
	struct ftp_simulated *s;
	struct ftp_port *ends[2];
	uint8_t head[FTP_WIRE_HEAD_BYTES];
	uint8_t memory[64];
	struct ftp_buffer buffer;
};

static void set_up(
	struct fixture *f, uint64_t seed, const struct ftp_impair *impair, uint32_t window)
{
	*f = (struct fixture){.s = ftp_simulated_new(seed)};
	ftp_simulated_pair(f->s, impair, window, f->ends);
	ftp_buffer_init(&f->buffer, f->memory, sizeof(f->memory));
}

static void tear_down(struct fixture *f)
{
	f->ends[0]->ops->close(f->ends[0]);
	f->ends[1]->ops->close(f->ends[1]);
	ftp_simulated_free(f->s);
}

static int send(struct fixture *f, uint8_t mark)
{
	struct ftp_port_tx tx = {f->head, f->memory, sizeof(f->memory), &f->buffer};

	f->head[0] = mark;
	return f->ends[0]->ops->tx(f->ends[0], &tx, 1);
}

/* The mark of the next packet at the other end, -1: none. */
static int receive(struct fixture *f)
{
	struct ftp_port_rx rx;
	int mark;

	if (!f->ends[1]->ops->rx(f->ends[1], &rx, 1))
		return -1;
	assert_int_equal(rx.bytes, FTP_WIRE_HEAD_BYTES + sizeof(f->memory));
	mark = rx.packet[0];
	f->ends[1]->ops->release(f->ends[1], &rx, 1);
	return mark;
}

static void simulated_advance__delay(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 1, &(struct ftp_impair){.delay_ns = 1000}, 8);
	assert_int_equal(ftp_simulated_next_ns(f.s), FTP_NS_NEVER);
	assert_int_equal(send(&f, 5), 1);
	assert_int_equal(ftp_simulated_next_ns(f.s), 1000);
	ftp_simulated_advance(f.s, 999);
	assert_int_equal(receive(&f), -1);
	ftp_simulated_advance(f.s, 1000);
	assert_int_equal(receive(&f), 5);
	tear_down(&f);
}

/* Memory is read on arrival, and lent until then. */
static void simulated_tx__lends_memory(void **state)
{
	struct fixture f;
	struct ftp_port_rx rx;

	(void)state;
	set_up(&f, 1, &(struct ftp_impair){.delay_ns = 1000}, 8);
	assert_true(f.ends[0]->ops->idle(f.ends[0], &f.buffer));
	send(&f, 1);
	assert_false(f.ends[0]->ops->idle(f.ends[0], &f.buffer));
	f.memory[3] = 99;
	ftp_simulated_advance(f.s, 1000);
	assert_true(f.ends[0]->ops->idle(f.ends[0], &f.buffer));
	assert_int_equal(f.ends[1]->ops->rx(f.ends[1], &rx, 1), 1);
	assert_int_equal(rx.packet[FTP_WIRE_HEAD_BYTES + 3], 99);
	f.ends[1]->ops->release(f.ends[1], &rx, 1);
	/* close() gives back what is under way. */
	send(&f, 2);
	f.ends[0]->ops->close(f.ends[0]);
	assert_int_equal(f.buffer.port_words[0], 0);
	assert_int_equal(f.ends[1]->ops->link(f.ends[1]), FTP_PORT_DOWN);
	f.ends[1]->ops->close(f.ends[1]);
	ftp_simulated_free(f.s);
}

static void simulated_tx__overrun(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 1, &(struct ftp_impair){0}, 4);
	for (int i = 0; i < 10; i++)
		assert_int_equal(send(&f, (uint8_t)i), 1);
	ftp_simulated_advance(f.s, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(receive(&f), i);
	assert_int_equal(receive(&f), -1);
	tear_down(&f);
}

static void simulated_cut__and_refuse(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 1, &(struct ftp_impair){.delay_ns = 10}, 8);
	ftp_simulated_cut(f.s, f.ends[0], true, false);
	assert_int_equal(send(&f, 1), 1);
	ftp_simulated_advance(f.s, 100);
	assert_int_equal(receive(&f), -1);
	ftp_simulated_cut(f.s, f.ends[0], false, false);
	send(&f, 2);
	ftp_simulated_cut(f.s, f.ends[1], false, true); /* under way: lost as well */
	ftp_simulated_advance(f.s, 200);
	assert_int_equal(receive(&f), -1);
	ftp_simulated_cut(f.s, f.ends[1], false, false);
	ftp_simulated_refuse(f.s, f.ends[0], true);
	assert_int_equal(send(&f, 3), 0);
	ftp_simulated_refuse(f.s, f.ends[0], false);
	assert_int_equal(send(&f, 4), 1);
	ftp_simulated_advance(f.s, 300);
	assert_int_equal(receive(&f), 4);
	tear_down(&f);
}

/* One seed, one history: order and times of all packets repeat; another seed differs. */
static void simulated_new__replays(void **state)
{
	const struct ftp_impair impair = {.loss = 0.2,
		.duplication = 0.2,
		.reordering = 0.2,
		.delay_ns = 1000,
		.jitter_ns = 5000};
	uint64_t seed = pair_seed(1), histories[3];

	(void)state;
	for (int run = 0; run < 3; run++) {
		struct fixture f;
		uint64_t history = 0;

		set_up(&f, run < 2 ? seed : seed + 1, &impair, 64);
		for (int i = 0; i < 200; i++) {
			send(&f, (uint8_t)i);
			ftp_simulated_advance(f.s, ftp_simulated_now_ns(f.s) + 700);
			for (int mark; (mark = receive(&f)) >= 0;)
				history = (history + (uint64_t)mark + 1) * 0x9e3779b97f4a7c15ull +
					  (uint64_t)i;
		}
		histories[run] = history;
		tear_down(&f);
	}
	assert_int_equal(histories[0], histories[1]);
	assert_int_not_equal(histories[0], histories[2]);
}

static enum ftp_port_link link_of(struct ftp_port *end)
{
	return end->ops->link(end);
}

/* What was sent still comes; the port is down at the other end alone, and later. */
static void simulated_hang_up__is_told_later(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 1, &(struct ftp_impair){.delay_ns = 10}, 8);
	ftp_simulated_linger(f.s, 500);
	send(&f, 1);
	ftp_simulated_hang_up(f.s, f.ends[0]);
	assert_int_equal(send(&f, 2), 1);
	ftp_simulated_advance(f.s, 499);
	assert_int_equal(receive(&f), 1);
	assert_int_equal(receive(&f), -1);
	assert_int_equal(link_of(f.ends[1]), FTP_PORT_UP);
	ftp_simulated_advance(f.s, 500);
	assert_int_equal(link_of(f.ends[1]), FTP_PORT_DOWN);
	assert_int_equal(link_of(f.ends[0]), FTP_PORT_UP);
	f.ends[0]->ops->close(f.ends[0]); /* is told once */
	assert_int_equal(ftp_simulated_next_ns(f.s), FTP_NS_NEVER);
	f.ends[1]->ops->close(f.ends[1]);
	ftp_simulated_free(f.s);
}

static void simulated_linger__close(void **state)
{
	const uint64_t lingers_ns[] = {0, 500, FTP_NS_NEVER};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fixture f;

		set_up(&f, 1, &(struct ftp_impair){.delay_ns = 10}, 8);
		ftp_simulated_linger(f.s, lingers_ns[i]);
		f.ends[0]->ops->close(f.ends[0]);
		for (uint64_t now_ns = 0; now_ns <= 1000; now_ns += 100) {
			ftp_simulated_advance(f.s, now_ns);
			assert_int_equal(link_of(f.ends[1]),
				now_ns >= lingers_ns[i] ? FTP_PORT_DOWN : FTP_PORT_UP);
		}
		f.ends[1]->ops->close(f.ends[1]);
		ftp_simulated_free(f.s);
	}
}

/* Whoever has something to look at is named: the receiver of a packet that is not lost, the sender
 * of memory that is idle. */
static void simulated_arrive__one_at_a_time(void **state)
{
	struct ftp_port *ends[2];
	struct fixture f;

	(void)state;
	set_up(&f, 1, &(struct ftp_impair){.delay_ns = 10}, 8);
	send(&f, 1);
	send(&f, 2);
	assert_false(ftp_simulated_arrive(f.s, 9, ends));
	assert_int_equal(ftp_simulated_now_ns(f.s), 9);
	assert_true(ftp_simulated_arrive(f.s, 100, ends));
	assert_int_equal(ftp_simulated_now_ns(f.s), 10);
	assert_ptr_equal(ends[0], f.ends[1]);
	assert_null(ends[1]);
	ftp_simulated_cut(f.s, f.ends[1], false, true);
	assert_true(ftp_simulated_arrive(f.s, 100, ends));
	assert_null(ends[0]);
	assert_ptr_equal(ends[1], f.ends[0]);
	assert_false(ftp_simulated_arrive(f.s, 100, ends));
	assert_int_equal(ftp_simulated_now_ns(f.s), 100);
	ftp_simulated_linger(f.s, 50);
	ftp_simulated_hang_up(f.s, f.ends[0]);
	assert_true(ftp_simulated_arrive(f.s, 200, ends));
	assert_ptr_equal(ends[0], f.ends[1]);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simulated_new__replays),
		cmocka_unit_test(simulated_advance__delay),
		cmocka_unit_test(simulated_tx__lends_memory),
		cmocka_unit_test(simulated_tx__overrun),
		cmocka_unit_test(simulated_cut__and_refuse),
		cmocka_unit_test(simulated_hang_up__is_told_later),
		cmocka_unit_test(simulated_linger__close),
		cmocka_unit_test(simulated_arrive__one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
