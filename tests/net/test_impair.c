#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "net/impair.h"
#include "net/ring.h"
#include "runtime/base/clock.h"
#include "tests/net/pair.h"

static uint64_t now_ns;

static uint64_t clock_ns(void)
{
	return now_ns;
}

struct fixture {
	struct ftp_port *ends[2]; /* [0] is the emulator */
	uint8_t head[FTP_WIRE_HEAD_BYTES];
	uint8_t memory[1000];
	struct ftp_buffer buffer;
};

static void set_up(struct fixture *f, const struct ftp_impair *impair)
{
	*f = (struct fixture){0};
	now_ns = 1;
	ftp_ring_pair(64, f->ends);
	f->ends[0] = ftp_impair_wrap(f->ends[0], impair, pair_seed(1), clock_ns);
	ftp_buffer_init(&f->buffer, f->memory, sizeof(f->memory));
}

static void tear_down(struct fixture *f)
{
	f->ends[0]->ops->close(f->ends[0]);
	f->ends[1]->ops->close(f->ends[1]);
}

static int send(struct fixture *f, int end, uint8_t mark)
{
	struct ftp_port_tx tx = {f->head, f->memory, sizeof(f->memory), &f->buffer};

	memset(f->head, mark, sizeof(f->head));
	memset(f->memory, mark, sizeof(f->memory));
	return f->ends[end]->ops->tx(f->ends[end], &tx, 1);
}

static int receive(struct fixture *f, int end)
{
	struct ftp_port_rx rx;
	int mark;

	if (!f->ends[end]->ops->rx(f->ends[end], &rx, 1))
		return -1;
	assert_int_equal(rx.bytes, FTP_WIRE_HEAD_BYTES + sizeof(f->memory));
	mark = rx.packet[0];
	for (uint32_t i = 0; i < rx.bytes; i++)
		assert_int_equal(rx.packet[i], mark);
	f->ends[end]->ops->release(f->ends[end], &rx, 1);
	return mark;
}

/* The share of losses, duplicates and reorderings is what was asked for, within five deviations. */
static void impair_next__rates(void **state)
{
	const struct ftp_impair impair = {
		.loss = 0.05, .duplication = 0.1, .reordering = 0.2, .delay_ns = 1000000};
	struct ftp_impair_line line = {.key = pair_seed(1)};
	const int n = 100000;
	int lost = 0, twice = 0, late = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		struct ftp_impair_fate fate = ftp_impair_next(&impair, &line, 100, (uint64_t)i);

		lost += fate.n == 0;
		twice += fate.n == 2;
		late += fate.n && fate.due_ns[0] == (uint64_t)i + 1250000;
		assert_true(!fate.n || fate.due_ns[0] == (uint64_t)i + 1000000 ||
			    fate.due_ns[0] == (uint64_t)i + 1250000);
	}
	assert_true(fabs(lost - 0.05 * n) < 5 * sqrt(0.05 * n));
	assert_true(fabs(twice - 0.95 * 0.1 * n) < 5 * sqrt(0.1 * n));
	assert_true(fabs(late - 0.95 * 0.2 * n) < 5 * sqrt(0.2 * n));
}

static void impair_next__bandwidth(void **state)
{
	const struct ftp_impair impair = {.bandwidth_bytes_per_s = 1000000, .delay_ns = 7};
	struct ftp_impair_line line = {.key = 1};

	(void)state;
	/* A kilobyte takes a millisecond; packets queue behind each other, and an idle line does
	 * not save up. */
	assert_int_equal(ftp_impair_next(&impair, &line, 1000, 0).due_ns[0], 1000000 + 7);
	assert_int_equal(ftp_impair_next(&impair, &line, 1000, 0).due_ns[0], 2000000 + 7);
	assert_int_equal(ftp_impair_next(&impair, &line, 500, 9000000).due_ns[0], 9500000 + 7);
}

static void impair_wrap__passes_through(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, &(struct ftp_impair){0});
	assert_true(f.ends[0]->caps.drops_silently);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(send(&f, 0, (uint8_t)i), 1);
		assert_int_equal(receive(&f, 1), i);
		assert_int_equal(send(&f, 1, (uint8_t)(100 + i)), 1);
		assert_int_equal(receive(&f, 0), 100 + i);
	}
	tear_down(&f);
}

/* What waits is a copy: its memory is idle at once, and what was written later does not show. */
static void impair_wrap__delay(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, &(struct ftp_impair){.delay_ns = 1000});
	assert_true(f.ends[0]->caps.drops_silently);
	assert_int_equal(send(&f, 0, 1), 1);
	assert_true(f.ends[0]->ops->idle(f.ends[0], &f.buffer));
	memset(f.memory, 77, sizeof(f.memory));
	assert_int_equal(f.ends[0]->ops->arm(f.ends[0]), -1);
	f.ends[0]->ops->disarm(f.ends[0]);
	now_ns += 999;
	assert_int_equal(receive(&f, 0), -1);
	assert_int_equal(receive(&f, 1), -1);
	now_ns += 1;
	assert_int_equal(receive(&f, 0), -1); /* its turn sends what is due */
	assert_int_equal(receive(&f, 1), 1);
	/* And the other way. */
	send(&f, 1, 2);
	assert_int_equal(receive(&f, 0), -1);
	now_ns += 999;
	assert_int_equal(receive(&f, 0), -1);
	now_ns += 1;
	assert_int_equal(receive(&f, 0), 2);
	tear_down(&f);
}

/* Both directions lose their share; nothing arrives that was not sent, in its order. */
static void impair_wrap__loss(void **state)
{
	struct fixture f;
	int got[2] = {0};

	(void)state;
	set_up(&f, &(struct ftp_impair){.loss = 0.25});
	for (int i = 0; i < 4000; i++) {
		for (int end = 0; end < 2; end++) {
			int mark;

			assert_int_equal(send(&f, end, (uint8_t)(i % 251)), 1);
			mark = receive(&f, !end);
			assert_true(mark == -1 || mark == i % 251);
			got[end] += mark >= 0;
		}
	}
	for (int end = 0; end < 2; end++)
		assert_in_range(got[end], 3000 - 140, 3000 + 140);
	tear_down(&f);
}

/* A full ring below refuses, and the packet is offered again: nothing is lost or counted twice. */
static void impair_wrap__full_below(void **state)
{
	struct fixture f;
	int n = 0;

	(void)state;
	set_up(&f, &(struct ftp_impair){0});
	while (n < 1000 && send(&f, 0, (uint8_t)n))
		n++;
	assert_in_range(n, 1, 999);
	assert_int_equal(receive(&f, 1), 0);
	assert_int_equal(send(&f, 0, (uint8_t)n), 1);
	for (int i = 1; i <= n; i++)
		assert_int_equal(receive(&f, 1), i);
	tear_down(&f);
}

/* From now on, in both directions; what waits keeps its time, and no old queue delays what follows.
 */
static void impair_set__while_running(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, &(struct ftp_impair){0});
	assert_int_equal(send(&f, 0, 1), 1);
	assert_int_equal(receive(&f, 1), 1);
	assert_true(ftp_impair_set(
		f.ends[0], &(struct ftp_impair){.bandwidth_bytes_per_s = 1000, .delay_ns = 5}));
	assert_int_equal(send(&f, 0, 2), 1);
	assert_int_equal(receive(&f, 1), -1);
	assert_true(ftp_impair_set(f.ends[0], &(struct ftp_impair){.delay_ns = 1000}));
	assert_int_equal(send(&f, 0, 3), 1);
	send(&f, 1, 4);
	now_ns += 1000;
	assert_int_equal(receive(&f, 0), -1);
	assert_int_equal(receive(&f, 1), 3);
	now_ns += 1000;
	assert_int_equal(receive(&f, 0), 4);
	now_ns += 2 * FTP_NS_PER_S;
	assert_int_equal(receive(&f, 0), -1);
	assert_int_equal(receive(&f, 1), 2);
	assert_true(ftp_impair_set(f.ends[0], &(struct ftp_impair){.loss = 1}));
	assert_int_equal(send(&f, 0, 5), 1);
	assert_int_equal(receive(&f, 1), -1);
	assert_false(ftp_impair_set(f.ends[1], &(struct ftp_impair){.loss = 1}));
	tear_down(&f);
}

/* More than may wait is dropped, as by a router, and all places come back. */
static void impair_wrap__long_queue(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, &(struct ftp_impair){.delay_ns = 1000});
	for (int round = 0; round < 3; round++) {
		int got = 0;

		for (int i = 0; i < 1500; i++)
			assert_int_equal(send(&f, 0, 9), 1);
		now_ns += 1000;
		for (int i = 0; i < 1500; i++) {
			assert_int_equal(receive(&f, 0), -1);
			got += receive(&f, 1) == 9;
		}
		assert_int_equal(got, 1024);
	}
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impair_next__rates),
		cmocka_unit_test(impair_next__bandwidth),
		cmocka_unit_test(impair_wrap__passes_through),
		cmocka_unit_test(impair_set__while_running),
		cmocka_unit_test(impair_wrap__delay),
		cmocka_unit_test(impair_wrap__loss),
		cmocka_unit_test(impair_wrap__full_below),
		cmocka_unit_test(impair_wrap__long_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
