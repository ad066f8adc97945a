#include "ctl/chart.h"

#include <string.h>

#include "tests/base/check.h"

static struct ftp_series series;
static const struct ftp_chart_line lines[] = {
	{.series = &series, .name = "measured"},
	{.series = &series, .name = "<predicted>", .colour = 7, .dashed = true},
};

/* The picture; free() it. NULL: nothing was drawn. */
static char *draw(const struct ftp_chart *c)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);
	bool drawn = ftp_chart_write(f, c);

	fclose(f);
	assert_int_equal(drawn, bytes > 0);
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	if (!drawn)
		free(text);
	return drawn ? text : NULL;
}

static void write__curves_marks_and_key(void **state)
{
	const struct ftp_chart_mark marks[] = {{.x = 2, .number = 1, .title = "a & b"},
		{.x = 2, .number = 2, .title = "same place"},
		{.x = 99, .number = 3, .title = "outside"}};
	const struct ftp_chart chart = {.title = "t",
		.x_name = "step",
		.y_name = "loss",
		.lines = lines,
		.n_lines = 2,
		.marks = marks,
		.n_marks = 3};
	char *text;

	(void)state;
	series = (struct ftp_series){.n = 0};
	for (int i = 0; i < 5; i++)
		ftp_series_add(&series, i, 10 - i);
	text = draw(&chart);
	assert_non_null(text);
	assert_non_null(strstr(text, "<polyline class=\"curve c0\" points=\"64.0,"));
	assert_non_null(strstr(text, "<polyline class=\"curve c1 dashed\""));
	assert_non_null(strstr(text, "&lt;predicted&gt;"));
	assert_non_null(strstr(text, "<title>a &amp; b</title>"));
	assert_non_null(strstr(text, "same place"));
	assert_null(strstr(text, "outside"));
	free(text);
}

static void write__one_point_or_none(void **state)
{
	const struct ftp_chart chart = {
		.title = "t", .x_name = "x", .y_name = "y", .lines = lines, .n_lines = 1};
	char *text;

	(void)state;
	series = (struct ftp_series){.n = 0};
	assert_null(draw(&chart));
	ftp_series_add(&series, 0, 0);
	text = draw(&chart);
	assert_non_null(text);
	free(text);
	series = (struct ftp_series){.n = 0};
	ftp_series_add(&series, 7, 1e300);
	text = draw(&chart);
	assert_non_null(text);
	free(text);
}

static void tick__round_numbers(void **state)
{
	(void)state;
	assert_true(ftp_chart_tick(0, 10, 5) == 2);
	assert_true(ftp_chart_tick(0, 100, 10) == 10);
	assert_true(ftp_chart_tick(0, 0.35, 7) == 0.05);
	assert_true(ftp_chart_tick(1, 1, 5) == 1);
	assert_true(ftp_chart_tick(0, 31, 10) == 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write__curves_marks_and_key),
		cmocka_unit_test(write__one_point_or_none),
		cmocka_unit_test(tick__round_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
