#include "ctl/paths.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/base/check.h"

static char directory[] = "/tmp/ftpipe-paths-XXXXXX";

static void default_data_dir__by_user(void **state)
{
	char path[FTP_PATHS_MAX];
	struct ftp_error err;

	(void)state;
	setenv("XDG_STATE_HOME", "/state", 1);
	setenv("HOME", "/home/u", 1);
	assert_int_equal(ftp_paths_default_data_dir(path, sizeof(path), &err), 0);
	assert_string_equal(path, geteuid() ? "/state/ftpipe" : "/var/lib/ftpipe");
	if (!geteuid())
		return;
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_int_equal(ftp_paths_default_data_dir(path, sizeof(path), &err), 0);
	assert_string_equal(path, "/home/u/.local/state/ftpipe");
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	assert_int_equal(ftp_paths_default_data_dir(path, sizeof(path), &err), -ENOENT);
	assert_non_null(strstr(err.text, "cluster.data_dir"));
}

static void absolute__from_the_working_directory(void **state)
{
	char path[FTP_PATHS_MAX], expected[128], small[8];
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_paths_absolute("/a/b", path, sizeof(path), &err), 0);
	assert_string_equal(path, "/a/b");
	assert_int_equal(ftp_paths_absolute("a/b", path, sizeof(path), &err), 0);
	snprintf(expected, sizeof(expected), "%s/a/b", directory);
	assert_string_equal(path, expected);
	assert_int_equal(ftp_paths_absolute("/a/b/c/d", small, sizeof(small), &err), -ENAMETOOLONG);
}

static void below__data_dir(void **state)
{
	char path[FTP_PATHS_MAX];

	(void)state;
	ftp_paths_runs("/d", path, sizeof(path));
	assert_string_equal(path, "/d/runs");
	ftp_paths_run("/d", "7", path, sizeof(path));
	assert_string_equal(path, "/d/runs/7");
	ftp_paths_latest("/d", path, sizeof(path));
	assert_string_equal(path, "/d/runs/latest");
	ftp_paths_lock("/d", path, sizeof(path));
	assert_string_equal(path, "/d/supervisor.lock");
}

static void make__parents_too(void **state)
{
	struct ftp_error err;
	struct stat s;

	(void)state;
	assert_int_equal(ftp_paths_make("a/b/c", &err), 0);
	assert_int_equal(stat("a/b/c", &s), 0);
	assert_int_equal(s.st_mode & 0777, 0700);
	assert_int_equal(ftp_paths_make("a/b/c", &err), 0);
	assert_int_equal(ftp_paths_make("a//b/", &err), 0);
	fclose(fopen("a/file", "w"));
	assert_int_equal(ftp_paths_make("a/file/x", &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "cannot make directory a/file"));
	assert_int_equal(ftp_paths_make("a/file", &err), -ENOTDIR);
	unlink("a/file");
	rmdir("a/b/c");
	rmdir("a/b");
	rmdir("a");
}

static int enter_directory(void **state)
{
	(void)state;
	return !mkdtemp(directory) || chdir(directory);
}

static int leave_directory(void **state)
{
	(void)state;
	return chdir("/") || rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absolute__from_the_working_directory),
		cmocka_unit_test(below__data_dir),
		cmocka_unit_test(make__parents_too),
		cmocka_unit_test(default_data_dir__by_user),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
