#include "ctl/progress_view.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "tests/base/check.h"

static json_t *status(const char *state, int step, const char *loss)
{
	json_t *j = json_pack("{s:s, s:i, s:i, s:i, s:n, s:f, s:f, s:[{s:s, s:s}, {s:s, s:s}], "
			      "s:[{s:s, s:i, s:i, s:f}, {s:s, s:i, s:i, s:f}]}",
		"state", state, "step", step, "last_step", 200, "epoch", 1, "test_accuracy",
		"samples_per_second", 640.4, "eta_seconds", 75.0, "nodes", "name", "n1", "state",
		"up", "name", "n2", "state", "awaited", "stages", "node", "n1", "first_unit", 0,
		"end_unit", 2, "busy_ratio", 0.9, "node", "n2", "first_unit", 2, "end_unit", 5,
		"busy_ratio", 0.5);

	assert_non_null(j);
	json_object_set_new(j, "loss", loss ? json_string(loss) : json_real(0.5));
	return j;
}

static void update__plain_lines(void **state)
{
	struct ftp_progress_view v;
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);
	const struct {
		const char *state;
		int step, at_ms;
		const char *loss;
	} updates[] = {
		{"waiting", 0, 0, NULL},
		{"waiting", 0, 500, NULL},
		{"training", 0, 600, NULL},
		{"training", 1, 700, NULL},  /* no percent yet, no second either */
		{"training", 4, 1500, NULL}, /* two percent, but within the second */
		{"training", 5, 1700, NULL},
		{"training", 5, 9000, NULL},
		{"training", 9, 9001, "nan"},
	};

	(void)state;
	memset(&v, 0, sizeof(v));
	v.out = f;
	for (size_t i = 0; i < sizeof(updates) / sizeof(*updates); i++) {
		json_t *j = status(updates[i].state, updates[i].step, updates[i].loss);

		ftp_progress_view_update(&v, j, (uint64_t)updates[i].at_ms * FTP_NS_PER_MS);
		json_decref(j);
	}
	fclose(f);
	assert_string_equal(text,
		"waiting for n2; busy n1 90 %, n2 50 %\n"
		"training; busy n1 90 %, n2 50 %\n"
		"step 5/200, epoch 1, loss 0.5000, 640 samples/s, 1:15 left; busy n1 90 %, n2 50 "
		"%\n"
		"step 9/200, epoch 1, loss nan, 640 samples/s, 1:15 left; busy n1 90 %, n2 50 %\n");
	free(text);
}

static void update__redraws_in_place(void **state)
{
	struct ftp_progress_view v;
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);
	json_t *j = status("training", 20, NULL);

	(void)state;
	memset(&v, 0, sizeof(v));
	v.out = f;
	v.live = true;
	ftp_progress_view_update(&v, j, 1);
	fflush(f);
	assert_string_equal(text,
		"\r\033[Kstep 20/200, epoch 1, loss 0.5000, 640 samples/s, 1:15 left\n"
		"\r\033[K  n1       units   0-1   [##################..]  90 % busy\n"
		"\r\033[K  n2       units   2-4   [##########..........]  50 % busy\n"
		"\033[J");
	rewind(f);
	ftp_progress_view_update(&v, j, 2);
	fflush(f);
	assert_memory_equal(text, "\033[3A\r\033[K", 8);
	json_decref(j);
	fclose(f);
	free(text);
}

static void end__how(void **state)
{
	static const struct {
		const char *summary, *expected;
	} cases[] = {
		{"{\"run\": \"r\", \"state\": \"completed\", \"steps\": 5, \"final_loss\": 0.25, "
		 "\"test_accuracy\": 0.9, \"samples_per_second\": 10.0, \"train_seconds\": 3723.0}",
			"run r completed: 5 steps, loss 0.2500, accuracy 0.9000, 10 samples/s, "
			"1:02:03\nDIR\n"},
		{"{\"run\": \"r\", \"state\": \"failed\", \"reason\": \"n2 died\"}",
			"run r failed: n2 died\nDIR\n"},
		{"{}", "run  ended without a word\nDIR\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ftp_progress_view v;
		char *text = NULL;
		size_t bytes;
		FILE *f = open_memstream(&text, &bytes);
		json_t *j = json_loads(cases[i].summary, 0, NULL);

		memset(&v, 0, sizeof(v));
		v.out = f;
		ftp_progress_view_end(&v, j, "DIR");
		fclose(f);
		assert_string_equal(text, cases[i].expected);
		json_decref(j);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(update__plain_lines),
		cmocka_unit_test(update__redraws_in_place),
		cmocka_unit_test(end__how),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
