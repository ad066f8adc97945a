#include "runtime/base/metrics.h"

#include <pthread.h>
#include <string.h>

#include "tests/base/check.h"

static const struct ftp_metric_family families[] = {
	{"ftp_a_total", FTP_METRIC_COUNTER, "First."},
	{"ftp_b_bytes", FTP_METRIC_GAUGE, "Second."},
	{"ftp_c_ratio", FTP_METRIC_GAUGE, "Never used."},
};

static void assert_page(struct ftp_metrics *m, const char *expected)
{
	size_t bytes;
	char *page = ftp_metrics_render(m, &bytes);

	assert_string_equal(page, expected);
	assert_int_equal(bytes, strlen(expected));
	free(page);
}

static void render__families_in_order_series_together(void **state)
{
	struct ftp_metrics *m = ftp_metrics_new(families, 3);
	struct ftp_metric *b0, *a, *b1;

	(void)state;
	assert_page(m, "");
	b0 = ftp_metrics_series(m, 1, "peer=\"0\"");
	a = ftp_metrics_series(m, 0, "");
	b1 = ftp_metrics_series(m, 1, "peer=\"1\",dir=\"tx\"");
	assert_ptr_equal(ftp_metrics_series(m, 1, "peer=\"0\""), b0);
	ftp_metric_set(b0, 1.5);
	ftp_metric_add(a, 2);
	ftp_metric_add(a, 3);
	ftp_metric_set(b1, 1e15);
	assert_true(ftp_metric_get(a) == 5.0);
	assert_page(m, "# HELP ftp_a_total First.\n"
		       "# TYPE ftp_a_total counter\n"
		       "ftp_a_total 5\n"
		       "# HELP ftp_b_bytes Second.\n"
		       "# TYPE ftp_b_bytes gauge\n"
		       "ftp_b_bytes{peer=\"0\"} 1.5\n"
		       "ftp_b_bytes{peer=\"1\",dir=\"tx\"} 1000000000000000\n");
	ftp_metrics_free(m);
}

static void relabel__the_same_series_under_another_label(void **state)
{
	struct ftp_metrics *m = ftp_metrics_new(families, 3);
	struct ftp_metric *a = ftp_metrics_series(m, 0, "stage=\"0\"");

	(void)state;
	ftp_metric_set(a, 3);
	assert_ptr_equal(ftp_metrics_series(m, 0, "stage=\"0\""), a);
	assert_ptr_not_equal(ftp_metrics_series(m, 1, "stage=\"0\""), a);
	ftp_metrics_relabel(m, a, "stage=\"1\"");
	ftp_metrics_relabel(m, a, "stage=\"2\"");
	assert_ptr_equal(ftp_metrics_series(m, 0, "stage=\"2\""), a);
	assert_page(m, "# HELP ftp_a_total First.\n"
		       "# TYPE ftp_a_total counter\n"
		       "ftp_a_total{stage=\"2\"} 3\n"
		       "# HELP ftp_b_bytes Second.\n"
		       "# TYPE ftp_b_bytes gauge\n"
		       "ftp_b_bytes{stage=\"0\"} 0\n");
	ftp_metrics_free(m);
}

static void histogram__counts_up_to_each_bound(void **state)
{
	static const double bounds[FTP_HISTOGRAM_BOUNDS] = {.01, .02, .05, .1, .2, .5, 1, 2, 5, 10};
	static const struct ftp_metric_family family = {
		"ftp_d_seconds", FTP_METRIC_HISTOGRAM, "Fourth."};
	struct ftp_metrics *m = ftp_metrics_new(&family, 1);
	struct ftp_histogram h;

	(void)state;
	ftp_metrics_histogram(&h, m, 0, "part=\"a\"", bounds);
	ftp_histogram_add(&h, 0.25);
	ftp_histogram_add(&h, 2);
	ftp_histogram_add(&h, 100);
	assert_page(m, "# HELP ftp_d_seconds Fourth.\n"
		       "# TYPE ftp_d_seconds histogram\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"0.01\"} 0\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"0.02\"} 0\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"0.05\"} 0\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"0.1\"} 0\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"0.2\"} 0\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"0.5\"} 1\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"1\"} 1\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"2\"} 2\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"5\"} 2\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"10\"} 2\n"
		       "ftp_d_seconds_bucket{part=\"a\",le=\"+Inf\"} 3\n"
		       "ftp_d_seconds_sum{part=\"a\"} 102.25\n"
		       "ftp_d_seconds_count{part=\"a\"} 3\n");
	ftp_metrics_free(m);
}

static void refresh(void *arg)
{
	ftp_metric_add(arg, 1);
}

static void on_scrape__runs_before_each_page(void **state)
{
	struct ftp_metrics *m = ftp_metrics_new(families, 3);
	struct ftp_metric *a = ftp_metrics_series(m, 0, "");

	(void)state;
	ftp_metrics_on_scrape(m, refresh, a);
	for (int i = 1; i < 3; i++) {
		char expected[128];

		snprintf(expected, sizeof(expected),
			"# HELP ftp_a_total First.\n# TYPE ftp_a_total counter\nftp_a_total %d\n",
			i);
		assert_page(m, expected);
	}
	ftp_metrics_free(m);
}

static void *render_often(void *arg)
{
	for (int i = 0; i < 200; i++) {
		size_t bytes;

		free(ftp_metrics_render(arg, &bytes));
	}
	return NULL;
}

static void series__while_another_thread_renders(void **state)
{
	struct ftp_metrics *m = ftp_metrics_new(families, 3);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, render_often, m), 0);
	for (int i = 0; i < 200; i++) {
		char label[32];

		snprintf(label, sizeof(label), "i=\"%d\"", i);
		ftp_metric_set(ftp_metrics_series(m, i % 3, label), i);
	}
	pthread_join(thread, NULL);
	ftp_metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(render__families_in_order_series_together),
		cmocka_unit_test(relabel__the_same_series_under_another_label),
		cmocka_unit_test(histogram__counts_up_to_each_bound),
		cmocka_unit_test(on_scrape__runs_before_each_page),
		cmocka_unit_test(series__while_another_thread_renders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
