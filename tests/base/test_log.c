#include "runtime/base/log.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log__text_lines),
		cmocka_unit_test(log__json_lines_parse_whatever_they_say),
		cmocka_unit_test(log__json_replaces_what_is_no_utf8),
		cmocka_unit_test(log__json_keeps_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
