#include "ctl/top_view.h"

#include <string.h>

#include "tests/base/check.h"

static struct ftp_top_view view;
static struct ftp_top_frame frame;

static json_t *status(double compute_s, double wait_s, double poll_s)
{
	json_t *j = json_pack(
		"{s:s, s:s, s:i, s:i, s:i, s:f, s:i, s:f, s:f, s:i, s:{s:i, s:s, s:s}, "
		"s:[{s:s, s:s, s:f}, {s:s, s:s, s:f}, {s:s, s:s}], s:[{s:i, s:s, s:i, s:i, s:i, "
		"s:f, s:f, s:f, s:i}], s:[{s:s, s:s, s:f, s:f, s:I, s:I}]}",
		"run", "r1", "state", "training", "step", 20, "last_step", 200, "epoch", 1, "loss",
		0.5, "term", 3, "predicted_step_seconds", 0.1, "measured_step_seconds", 0.11,
		"n_repartitions", 2, "change", "term", 4, "phase", "preparing", "reason",
		"n3 is drained", "nodes", "name", "n1", "state", "up", "slowness", 2.5, "name",
		"n2", "state", "idle", "slowness", 1.0, "name", "n3", "state", "drained", "stages",
		"stage", 0, "node", "n1", "first_unit", 0, "end_unit", 5, "step", 20,
		"compute_seconds", compute_s, "wait_seconds", wait_s, "poll_seconds", poll_s,
		"memory_bytes", 4600000, "links", "from", "n1", "to", "n2", "rtt_seconds", 52e-6,
		"bytes_per_second", 3.5e6, "tx_bytes", (json_int_t)70000000, "rx_bytes",
		(json_int_t)1000000);

	assert_non_null(j);
	return j;
}

static void expect_line(uint32_t i, const char *text, enum ftp_terminal_colour colour)
{
	assert_true(i < frame.n);
	assert_string_equal(frame.lines[i].text, text);
	assert_int_equal(frame.lines[i].colour, colour);
}

static void draw(json_t *document)
{
	ftp_top_view_frame(&view, document, &frame);
	json_decref(document);
}

static void frame__of_a_run(void **state)
{
	json_t *event = json_pack("{s:f, s:s, s:s}", "t", 12.5, "kind", "drain", "node", "n3");

	(void)state;
	memset(&view, 0, sizeof(view));
	ftp_top_view_event(&view, event);
	json_decref(event);
	draw(status(5, 2.5, 2.5));
	expect_line(0, "run r1  training  step 20/200, epoch 1, loss 0.5000", FTP_TERMINAL_GREEN);
	expect_line(1, "plan 3, 110.0 ms a step, predicted 100.0 (+10 %), 2 repartitions",
		FTP_TERMINAL_PLAIN);
	expect_line(2, "change to plan 4: preparing; n3 is drained", FTP_TERMINAL_YELLOW);
	expect_line(5,
		"    0 n1       0-4          20 [########----....]  50  25  25   2.50      4.6",
		FTP_TERMINAL_RED);
	expect_line(6, "       in no stage: n2 idle, n3 drained", FTP_TERMINAL_PLAIN);
	expect_line(9, "n1           n2                   52        3.5         70.0          1.0",
		FTP_TERMINAL_PLAIN);
	expect_line(11, "     12.5 s  n3 is being drained", FTP_TERMINAL_PLAIN);
	assert_int_equal(frame.n, 12);
}

/* The second frame shows what came after the first; a node that began anew, all it has done. */
static void frame__shares_since_the_last(void **state)
{
	(void)state;
	memset(&view, 0, sizeof(view));
	draw(status(5, 2.5, 2.5));
	draw(status(5, 3.5, 2.5));
	assert_non_null(strstr(frame.lines[5].text, "[----------------]   0 100   0"));
	draw(status(1, 0, 0));
	assert_non_null(strstr(frame.lines[5].text, "[################] 100   0   0"));
}

static void frame__of_little(void **state)
{
	(void)state;
	memset(&view, 0, sizeof(view));
	draw(json_pack("{s:s, s:[s, {s:i}], s:i, s:s}", "state", "waiting", "stages", "x", "node",
		3, "change", 3, "nodes", "none"));
	assert_non_null(strstr(frame.lines[0].text, "waiting"));
	draw(json_object());
	draw(json_null());
}

static void event__keeps_the_newest(void **state)
{
	(void)state;
	memset(&view, 0, sizeof(view));
	for (int i = 0; i < 20; i++) {
		json_t *event = json_pack(
			"{s:i, s:s, s:s}", "t", i, "kind", i % 2 ? "join" : "trace", "node", "n");

		ftp_top_view_event(&view, event);
		json_decref(event);
	}
	assert_int_equal(view.n_events, FTP_TOP_EVENTS);
}

/* Many nodes and long texts stay within the frame. */
static void frame__is_bounded(void **state)
{
	json_t *j = json_object(), *stages = json_array(), *links = json_array();
	char name[600];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	for (int i = 0; i < 500; i++) {
		json_array_append_new(stages, json_pack("{s:i, s:s}", "stage", i, "node", name));
		json_array_append_new(links, json_pack("{s:s, s:s}", "from", name, "to", name));
	}
	json_object_set_new(j, "term", json_integer(1));
	json_object_set_new(j, "run", json_string(name));
	json_object_set(j, "nodes", stages);
	json_object_set_new(j, "stages", stages);
	json_object_set_new(j, "links", links);
	memset(&view, 0, sizeof(view));
	draw(j);
	assert_true(frame.n < FTP_TOP_MAX_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame__of_a_run),
		cmocka_unit_test(frame__shares_since_the_last),
		cmocka_unit_test(frame__of_little),
		cmocka_unit_test(event__keeps_the_newest),
		cmocka_unit_test(frame__is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
