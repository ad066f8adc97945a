/* A recovery that needs a node's disk, which does not answer: the node goes on to serve its
 * coordinator. */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/checkpoint.h"
#include "tests/base/check.h"
#include "tests/runtime/simulated_disk.h"
#include "tests/runtime/worker_rig.h"

#define STEP 10
#define RUN  9

static const struct rig_plan alone = {1, {{0, 5}}};
static const struct rig_settings settings = {
	.schedule = "flush", .memory = "256MiB", .every = 10, .disk_every = 10};

static struct simulated_disk *disk; /* of n1 */

/* What becomes of the activity that was begun. */
static void finish(struct ftp_checkpoint *c, struct simulated_disk *d)
{
	struct ftp_checkpoint_event e;

	while (!ftp_checkpoint_event(c, &e))
		ftp_checkpoint_turn(c, simulated_disk_seam(d), FTP_DISK_N_BUFFERS, 0);
	assert_int_equal(e.outcome, FTP_CHECKPOINT_DONE);
	while (ftp_checkpoint_is_busy(c))
		ftp_checkpoint_turn(c, simulated_disk_seam(d), FTP_DISK_N_BUFFERS, 0);
}

/* Operations that opening it takes. */
static uint64_t n_opening(const struct simulated_disk *of)
{
	const struct ftp_checkpoint_spec spec = {.keep = 8, .depth = FTP_CHECKPOINT_READ_MANIFEST};
	struct simulated_disk *d = simulated_disk_after_kill(of, check_seed());
	struct ftp_checkpoint *c;
	uint64_t n;

	assert_int_equal(ftp_checkpoint_new(&c, &spec, simulated_disk_seam(d)), 0);
	finish(c, d);
	n = simulated_disk_n_ops(d);
	ftp_checkpoint_free(c);
	simulated_disk_free(d);
	return n;
}

static void put_all(struct simulated_disk *d, const struct ftp_model *model)
{
	const struct ftp_checkpoint_spec spec = {.run = RUN, .keep = 8};
	struct ftp_checkpoint_entry entries[8];
	static uint8_t zeros[1 << 20];
	struct ftp_checkpoint *c;

	for (uint32_t u = 0; u < (uint32_t)model->n_units; u++) {
		size_t bytes = model->units[u].state_bytes;

		assert_true(bytes <= sizeof(zeros));
		entries[u] = (struct ftp_checkpoint_entry){.unit = u,
			.step = STEP,
			.term = 1,
			.digest = ftp_digest_of(zeros, bytes),
			.bytes = bytes,
			.data = zeros};
	}
	assert_int_equal(ftp_checkpoint_new(&c, &spec, simulated_disk_seam(d)), 0);
	finish(c, d);
	assert_int_equal(ftp_checkpoint_put(c, entries, (uint32_t)model->n_units), 0);
	finish(c, d);
	ftp_checkpoint_free(c);
}

/* It has the snapshot, and hangs as soon as it is open. */
static struct ftp_disk *make_disk(const struct ftp_model *model, int node)
{
	struct simulated_disk *before;

	if (node)
		return NULL;
	before = simulated_disk_new(check_seed());
	put_all(before, model);
	disk = simulated_disk_after_kill(before, check_seed());
	simulated_disk_fault(
		disk, (struct simulated_fault){
			      .kind = SIMULATED_HANGS, .first = n_opening(before), .n = 1000000});
	simulated_disk_free(before);
	return simulated_disk_seam(disk);
}

static void begin_recovery(struct rig *r)
{
	rig_make_next(r, &alone);
	r->next.term += 2; /* newer than what is there */
	r->term = r->next.term;
	r->next.recovery = 1;
	r->next.recovery_step = STEP;
	memset(r->next.holder, 0, sizeof(r->next.holder));
	rig_call_prepare(r, 0);
}

static bool has_halted(const struct rig *r)
{
	return !r->nodes[0].is_open[FTP_CALL_HALT];
}

static bool has_prepared(const struct rig *r)
{
	return !r->nodes[0].is_open[FTP_CALL_PREPARE];
}

static void prepare__halted_while_the_disk_hangs(void **state)
{
	struct rig_settings s = settings;
	static struct rig r;

	(void)state;
	s.disk = make_disk;
	rig_open(&r, &s);
	begin_recovery(&r);
	rig_call(&r, 0,
		&(struct ftp_command){
			.kind = FTP_COMMAND_HALT, .term = r.term + 1, .reason = "n2 is gone"});
	rig_wait(&r, has_halted);
	assert_string_equal(r.nodes[0].refusal[FTP_CALL_HALT], "");
	assert_non_null(strstr(r.nodes[0].refusal[FTP_CALL_PREPARE], "n2 is gone"));
	simulated_disk_mend(disk);
	begin_recovery(&r);
	rig_wait(&r, has_prepared);
	assert_string_equal(r.nodes[0].refusal[FTP_CALL_PREPARE], "");
	rig_abandon(&r);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prepare__halted_while_the_disk_hangs),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
