#include "runtime/base/log.h"

#include <jansson.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/log_writer.h"
#include "runtime/base/prng.h"
#include "tests/base/check.h"

#define PATIENCE_MS 10000

static int saved_stderr, pipes[2];

static void capture(void)
{
	assert_int_equal(pipe(pipes), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(pipes[1], STDERR_FILENO);
	close(pipes[1]);
}

/* What was logged since capture(). */
static size_t captured(char *text, size_t bytes)
{
	size_t n = 0;
	ssize_t got;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	while ((got = read(pipes[0], text + n, bytes - 1 - n)) > 0)
		n += (size_t)got;
	close(pipes[0]);
	text[n] = 0;
	return n;
}

static void log__text_lines(void **state)
{
	char text[4096];

	(void)state;
	ftp_log_init("n1", FTP_LOG_INFO, FTP_LOG_TEXT);
	capture();
	ftp_log_error("no %d", 1);
	ftp_log_debug("not wanted");
	ftp_log_info("a\nforged <3>line\x1b");
	ftp_log_info("yes");
	captured(text, sizeof(text));
	assert_memory_equal(text, "<3>20", 5);
	assert_non_null(strstr(text, "Z n1: no 1\n<6>"));
	assert_non_null(strstr(text, "Z n1: a forged <3>line \n<6>"));
	assert_non_null(strstr(text, "Z n1: yes\n"));
	assert_null(strstr(text, "not wanted"));
}

static void log__json_lines_parse_whatever_they_say(void **state)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0);

	(void)state;
	ftp_log_init("n1", FTP_LOG_DEBUG, FTP_LOG_JSON);
	for (uint64_t turn = 0; turn < 300; turn++) {
		char said[3000], line[8192];
		size_t bytes = ftp_prng_below(key, turn, sizeof(said) - 1), n;
		json_error_t error;
		json_t *j;

		for (size_t i = 0; i < bytes; i++) /* any byte, quotes and controls often */
			said[i] = turn % 2 ? "\"\\\n\t\1aZ"[ftp_prng_below(key, turn << 20 | i, 7)]
					   : (char)(1 + ftp_prng_below(key, turn << 20 | i, 255));
		said[bytes] = 0;
		capture();
		ftp_log(FTP_LOG_WARNING, "%s", said);
		n = captured(line, sizeof(line));
		assert_true(n > 0 && line[n - 1] == '\n' && strchr(line, '\n') == line + n - 1);
		j = json_loads(line, 0, &error);
		if (!j)
			fail_msg("turn %llu: %s: %s", (unsigned long long)turn, error.text, line);
		assert_string_equal(json_string_value(json_object_get(j, "level")), "warning");
		assert_string_equal(json_string_value(json_object_get(j, "who")), "n1");
		assert_non_null(json_string_value(json_object_get(j, "time")));
		assert_non_null(json_string_value(json_object_get(j, "text")));
		json_decref(j);
	}
}

static void log__json_replaces_what_is_no_utf8(void **state)
{
	static const struct {
		const char *said, *kept;
	} cases[] = {
		{"\xff", "\xef\xbf\xbd"},
		{"\xc3", "\xef\xbf\xbd"},				  /* cut short */
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},		  /* overlong */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	};

	(void)state;
	ftp_log_init("n1", FTP_LOG_INFO, FTP_LOG_JSON);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[4096];
		json_t *j;

		capture();
		ftp_log_info("%s", cases[i].said);
		captured(line, sizeof(line));
		j = json_loads(line, 0, NULL);
		assert_non_null(j);
		assert_string_equal(json_string_value(json_object_get(j, "text")), cases[i].kept);
		json_decref(j);
	}
}

static void log__json_keeps_the_text(void **state)
{
	static const char said[] = "a \"quoted\" \\ path\nnext \xc3\xa9";
	char line[4096];
	json_t *j;

	(void)state;
	ftp_log_init("n1", FTP_LOG_INFO, FTP_LOG_JSON);
	capture();
	ftp_log_info("%s", said);
	captured(line, sizeof(line));
	j = json_loads(line, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "text")), said);
	json_decref(j);
}

/* The disk is full for a while: who reads on knows that something is missing. */
static void log__counts_what_was_dropped(void **state)
{
	int kept = dup(STDERR_FILENO), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	char text[4096];

	(void)state;
	ftp_log_init("n1", FTP_LOG_INFO, FTP_LOG_TEXT);
	dup2(full, STDERR_FILENO);
	for (int i = 0; i < 3; i++)
		ftp_log_info("lost");
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(full);
	capture();
	ftp_log_info("one");
	ftp_log_info("two");
	captured(text, sizeof(text));
	assert_memory_equal(text, "<4>20", 5);
	assert_non_null(
		strstr(text, "Z n1: 3 lines were dropped: the log could not be written\n<6>"));
	assert_non_null(strstr(text, "Z n1: one\n<6>"));
	assert_null(strstr(text, "lost"));
	assert_null(strstr(strstr(text, "one"), "dropped"));
}

/* It has room for a part of a line: the next one is a line of its own. */
static void log__ends_a_torn_line(void **state)
{
	struct rlimit before, small = {.rlim_cur = 20};
	int kept = dup(STDERR_FILENO);
	FILE *f = tmpfile();
	char text[512];
	size_t n;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	dup2(fileno(f), STDERR_FILENO);
	setrlimit(RLIMIT_FSIZE, &small);
	ftp_log_info("lost");
	setrlimit(RLIMIT_FSIZE, &before);
	ftp_log_info("whole");
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	assert_memory_equal(text + 20, "\n<4>20", 6);
	assert_non_null(strstr(text, "n1: 1 lines were dropped"));
	assert_non_null(strstr(text, "n1: whole\n"));
}

/* From now on writing blocks until it is read, as a disk that hangs does. */
static void fill_pipe(void)
{
	static const char block[4096];
	int flags = fcntl(STDERR_FILENO, F_GETFL);

	fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
	while (write(STDERR_FILENO, block, sizeof(block)) > 0)
		;
	fcntl(STDERR_FILENO, F_SETFL, flags);
}

static size_t count(const char *text, size_t bytes, const char *what)
{
	const char *end = text + bytes;
	size_t n = 0;

	while ((text = memmem(text, (size_t)(end - text), what, strlen(what)))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Last: the thread stays. */
static void log__waits_for_no_disk_that_hangs(void **state)
{
	enum { N_LINES = 3 * FTP_LOG_LINES };
	static char text[1 << 20];
	char expected[64];
	struct pollfd before = {.events = POLLIN};
	size_t n = 0, n_kept;

	(void)state;
	ftp_log_init("n1", FTP_LOG_INFO, FTP_LOG_TEXT);
	ftp_log_writer_start();
	capture();
	ftp_log_info("before");
	before.fd = pipes[0];
	assert_int_equal(poll(&before, 1, PATIENCE_MS), 1);
	fill_pipe();
	for (int i = 0; i < N_LINES; i++)
		ftp_log_info("line %d.", i);
	/* It answers again. A line may keep its place a moment after it was written. */
	while (!memmem(text, n, "after", 5)) {
		ssize_t got = read(pipes[0], text + n, sizeof(text) - n);

		assert_true(got > 0);
		n += (size_t)got;
		if (count(text, n, "line ") >= FTP_LOG_LINES - 1)
			ftp_log_info("after");
	}
	assert_non_null(strstr(text, "n1: before\n"));
	n_kept = count(text, n, "line ");
	assert_in_range(n_kept, FTP_LOG_LINES - 1, FTP_LOG_LINES);
	snprintf(expected, sizeof(expected), "n1: %zu lines were dropped", N_LINES - n_kept);
	assert_int_equal(count(text, n, expected), 1);
	assert_true(memmem(text, n, expected, strlen(expected)) >
		    memmem(text, n, "line 254.", strlen("line 254.")));
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipes[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log__text_lines),
		cmocka_unit_test(log__json_lines_parse_whatever_they_say),
		cmocka_unit_test(log__json_replaces_what_is_no_utf8),
		cmocka_unit_test(log__json_keeps_the_text),
		cmocka_unit_test(log__counts_what_was_dropped),
		cmocka_unit_test(log__ends_a_torn_line),
		cmocka_unit_test(log__waits_for_no_disk_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
