#include "ctl/story.h"

#include <string.h>

#include "ctl/document.h"
#include "tests/base/check.h"

/* What the story of these lines is; free() it. *document, if asked for, is the caller's. */
static char *tell(const char *const *lines, json_t **document)
{
	struct ftp_story *s = ftp_story_new();
	json_t *j, *chapters;
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	for (; *lines; lines++) {
		json_t *event = json_loads(*lines, 0, NULL);

		assert_non_null(event);
		ftp_story_take(s, ftp_document_text(event, "kind"), event);
		json_decref(event);
	}
	j = ftp_story_document(s);
	ftp_story_free(s);
	chapters = json_object_get(j, "chapters");
	for (size_t i = 0; i < json_array_size(chapters); i++)
		ftp_story_print_chapter(f, json_array_get(chapters, i));
	fclose(f);
	if (document)
		*document = j;
	else
		json_decref(j);
	return text;
}

static void expect(const char *const *lines, const char *expected)
{
	char *text = tell(lines, NULL);

	assert_string_equal(text, expected);
	free(text);
}

#define BEGIN                                                                                      \
	"{\"t\": 0.7, \"kind\": \"begin\", \"id\": \"r\", \"nodes\": [\"n1\", \"n2\", \"n3\"]}"
#define PLAN                                                                                       \
	"{\"t\": 1, \"time\": \"2026-01-31T12:00:01.000Z\", \"kind\": \"plan\", \"term\": 2, "     \
	"\"step\": 0, \"stages\": [{\"node\": \"n1\", \"first_unit\": 0, \"end_unit\": 3}, "       \
	"{\"node\": \"n2\", \"first_unit\": 3, \"end_unit\": 5}]}"
#define PLAN_3                                                                                     \
	"{\"t\": 9.2, \"kind\": \"plan\", \"term\": 3, \"step\": 50, \"stages\": [{\"node\": "     \
	"\"n1\", \"first_unit\": 0, \"end_unit\": 5}]}"
#define GONE "{\"t\": 9, \"kind\": \"gone\", \"node\": \"n2\", \"reason\": \"closed\"}"
#define FAILURE                                                                                    \
	"{\"t\": 9, \"time\": \"2026-01-31T12:00:09.000Z\", \"kind\": \"failure\", \"node\": "     \
	"\"n2\", \"why\": \"n2 (pid 7) is gone\", \"step\": 57, \"unheard_s\": 0.012}"
#define AGREED                                                                                     \
	"{\"t\": 9.034, \"kind\": \"agreed\", \"term\": 3, \"step\": 50, \"lost_steps\": 7, "      \
	"\"nodes\": [\"n1\"]}"
#define RECOVERY                                                                                   \
	"{\"t\": 9.3, \"kind\": \"recovery\", \"term\": 3, \"step\": 50, \"from_step\": 57, "      \
	"\"lost_steps\": 7, \"lost\": [\"n2\"], \"sign\": \"n2 (pid 7) is gone\", \"why\": \"n2 "  \
	"(pid 7) was killed by signal 9 (SIGKILL)\", \"moved_bytes\": 1500000, \"unheard_s\": "    \
	"0.012, \"halt_s\": 0.034, \"prepare_s\": 0.1, \"transfer_s\": 0.066, \"commit_s\": "      \
	"0.02, \"first_step_s\": 0.08, \"total_s\": 0.3}"

#define BEGINS "12:00:01.000     1.000 s  training begins, term 2: n1 0-2, n2 3-4\n"

static void take__a_loss_and_its_recovery(void **state)
{
	static const char *const lines[] = {
		BEGIN, PLAN, GONE, FAILURE, AGREED, PLAN_3, RECOVERY, NULL};

	(void)state;
	expect(lines, BEGINS
		"12:00:09.000     9.000 s  n2 (pid 7) was killed by signal 9 (SIGKILL)\n"
		"                          detected          +0 ms  n2, 12 ms after it was last "
		"heard; step 57 was the last one\n"
		"                          agreed           +34 ms  on step 50 with n1, term 3: 7 "
		"steps are done again\n"
		"                          transferred     +200 ms  1.5 MB in 66 ms, after 100 ms "
		"of preparation\n"
		"                          resumed         +300 ms  with n1 0-4; commit 20 ms, "
		"first new step 80 ms\n"
		"                          lost             300 ms, 7 steps\n");
}

/* Of before there were `failure` and `agreed`. */
static void take__a_recovery_alone(void **state)
{
	static const char *const lines[] = {BEGIN, PLAN, RECOVERY, NULL};

	(void)state;
	expect(lines, BEGINS
		"                 9.000 s  n2 (pid 7) was killed by signal 9 (SIGKILL)\n"
		"                          detected          +0 ms  n2 (pid 7) is gone, 12 ms "
		"after it was last heard; step 57 was the last one\n"
		"                          agreed           +34 ms  on step 50, term 3: 7 steps "
		"are done again\n"
		"                          transferred     +200 ms  1.5 MB in 66 ms, after 100 ms "
		"of preparation\n"
		"                          resumed         +300 ms  with another plan; commit 20 "
		"ms, first new step 80 ms\n"
		"                          lost             300 ms, 7 steps\n");
}

static void take__a_second_loss_and_no_end(void **state)
{
	static const char *const lines[] = {BEGIN, PLAN, FAILURE, AGREED,
		"{\"t\": 9.05, \"kind\": \"gone\", \"node\": \"n3\", \"reason\": \"closed\"}",
		"{\"t\": 9.05, \"kind\": \"failure\", \"node\": \"n3\", \"why\": \"n3 is gone\", "
		"\"step\": 57, \"unheard_s\": 0.005}",
		"{\"t\": 9.1, \"kind\": \"failure\", \"node\": null, \"why\": \"the recovery of "
		"term 4 failed\", \"step\": 57, \"unheard_s\": 0}",
		NULL};
	json_t *j, *loss;
	char *text = tell(lines, &j);

	(void)state;
	assert_string_equal(text, BEGINS
		"12:00:09.000     9.000 s  n2 (pid 7) is gone\n"
		"                          detected          +0 ms  n2, 12 ms after it was last "
		"heard; step 57 was the last one\n"
		"                          agreed           +34 ms  on step 50 with n1, term 3: 7 "
		"steps are done again\n"
		"                          also             +50 ms  n3 is gone, 5 ms after it was "
		"last heard; step 57 was the last one\n"
		"                          also            +100 ms  the recovery of term 4 failed; "
		"step 57 was the last one\n"
		"                          not resumed \n");
	loss = json_array_get(json_object_get(j, "chapters"), 1);
	assert_int_equal(json_array_size(json_object_get(loss, "node")), 2);
	assert_true(json_is_false(json_object_get(loss, "resumed")));
	assert_true(json_is_null(json_object_get(j, "outcome")));
	assert_string_equal(ftp_document_text(j, "run"), "r");
	assert_int_equal(json_array_size(json_object_get(j, "nodes")), 3);
	assert_true(ftp_document_number_or_0(j, "last_t") == 9.1);
	json_decref(j);
	free(text);
}

static void take__what_else_happens(void **state)
{
	static const char *const lines[] = {"{\"t\": 0.2, \"kind\": \"join\", \"node\": \"n1\"}",
		BEGIN, PLAN, "{\"t\": 2, \"kind\": \"snapshot\", \"step\": 10}",
		"{\"t\": 2, \"kind\": \"progress\", \"step\": 12}",
		"{\"t\": 2, \"kind\": \"of tomorrow\"}",
		"{\"t\": 3, \"kind\": \"gone\", \"node\": \"n3\", \"reason\": \"closed\"}",
		"{\"t\": 4, \"kind\": \"join\", \"node\": \"n3\", \"pid\": 8}",
		"{\"t\": 5, \"kind\": \"drain\", \"node\": \"n3\"}",
		"{\"t\": 6, \"kind\": \"repartition\", \"term\": 3, \"step\": 9, \"outcome\": "
		"\"abandoned\", \"why\": \"n3 refused\"}",
		"{\"t\": 20, \"kind\": \"gone\", \"node\": \"n1\", \"reason\": \"closed\"}",
		"{\"t\": 20.1, \"kind\": \"gone\", \"node\": \"n2\", \"reason\": \"closed\"}",
		"{\"t\": 20.2, \"kind\": \"end\", \"outcome\": \"stopped\", \"reason\": "
		"\"by\\nme\"}",
		NULL};
	json_t *j;
	char *text = tell(lines, &j);

	(void)state;
	assert_string_equal(text, BEGINS
		"                 3.000 s  n3 has gone: closed\n"
		"                 4.000 s  n3 has joined, pid 8\n"
		"                 5.000 s  n3 is being drained\n"
		"                 6.000 s  repartition to term 3 at step 9 was abandoned: n3 "
		"refused\n"
		"                20.200 s  the run has stopped: by me\n");
	assert_string_equal(ftp_document_text(j, "outcome"), "stopped");
	assert_int_equal(ftp_document_integer(j, "step"), 12);
	json_decref(j);
	free(text);
}

/* A run that failed is taken up again: how it ended then says nothing any more. */
static void take__a_run_is_resumed(void **state)
{
	static const char *const lines[] = {BEGIN,
		"{\"t\": 3, \"kind\": \"end\", \"outcome\": \"failed\", \"reason\": \"no power\"}",
		"{\"t\": 4, \"kind\": \"resume\", \"how\": \"goes back\", \"step\": 57}", NULL};
	json_t *j;
	char *text = tell(lines, &j);

	(void)state;
	assert_non_null(strstr(text, "the coordinator is there again, after step 57: goes back"));
	assert_true(json_is_null(json_object_get(j, "outcome")));
	json_decref(j);
	free(text);
}

/* A file may hold anything. */
static void take__nonsense(void **state)
{
	static const char *const lines[] = {"{\"kind\": \"recovery\"}",
		"{\"kind\": \"end\", \"t\": []}", "{\"kind\": \"agreed\", \"nodes\": [1, null]}",
		"{\"kind\": \"begin\", \"id\": 5}",
		"{\"kind\": \"failure\", \"node\": 7, \"why\": {}}",
		"{\"kind\": \"agreed\", \"nodes\": [1, null]}",
		"{\"kind\": \"plan\", \"stages\": [4]}",
		"{\"kind\": \"recovery\", \"lost\": 3, \"t\": \"nan\", \"total_s\": \"inf\"}",
		"{\"kind\": \"gone\"}", "{\"kind\": \"gone\"}", "{\"kind\": \"end\"}", NULL};

	(void)state;
	free(tell(lines, NULL));
}

static void take__only_the_newest_chapters_are_kept(void **state)
{
	struct ftp_story *s = ftp_story_new();
	json_t *failure = json_loads(FAILURE, 0, NULL), *agreed = json_loads(AGREED, 0, NULL);
	json_t *drain = json_loads("{\"t\": 10, \"kind\": \"drain\", \"node\": \"n3\"}", 0, NULL),
	       *j;

	(void)state;
	ftp_story_take(s, "failure", failure);
	for (int i = 0; i < FTP_STORY_MAX_CHAPTERS + 5; i++)
		ftp_story_take(s, "drain", drain);
	ftp_story_take(s, "agreed", agreed); /* of a loss that is no longer told */
	j = ftp_story_document(s);
	assert_int_equal(json_array_size(json_object_get(j, "chapters")), FTP_STORY_MAX_CHAPTERS);
	assert_int_equal(ftp_document_integer(j, "n_earlier"), 6);
	json_decref(j);
	json_decref(failure);
	json_decref(agreed);
	json_decref(drain);
	ftp_story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take__a_loss_and_its_recovery),
		cmocka_unit_test(take__a_recovery_alone),
		cmocka_unit_test(take__a_second_loss_and_no_end),
		cmocka_unit_test(take__what_else_happens),
		cmocka_unit_test(take__a_run_is_resumed),
		cmocka_unit_test(take__nonsense),
		cmocka_unit_test(take__only_the_newest_chapters_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
