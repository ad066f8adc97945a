#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/loss.h"
#include "runtime/base/clock.h"

#define MS FTP_NS_PER_MS

struct fixture {
	struct ftp_loss loss;
	struct ftp_sentmap map;
	uint64_t lost[64];
	int n_lost;
};

static void set_up(struct fixture *f)
{
	*f = (struct fixture){0};
	ftp_loss_init(&f->loss);
	ftp_sentmap_init(&f->map, 64);
}

static void on_lost(void *arg, uint64_t number, const struct ftp_sent *s)
{
	struct fixture *f = arg;

	assert_int_equal(s->state, FTP_SENT_RESOLVED);
	f->lost[f->n_lost++] = number;
}

static void send(struct fixture *f, uint64_t now_ns)
{
	struct ftp_sent *s = ftp_sentmap_push(&f->map);

	s->state = FTP_SENT_OUTSTANDING;
	s->time_ns = now_ns;
	f->loss.n_in_flight++;
	f->loss.last_sent_ns = now_ns;
}

static void acknowledge(struct fixture *f, uint64_t number)
{
	ftp_sentmap_at(&f->map, number)->state = FTP_SENT_RESOLVED;
	f->loss.has_acked = true;
	if (number > f->loss.largest_acked)
		f->loss.largest_acked = number;
	ftp_sentmap_settle(&f->map);
}

static bool detect(struct fixture *f, uint64_t now_ns)
{
	return ftp_loss_detect(&f->loss, &f->map, 0, now_ns, on_lost, f);
}

/* RFC 9002 section 5.3, by hand. */
static void loss_sample__formulas(void **state)
{
	struct ftp_loss l;

	(void)state;
	ftp_loss_init(&l);
	assert_int_equal(l.smoothed_rtt_ns, 333 * MS); /* section 6.2.2 */
	ftp_loss_sample(&l, 100 * MS, 30 * MS, 50 * MS, 1);
	/* First sample: the ack delay plays no part. */
	assert_int_equal(l.smoothed_rtt_ns, 100 * MS);
	assert_int_equal(l.rtt_variation_ns, 50 * MS);
	assert_int_equal(l.min_rtt_ns, 100 * MS);
	/* adjusted = 180 - 40 = 140; var = 3/4 50 + 1/4 |100 - 140| = 47.5; srtt = 7/8 100 + 140/8.
	 */
	ftp_loss_sample(&l, 180 * MS, 40 * MS, 50 * MS, 2);
	assert_int_equal(l.rtt_variation_ns, 47500000);
	assert_int_equal(l.smoothed_rtt_ns, 105 * MS);
	/* The peer's claim is cut to its promise: adjusted = 205 - 50 = 155. */
	ftp_loss_sample(&l, 205 * MS, 100 * MS, 50 * MS, 3);
	assert_int_equal(l.smoothed_rtt_ns, (7 * 105 * MS + 155 * MS) / 8);
	/* And it never takes a sample below the minimum. */
	ftp_loss_sample(&l, 110 * MS, 20 * MS, 50 * MS, 4);
	assert_int_equal(l.smoothed_rtt_ns, (7 * (7 * 105 * MS + 155 * MS) / 8 + 110 * MS) / 8);
	assert_int_equal(l.min_rtt_ns, 100 * MS);
}

/* Section 6.2.1: PTO = smoothed_rtt + max(4 * rttvar, 1 ms) + max_ack_delay, doubling. */
static void loss_deadline__probe_timeout(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	assert_int_equal(ftp_loss_deadline(&f.loss, 0), FTP_NS_NEVER);
	ftp_loss_sample(&f.loss, 10 * MS, 0, 0, 0);
	send(&f, 1000 * MS);
	assert_int_equal(ftp_loss_probe_timeout_ns(&f.loss, 25 * MS), 10 * MS + 20 * MS + 25 * MS);
	for (uint32_t k = 0; k < 4; k++) {
		f.loss.n_probe_timeouts = k;
		assert_int_equal(ftp_loss_deadline(&f.loss, 25 * MS), 1000 * MS + (55 * MS << k));
	}
	f.loss.n_probe_timeouts = 60;
	assert_int_equal(ftp_loss_deadline(&f.loss, 25 * MS), 2000 * MS);
	/* The bound never undercuts one timeout. */
	assert_int_equal(ftp_loss_deadline(&f.loss, 5000 * MS), 1000 * MS + 5030 * MS);
	f.loss.rtt_variation_ns = 0;
	assert_int_equal(ftp_loss_probe_timeout_ns(&f.loss, 0), 11 * MS);
	ftp_sentmap_deinit(&f.map);
}

/* Section 6.1.1: three packets after it acknowledged. */
static void loss_detect__packet_threshold(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	ftp_loss_sample(&f.loss, 10 * MS, 0, 0, 0);
	for (int i = 0; i < 6; i++)
		send(&f, 0);
	acknowledge(&f, 2);
	detect(&f, 1);
	assert_int_equal(f.n_lost, 0); /* 0 and 1 are within the threshold */
	assert_int_equal(f.loss.loss_time_ns, 9 * 10 * MS / 8);
	acknowledge(&f, 3);
	detect(&f, 1);
	assert_int_equal(f.n_lost, 1);
	assert_int_equal(f.lost[0], 0);
	acknowledge(&f, 5);
	detect(&f, 1);
	assert_int_equal(f.n_lost, 2);
	assert_int_equal(f.lost[1], 1);
	/* 4 waits for time; what is above the largest acknowledged is never looked at. */
	detect(&f, 12 * MS);
	assert_int_equal(f.n_lost, 3);
	assert_int_equal(f.map.oldest, 6);
	ftp_sentmap_deinit(&f.map);
}

/* Section 6.1.2: 9/8 of the larger of smoothed and latest, at least the granularity. */
static void loss_detect__time_threshold(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	ftp_loss_sample(&f.loss, 8 * MS, 0, 0, 0);
	ftp_loss_sample(&f.loss, 16 * MS, 0, 0, 0); /* latest 16 ms, smoothed 9 ms */
	send(&f, 100 * MS);
	send(&f, 101 * MS);
	acknowledge(&f, 1);
	detect(&f, 110 * MS);
	assert_int_equal(f.loss.loss_time_ns, 118 * MS);
	assert_int_equal(ftp_loss_deadline(&f.loss, 0), 118 * MS);
	detect(&f, 118 * MS - 1);
	assert_int_equal(f.n_lost, 0);
	detect(&f, 118 * MS);
	assert_int_equal(f.n_lost, 1);
	assert_int_equal(f.loss.loss_time_ns, FTP_NS_NEVER);
	ftp_sentmap_deinit(&f.map);
	set_up(&f);
	ftp_loss_sample(&f.loss, 1000, 0, 0, 0);
	send(&f, 0);
	send(&f, 0);
	acknowledge(&f, 1);
	detect(&f, 1);
	assert_int_equal(f.loss.loss_time_ns, FTP_LOSS_GRANULARITY_NS);
	ftp_sentmap_deinit(&f.map);
}

/* Section 7.6: losses that span three probe timeouts without an acknowledgement between. */
static void loss_detect__persistent_congestion(void **state)
{
	for (int broken = 0; broken < 2; broken++) {
		struct fixture f;

		(void)state;
		set_up(&f);
		ftp_loss_sample(&f.loss, 10 * MS, 0, 0, 0);
		/* PTO is 30 ms, the duration 90 ms; packets every 20 ms span 120. */
		for (uint64_t i = 0; i < 11; i++)
			send(&f, 20 * MS * i);
		if (broken)
			acknowledge(&f, 5);
		acknowledge(&f, 10);
		assert_int_equal(detect(&f, 210 * MS), !broken);
		assert_int_equal(f.n_lost, broken ? 9 : 10);
		ftp_sentmap_deinit(&f.map);
	}
}

static void loss_detect__staged_is_not_lost(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	ftp_loss_sample(&f.loss, 10 * MS, 0, 0, 0);
	for (int i = 0; i < 8; i++)
		send(&f, 0);
	ftp_sentmap_at(&f.map, 0)->state = FTP_SENT_STAGED;
	acknowledge(&f, 7);
	detect(&f, 1000 * MS);
	assert_int_equal(f.n_lost, 6);
	assert_int_equal(f.map.oldest, 0);
	ftp_sentmap_deinit(&f.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loss_sample__formulas),
		cmocka_unit_test(loss_detect__packet_threshold),
		cmocka_unit_test(loss_detect__time_threshold),
		cmocka_unit_test(loss_detect__persistent_congestion),
		cmocka_unit_test(loss_detect__staged_is_not_lost),
		cmocka_unit_test(loss_deadline__probe_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
