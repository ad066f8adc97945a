/* How training ends on real workers, whatever the disk and the control thread do meanwhile. */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/worker.h"
#include "tests/base/check.h"
#include "tests/runtime/worker_rig.h"

#define DEADLINE_NS (20 * FTP_NS_PER_S)
#define STILL_NS    FTP_NS_PER_S
#define N_OUTCOMES  256
#define N_ROWS	    100 /* fit into the ring, at least */

static const struct rig_plan halves = {2, {{0, 1}, {1, 5}}};

/* Training stands still: the ring to the control thread takes no more rows. */
static void await_standstill(const struct rig_node *n)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + DEADLINE_NS, since_ns = 0;
	double steps = 0;

	for (;;) {
		uint64_t now_ns = ftp_clock_now_ns();
		double seen = ftp_metric_get(n->metrics.steps);

		if (seen > steps || !since_ns)
			since_ns = now_ns;
		steps = seen;
		if (steps > N_ROWS && now_ns > since_ns + STILL_NS)
			return;
		assert_true(now_ns < deadline_ns);
		ftp_clock_sleep_ns(10 * FTP_NS_PER_MS);
	}
}

/* Every row, in order, then why it is over. */
static void take_rows_and_failure(struct rig_node *n, uint64_t step)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + DEADLINE_NS;
	bool is_over = false;
	struct ftp_outcome o;

	while (!is_over) {
		assert_true(ftp_clock_now_ns() < deadline_ns);
		if (!ftp_worker_outcome(n->worker, &o)) {
			ftp_clock_sleep_ns(FTP_NS_PER_MS);
			continue;
		}
		if (o.kind == FTP_OUTCOME_STEP)
			assert_int_equal(o.step, ++step);
		is_over = o.kind == FTP_OUTCOME_FAILED;
		assert_true(!is_over || strstr(o.text, "lost n1"));
		ftp_worker_outcome_clear(&o);
	}
	print_message("%llu rows\n", (unsigned long long)step);
	assert_true(step > N_ROWS);
}

static void lost__while_nobody_takes_the_rows(void **state)
{
	static struct rig r;

	(void)state;
	rig_open(&r, &(struct rig_settings){
			     .schedule = "flush", .memory = "256MiB", .n_outcomes = N_OUTCOMES});
	rig_change(&r, &halves);
	await_standstill(&r.nodes[1]);
	ftp_worker_stop(r.nodes[0].worker);
	r.nodes[0].worker = NULL;
	take_rows_and_failure(&r.nodes[1], r.last_row);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost__while_nobody_takes_the_rows),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
