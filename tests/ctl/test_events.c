#include "ctl/events.h"

#include <string.h>
#include <unistd.h>

#include "ctl/document.h"
#include "tests/base/check.h"

struct seen {
	char kinds[256];
	int n;
};

static void note(void *arg, const char *kind, const json_t *event)
{
	struct seen *s = arg;

	assert_true(json_is_object(event));
	strcat(strcat(s->kinds, s->n++ ? " " : ""), kind);
}

static struct ftp_rundir dir;

static void write_events(const char *text, const char *mode)
{
	char path[FTP_PATHS_MAX];
	FILE *f;

	ftp_rundir_file(&dir, FTP_RUNDIR_EVENTS, path);
	f = fopen(path, mode);
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void read__whole_lines_only(void **state)
{
	struct seen s = {.n = 0};
	uint64_t at;

	(void)state;
	write_events("{\"t\": 1, \"kind\": \"begin\"}\nnot json\n[]\n{\"t\": 2}\n{\"kind\": 3}\n"
		     "{\"t\": 3, \"kind\": \"plan\"}\n{\"t\": 4, \"kin",
		"w");
	at = ftp_events_read(&dir, 0, note, &s);
	assert_string_equal(s.kinds, "begin plan");
	assert_true(at < ftp_events_end(&dir));
	write_events("d\": \"end\"}\n", "a");
	at = ftp_events_read(&dir, at, note, &s);
	assert_string_equal(s.kinds, "begin plan end");
	assert_int_equal(at, ftp_events_end(&dir));
	assert_int_equal(ftp_events_read(&dir, at, note, &s), at);
	assert_int_equal(s.n, 3);
	/* From within the first line. */
	s = (struct seen){.n = 0};
	ftp_events_read(&dir, 5, note, &s);
	assert_string_equal(s.kinds, "plan end");
}

static void read__passes_over_long_lines(void **state)
{
	char *text = malloc(FTP_EVENTS_MAX_LINE + 100);
	struct seen s = {.n = 0};

	(void)state;
	strcpy(text, "{\"kind\": \"long\", \"x\": \"");
	memset(text + strlen(text), 'x', FTP_EVENTS_MAX_LINE);
	strcpy(text + FTP_EVENTS_MAX_LINE, "\"}\n{\"kind\": \"end\"}\n");
	write_events(text, "w");
	ftp_events_read(&dir, 0, note, &s);
	assert_string_equal(s.kinds, "end");
	free(text);
}

static void read__no_file(void **state)
{
	struct seen s = {.n = 0};
	char path[FTP_PATHS_MAX];

	(void)state;
	ftp_rundir_file(&dir, FTP_RUNDIR_EVENTS, path);
	unlink(path);
	assert_int_equal(ftp_events_end(&dir), 0);
	assert_int_equal(ftp_events_read(&dir, 0, note, &s), 0);
	assert_int_equal(s.n, 0);
}

static void describe__every_kind(void **state)
{
	static const struct {
		const char *event, *text;
	} rows[] = {
		{"{\"kind\": \"begin\", \"id\": \"r1\", \"model\": \"lenet5\", \"schedule\": "
		 "\"flush\", \"batch\": 64, \"micro_batches\": 4}",
			"run r1 begins: lenet5, flush, batch 64 in 4"},
		{"{\"kind\": \"end\", \"outcome\": \"failed\", \"reason\": \"n2 died\"}",
			"the run has failed: n2 died"},
		{"{\"kind\": \"profile\", \"node\": \"n1\", \"forward_ns\": [1000000, 2000000], "
		 "\"backward_ns\": [4000000], \"update_ns\": []}",
			"n1 is measured: 2 units, forward 3.0 ms, backward 4.0 ms, update 0.0 ms"},
		{"{\"kind\": \"links\", \"node\": \"n1\", \"peer\": [\"n2\"], \"rtt_ns\": [52000], "
		 "\"bytes_per_s\": [900000000]}",
			"links of n1: n2 52 us 900 MB/s"},
		{"{\"kind\": \"plan\", \"term\": 2, \"step\": 120, \"stages\": [{\"node\": \"n1\", "
		 "\"first_unit\": 0, \"end_unit\": 3}, {\"node\": \"n2\", \"first_unit\": 3, "
		 "\"end_unit\": 5}]}",
			"plan 2 in force from step 121 on: n1 0-2, n2 3-4"},
		{"{\"kind\": \"repartition\", \"term\": 3, \"step\": 120, \"reason\": \"drain of "
		 "n3\", \"outcome\": \"committed\", \"moved_bytes\": 4100000, \"pause_s\": 0.031, "
		 "\"hold_s\": 0.2, \"transfer_s\": 0.012, \"commit_s\": 0.004}",
			"repartition to term 3 at step 120 (drain of n3): moved 4.1 MB, pause 31 "
			"ms (hold 200, transfer 12, commit 4)"},
		{"{\"kind\": \"repartition\", \"term\": 3, \"step\": 0, \"outcome\": "
		 "\"abandoned\", \"why\": \"n2 refused\"}",
			"repartition to term 3 at step 0 was abandoned: n2 refused"},
		{"{\"kind\": \"failure\", \"node\": \"n2\", \"why\": \"n2 is gone\", \"step\": 57}",
			"n2 is gone; training halts: step 57 was the last one"},
		{"{\"kind\": \"agreed\", \"term\": 3, \"step\": 50, \"lost_steps\": 7}",
			"training is to go on after step 50, term 3: 7 steps are done again"},
		{"{\"kind\": \"recovery\", \"why\": \"n2 was killed\", \"step\": 50, "
		 "\"lost_steps\": 7, \"moved_bytes\": 1500000, \"total_s\": 0.3, \"halt_s\": 0.01, "
		 "\"prepare_s\": 0.2, \"transfer_s\": 0.04, \"commit_s\": 0.02, "
		 "\"first_step_s\": 0.03}",
			"recovered: n2 was killed; training goes on after step 50, 7 steps are "
			"done again; moved 1.5 MB; 300 ms to the first new step (halt 10, prepare "
			"200, transfer 40, commit 20, step 30)"},
		{"{\"kind\": \"evaluation\", \"step\": 400, \"accuracy\": 0.9, \"loss\": \"inf\"}",
			"step 400: test accuracy 0.9000, test loss inf"},
		{"{\"kind\": \"slowness\", \"node\": \"n3\", \"value\": 5.02, \"before\": 1}",
			"n3 takes 5.02 times as long as measured (before: 1.00)"},
		{"{\"kind\": \"emulate\", \"node\": \"n3\", \"slowdown\": 5, \"delay_ns\": "
		 "2000000, "
		 "\"loss\": 0.01, \"bandwidth_bytes\": 0}",
			"n3 emulates: slowdown 5, delay 2 ms, loss 0.01, bandwidth unlimited"},
		{"{\"kind\": \"fail\", \"node\": \"n3\", \"how\": \"kill\"}",
			"drill: n3 fails (kill)"},
		{"{\"kind\": \"drain\", \"node\": \"n3\"}", "n3 is being drained"},
		{"{\"kind\": \"join\", \"node\": \"n3\", \"pid\": 12}", "n3 has joined, pid 12"},
		{"{\"kind\": \"checkpoint\", \"step\": 50, \"seconds\": 0.0441}",
			"the snapshot after step 50 is on disk, after 44 ms"},
		{"{\"kind\": \"checkpoint_failed\", \"step\": 50, \"why\": \"n2: no space\"}",
			"the snapshot after step 50 is not on disk: n2: no space"},
		{"{\"kind\": \"snapshot_given_up\", \"step\": 50, \"why\": \"not all "
		 "units of n2 were told within 16 s\"}",
			"the snapshot after step 50 is not waited for any longer: not all units of "
			"n2 were told within 16 s"},
		{"{\"kind\": \"snapshots_too_often\", \"why\": \"a loss may take back 3 steps\"}",
			"a loss may take back 3 steps"},
		{"{\"kind\": \"gone\", \"node\": \"n\\u001b3\", \"reason\": \"a\\nb\"}",
			"n 3 has gone: a b"},
		{"{\"kind\": \"progress\"}", ""},
		{"{\"kind\": \"trace\"}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *event = json_loads(rows[i].event, 0, NULL);
		char text[256], small[8];

		assert_non_null(event);
		ftp_events_describe(event, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
		ftp_events_describe(event, small, sizeof(small));
		assert_memory_equal(small, text, strnlen(small, 7));
		json_decref(event);
	}
}

static int open_dir(void **state)
{
	(void)state;
	strcpy(dir.path, "/tmp/test_events.XXXXXX");
	return !mkdtemp(dir.path);
}

static int close_dir(void **state)
{
	char path[FTP_PATHS_MAX];

	(void)state;
	ftp_rundir_file(&dir, FTP_RUNDIR_EVENTS, path);
	unlink(path);
	return rmdir(dir.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__whole_lines_only),
		cmocka_unit_test(read__passes_over_long_lines),
		cmocka_unit_test(read__no_file),
		cmocka_unit_test(describe__every_kind),
	};

	return cmocka_run_group_tests(tests, open_dir, close_dir);
}
