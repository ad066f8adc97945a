/* What was measured, from events and files; measuring itself is test_ftpctl.c's, with the real node
 * program. */
#include "ctl/measured.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ctl/document.h"
#include "tests/base/check.h"

static struct ftp_rundir dir;

static void put(const char *name, const char *text, char path[FTP_PATHS_MAX])
{
	FILE *f;

	ftp_rundir_file(&dir, name, path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The newest of each node, without what only events have. */
static void of_run__newest_of_each(void **state)
{
	char path[FTP_PATHS_MAX];
	json_t *m;

	(void)state;
	put(FTP_RUNDIR_EVENTS,
		"{\"t\": 1, \"kind\": \"profile\", \"node\": \"n1\", \"forward_ns\": [1]}\n"
		"{\"t\": 1, \"kind\": \"profile\", \"node\": \"n2\", \"forward_ns\": [2]}\n"
		"{\"t\": 2, \"kind\": \"links\", \"node\": \"n1\", \"peer\": [\"n2\"]}\n"
		"{\"t\": 3, \"kind\": \"join\", \"node\": \"n2\"}\n"
		"{\"t\": 4, \"kind\": \"profile\", \"node\": \"n2\", \"forward_ns\": [3]}\n",
		path);
	m = ftp_measured_of_run(&dir);
	assert_non_null(m);
	assert_int_equal(json_array_size(json_object_get(m, "nodes")), 2);
	assert_int_equal(json_array_size(json_object_get(m, "links")), 1);
	assert_int_equal(json_integer_value(json_array_get(
				 json_object_get(ftp_measured_node(m, "n2"), "forward_ns"), 0)),
		3);
	assert_null(json_object_get(ftp_measured_node(m, "n2"), "kind"));
	assert_null(ftp_measured_node(m, "n3"));
	json_decref(m);
	put(FTP_RUNDIR_EVENTS, "{\"t\": 1, \"kind\": \"begin\"}\n", path);
	assert_null(ftp_measured_of_run(&dir));
	unlink(path);
	assert_null(ftp_measured_of_run(&dir));
}

static void of_run__bounded(void **state)
{
	char path[FTP_PATHS_MAX], *events = calloc(1000, 64);
	json_t *m;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		n += (size_t)sprintf(events + n, "{\"kind\": \"profile\", \"node\": \"n%d\"}\n", i);
	put(FTP_RUNDIR_EVENTS, events, path);
	m = ftp_measured_of_run(&dir);
	assert_int_equal(json_array_size(json_object_get(m, "nodes")), FTP_CONFIG_MAX_NODES);
	json_decref(m);
	unlink(path);
	free(events);
}

static void read__what_was_printed(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"{\"nodes\": []}", "expected what ftpctl profile --json prints"},
		{"[1]", "expected what ftpctl profile --json prints"},
		{"{\"nodes\":", "expected what ftpctl profile --json prints: "},
		{"", "expected what ftpctl profile --json prints: "},
	};
	char path[FTP_PATHS_MAX];
	struct ftp_error err;
	json_t *m;

	(void)state;
	put("profile.json", "{\"nodes\": [{\"node\": \"n1\"}]}", path);
	assert_int_equal(ftp_measured_read(&m, path, &err), 0);
	assert_non_null(ftp_measured_node(m, "n1"));
	json_decref(m);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		put("profile.json", rows[i].text, path);
		assert_int_equal(ftp_measured_read(&m, path, &err), -EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: %s", rows[i].text, err.text);
	}
	unlink(path);
	assert_int_equal(ftp_measured_read(&m, path, &err), -ENOENT);
}

static int open_dir(void **state)
{
	(void)state;
	strcpy(dir.path, "/tmp/test_measured.XXXXXX");
	return !mkdtemp(dir.path);
}

static int close_dir(void **state)
{
	(void)state;
	return rmdir(dir.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_run__newest_of_each),
		cmocka_unit_test(of_run__bounded),
		cmocka_unit_test(read__what_was_printed),
	};

	return cmocka_run_group_tests(tests, open_dir, close_dir);
}
