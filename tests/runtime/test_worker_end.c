/* How training ends on real workers, whatever the disk and the control thread do meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/worker.h"
#include "tests/base/check.h"
#include "tests/runtime/worker_rig.h"

#define DEADLINE_NS (60 * FTP_NS_PER_S)
#define STILL_NS    FTP_NS_PER_S
#define N_OUTCOMES  256
#define N_ROWS	    100 /* fit into the ring, at least */

static const struct rig_plan thirds = {3, {{0, 1}, {1, 3}, {2, 5}}};
static const struct rig_plan halves = {2, {{0, 1}, {1, 5}}};

static void draft_of(const struct rig *r, char path[128])
{
	snprintf(path, 128, "%s/model.safetensors.tmp", r->run_dir);
}

/* A disk that takes 64 KiB of the model, and no more while nobody reads what it has. */
static int make_slow_disk(const struct rig *r)
{
	char path[128];
	int fd;

	draft_of(r, path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void await_writing(struct rig *r, int fd, bool (*others)(const struct rig *))
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	rig_wait(r, others);
	assert_int_equal(poll(&p, 1, 10000), 1);
}

static bool others_finished(const struct rig *r)
{
	return r->nodes[1].is_finished && r->nodes[2].is_finished;
}

static bool all_halted(const struct rig *r)
{
	for (int i = 0; i < RIG_NODES; i++)
		if (r->nodes[i].is_open[FTP_CALL_HALT])
			return false;
	return true;
}

static void halt(struct rig *r)
{
	const struct ftp_command c = {
		.kind = FTP_COMMAND_HALT, .term = r->plan.term + 1, .reason = "a test"};

	for (int i = 0; i < RIG_NODES; i++)
		rig_call(r, i, &c);
	rig_wait(r, all_halted);
	for (int i = 0; i < RIG_NODES; i++)
		assert_string_equal(r->nodes[i].refusal[FTP_CALL_HALT], "");
}

static void end__a_slow_disk_holds_up_no_halt(void **state)
{
	static struct rig r;
	int fd;

	(void)state;
	rig_open(&r, &(struct rig_settings){.schedule = "flush",
			     .memory = "256MiB",
			     .every = 100,
			     .global_every = 300});
	fd = make_slow_disk(&r);
	rig_change(&r, &thirds);
	await_writing(&r, fd, others_finished);
	halt(&r);
	assert_false(r.nodes[0].is_finished || r.nodes[0].is_failed);
	close(fd); /* the writing fails, which is of no interest any more */
	rig_close(&r);
	assert_false(r.nodes[0].is_failed);
}

/* All nodes, from the seed, and under a term that is newer than that of the halt. */
static void begin_anew(struct rig *r)
{
	memset(&r->plan, 0, sizeof(r->plan));
	r->term += 2;
	r->last_row = 0;
	r->n_evaluations = 0;
	for (int i = 0; i < RIG_NODES; i++)
		r->nodes[i].is_finished = false;
	rig_make_next(r, &thirds);
	r->next.recovery = 1;
	for (int i = 0; i < RIG_NODES; i++)
		rig_call_prepare(r, i);
}

static bool all_prepared(const struct rig *r)
{
	for (int i = 0; i < RIG_NODES; i++)
		if (r->nodes[i].is_open[FTP_CALL_PREPARE])
			return false;
	return true;
}

/* What was dropped hangs on: the next plan is prepared and trained to its end, and the next file
 * written when that one has come to its own. */
static void end__a_disk_that_hangs_holds_up_no_recovery(void **state)
{
	static struct rig r;
	char path[128];
	int fd;

	(void)state;
	rig_open(&r, &(struct rig_settings){.schedule = "flush",
			     .memory = "256MiB",
			     .every = 100,
			     .global_every = 300});
	fd = make_slow_disk(&r);
	rig_change(&r, &thirds);
	await_writing(&r, fd, others_finished);
	halt(&r);
	begin_anew(&r);
	rig_wait(&r, all_prepared);
	for (int i = 0; i < RIG_NODES; i++)
		assert_string_equal(r.nodes[i].refusal[FTP_CALL_PREPARE], "");
	rig_transfer(&r);
	rig_commit(&r);
	rig_wait(&r, others_finished);
	assert_false(r.nodes[0].is_finished || r.nodes[0].is_failed);
	close(fd);
	rig_finish(&r);
	draft_of(&r, path);
	assert_int_equal(access(path, F_OK), -1);
	*strrchr(path, '.') = 0;
	assert_int_equal(access(path, R_OK), 0);
	rig_close(&r);
}

static bool n1_has_failed(const struct rig *r)
{
	return r->nodes[0].is_failed;
}

/* Nobody is needed any more then: the file is all that is left to do. */
static void end__a_peer_lost_during_the_writing(void **state)
{
	static struct rig r;
	int fd;

	(void)state;
	rig_open(&r, &(struct rig_settings){.schedule = "flush", .memory = "256MiB"});
	fd = make_slow_disk(&r);
	rig_change(&r, &thirds);
	await_writing(&r, fd, others_finished);
	ftp_worker_stop(r.nodes[2].worker);
	r.nodes[2].worker = NULL;
	close(fd);
	rig_wait(&r, n1_has_failed);
	assert_non_null(
		strstr(r.nodes[0].failure, "model.safetensors: the model cannot be written"));
	rig_close(&r);
}

static void end__a_model_that_cannot_be_written(void **state)
{
	static struct rig r;
	char path[128];

	(void)state;
	rig_open(&r, &(struct rig_settings){.schedule = "flush", .memory = "256MiB"});
	draft_of(&r, path);
	assert_int_equal(mkdir(path, 0700), 0);
	rig_change(&r, &thirds);
	rig_wait(&r, n1_has_failed);
	assert_non_null(strstr(r.nodes[0].failure, strerror(EISDIR)));
	assert_int_equal(rmdir(path), 0);
	rig_close(&r);
}

static void end__the_model_is_there_before_it_is_told(void **state)
{
	static struct rig r;
	char path[128];

	(void)state;
	rig_open(&r, &(struct rig_settings){.schedule = "flush", .memory = "256MiB"});
	rig_change(&r, &thirds);
	rig_finish(&r);
	draft_of(&r, path);
	assert_int_equal(access(path, F_OK), -1);
	*strrchr(path, '.') = 0;
	assert_int_equal(access(path, R_OK), 0);
	rig_close(&r);
}

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
		cmocka_unit_test(end__a_slow_disk_holds_up_no_halt),
		cmocka_unit_test(end__a_disk_that_hangs_holds_up_no_recovery),
		cmocka_unit_test(end__a_peer_lost_during_the_writing),
		cmocka_unit_test(end__a_model_that_cannot_be_written),
		cmocka_unit_test(end__the_model_is_there_before_it_is_told),
		cmocka_unit_test(lost__while_nobody_takes_the_rows),
	};

	check_seed();
	signal(SIGPIPE, SIG_IGN); /* the disks of some tests are pipes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
