/* The whole page from run directories: a full one, old and broken ones. */
#include "ctl/report.h"

#include <string.h>
#include <unistd.h>

#include "ctl/html.h"
#include "tests/base/check.h"

static struct ftp_rundir dir;

static void put(const char *name, const char *text)
{
	char path[FTP_PATHS_MAX];
	FILE *f;

	ftp_rundir_file(&dir, name, path);
	unlink(path);
	if (!text)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The page; free() it. */
static char *page(const char *events, const char *loss, const char *summary)
{
	struct ftp_report_data *d;
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	put(FTP_RUNDIR_EVENTS, events);
	put(FTP_RUNDIR_LOSS, loss);
	put(FTP_RUNDIR_SUMMARY, summary);
	d = ftp_report_data_read(&dir);
	ftp_report_write(f, d);
	ftp_report_data_free(d);
	fclose(f);
	assert_memory_equal(text, "<!DOCTYPE html>", 15);
	assert_string_equal(text + bytes - strlen("</body></html>\n"), "</body></html>\n");
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "http"));
	assert_null(strstr(text, "\"nan"));
	return text;
}

static void expect(const char *text, const char *const *parts)
{
	for (; *parts; parts++)
		if (!strstr(text, *parts))
			fail_msg("'%s' is not in the page: %s", *parts, text);
}

static const char begin[] = "{\"t\": 0, \"kind\": \"begin\", \"id\": \"r\", \"model\": \"lenet5\", "
			    "\"schedule\": \"flush\", \"batch\": 64, \"micro_batches\": 4}\n";

static const char plan[] =
	"{\"t\": 1, \"kind\": \"plan\", \"term\": 1, \"step\": 0, \"reason\": \"<first>\", "
	"\"plan\": {\"step_seconds\": 0.1, \"stages\": [{\"memory_bytes\": 2000000, "
	"\"limit_bytes\": 8000000}]}, \"stages\": [{\"node\": \"n1\", \"first_unit\": 0, "
	"\"end_unit\": 5, \"memory_bytes\": 2100000}]}\n";

static void write__full_run(void **state)
{
	static const char *const parts[] = {"<h1>Run test_report",
		"lenet5, 1F1B with flush, batch 64", "<span>completed</span>",
		"<b>20</b><span>steps</span>", "<h2>Loss</h2>",
		"aria-label=\"Training loss over steps\"", "<h2>Throughput</h2>",
		"drain of n2 &amp; &lt;b&gt;", "<h2>Slowness</h2>", "n2: measured / profiled",
		"<p>Term 1</p>", "n1: forward, step 3, micro-batch 0, 2.00 ms",
		"n1: backward, step 3, micro-batch 0, 3.00 ms", "<td>&lt;first&gt;</td>",
		/* predicted, measured (median of 0.11, 0.11, 0.2), ratio */
		"<td class=\"n\">100.0</td><td class=\"n\">110.0</td><td class=\"n\">1.10</td>",
		/* memory */
		"<td class=\"n\">2.0</td><td class=\"n\">2.1</td><td class=\"n\">1.050</td>",
		/* moved, prepare, hold, transfer, commit, pause, bytes / bandwidth */
		"<td class=\"n\">4.00</td><td class=\"n\">400.0</td><td class=\"n\">200.0</td><td "
		"class=\"n\">12.0</td><td class=\"n\">4.0</td><td class=\"n\">31.0</td><td "
		"class=\"n\">4.0</td>",
		"<h2>Evaluation</h2>", "<td class=\"n\">0.8100</td>", "the run has completed",
		NULL};
	char events[8192], *text;
	size_t n;

	(void)state;
	n = (size_t)snprintf(events, sizeof(events), "%s%s", begin, plan);
	for (int i = 0; i < 4; i++)
		n += (size_t)snprintf(events + n, sizeof(events) - n,
			"{\"t\": %g, \"kind\": \"progress\", \"step\": %d, \"samples_per_second\": "
			"600, \"predicted_step_s\": 0.1, \"nodes\": [{\"name\": \"n1\", "
			"\"slowness\": 1.0}, {\"name\": \"n2\", \"slowness\": %d}]}\n",
			i == 3 ? 6.2 : 2 + 1.1 * i, i * 10, i < 2 ? 1 : 5);
	snprintf(events + n, sizeof(events) - n, "%s",
		"{\"t\": 3, \"kind\": \"trace\", \"node\": \"n1\", \"stage\": 0, \"term\": 1, "
		"\"offset_ns\": -1000, \"spans\": [[1, 3, 0, 5000000, 7000000], [2, 3, 0, 7000000, "
		"10000000], [99, 3, 0, 1, 2], [1, 3], \"x\", [1, 3, 0, 9, 8], [1, 3, 0, 0, "
		"9000000000000000000]]}\n"
		"{\"t\": 4, \"kind\": \"repartition\", \"term\": 2, \"step\": 15, \"reason\": "
		"\"drain of n2 & <b>\", \"outcome\": \"committed\", \"moved_bytes\": 4000000, "
		"\"prepare_s\": 0.4, \"hold_s\": 0.2, \"transfer_s\": 0.012, \"commit_s\": 0.004, "
		"\"pause_s\": 0.031, \"link_bytes_per_s\": 1000000000}\n"
		"{\"t\": 5, \"kind\": \"evaluation\", \"step\": 20, \"accuracy\": 0.81, \"loss\": "
		"0.5}\n"
		"{\"t\": 6, \"kind\": \"end\", \"outcome\": \"completed\", \"reason\": \"\"}\n");
	text = page(events, "step,loss\n1,2.3\n2,2.1\n3,inf\n",
		"{\"state\": \"completed\", \"model\": \"lenet5\", \"steps\": 20, \"final_loss\": "
		"0.3}");
	expect(text, parts);
	free(text);
}

/* An old run has no events, a killed one no summary, a new one nothing. */
static void write__what_is_there(void **state)
{
	static const char *const old[] = {
		"<span class=\"bad\">failed</span>: n2 &lt;died&gt;", "<h2>Loss</h2>", NULL};
	static const char *const killed[] = {
		"has not ended, or was killed", "<h2>Plans</h2>", NULL};
	static const char *const nothing[] = {"has not ended, or was killed", NULL};
	char *text, events[2048];

	(void)state;
	text = page(
		NULL, "step,loss\n1,2.5\n", "{\"state\": \"failed\", \"reason\": \"n2 <died>\"}");
	expect(text, old);
	assert_null(strstr(text, "<h2>Plans</h2>"));
	free(text);
	snprintf(events, sizeof(events), "%s%s{\"t\": 4, \"kind\": \"pro", begin, plan);
	text = page(events, "step,loss\n1,", "{\"state\": ");
	expect(text, killed);
	free(text);
	text = page(NULL, NULL, NULL);
	expect(text, nothing);
	free(text);
}

static void write__malformed(void **state)
{
	static const char *const events =
		"{\"t\": -1, \"kind\": \"plan\"}\n{\"t\": \"x\", \"kind\": \"plan\"}\n"
		"{\"t\": 1e300, \"kind\": \"begin\"}\n{\"kind\": \"plan\", \"stages\": 7}\n"
		"{\"t\": 1, \"kind\": \"plan\", \"term\": \"a\", \"stages\": [1, {\"node\": 2}]}\n"
		"{\"t\": 1, \"kind\": \"progress\", \"samples_per_second\": \"nan\", \"nodes\": "
		"{}}\n"
		"{\"t\": 1, \"kind\": \"progress\", \"samples_per_second\": 1e308, \"step\": "
		"-5}\n"
		"{\"t\": 1, \"kind\": \"trace\", \"spans\": {}, \"offset_ns\": 1e308}\n"
		"{\"t\": 1, \"kind\": \"repartition\"}\n\n\n[[[\n";
	char *text;

	(void)state;
	text = page(events, "step,loss\n,\nx,y\n1;2\n99999999999999999999,1\n-1,2\n", "[]");
	free(text);
}

/* A run that was recorded, with what it says cut short. */
static void write__recorded_run(void **state)
{
	static const char *const parts[] = {"mobilenetv2, 1F1B with flush, batch 64 in 4",
		"stopped by the operator", "<h2>Slowness</h2>", "<p>Term 4</p>",
		"<td>n1 0-10, n2 11-16, n3 17-19</td>", "<h2>Repartitions</h2>",
		"n2 emulates: slowdown 5", NULL};
	const struct ftp_rundir recorded = {.path = FTP_SOURCE_DIR "/tests/ctl/run", .id = "run"};
	struct ftp_report_data *d = ftp_report_data_read(&recorded);
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	(void)state;
	ftp_report_write(f, d);
	fclose(f);
	expect(text, parts);
	assert_int_equal(d->n_terms, 4);
	assert_true(ftp_report_data_step_s(d, 4) > 0.1 && ftp_report_data_step_s(d, 4) < 0.3);
	assert_int_equal(d->loss.n, 40);
	ftp_report_data_free(d);
	free(text);
}

static void html__escapes(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	(void)state;
	ftp_html_text(f, "<a href=\"x\">\033[1m& \xc3\xa9\n");
	fclose(f);
	assert_string_equal(text, "&lt;a href=&quot;x&quot;&gt; [1m&amp; \xc3\xa9 ");
	free(text);
}

static int open_dir(void **state)
{
	(void)state;
	strcpy(dir.path, "/tmp/test_report.XXXXXX");
	if (!mkdtemp(dir.path))
		return -1;
	strcpy(dir.id, strrchr(dir.path, '/') + 1);
	return 0;
}

static int close_dir(void **state)
{
	(void)state;
	put(FTP_RUNDIR_EVENTS, NULL);
	put(FTP_RUNDIR_LOSS, NULL);
	put(FTP_RUNDIR_SUMMARY, NULL);
	return rmdir(dir.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write__full_run),
		cmocka_unit_test(write__what_is_there),
		cmocka_unit_test(write__malformed),
		cmocka_unit_test(write__recorded_run),
		cmocka_unit_test(html__escapes),
	};

	return cmocka_run_group_tests(tests, open_dir, close_dir);
}
