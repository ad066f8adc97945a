#include "runtime/base/shm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check.h"

#define BYTES 100000 /* more than a page, and no whole number of them */

static char home[] = FTP_SHM_HOME "/test_shm.XXXXXX", dir[] = "/tmp/test_shm.XXXXXX", path[64],
	    old[64], name[128];

static int count(const char *directory)
{
	DIR *d = opendir(directory);
	int n = -2; /* . and .. */

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static bool is_link(const char *at)
{
	struct stat s;

	assert_int_equal(lstat(at, &s), 0);
	return S_ISLNK(s.st_mode);
}

static int make(char byte)
{
	struct ftp_error err;
	int fd = ftp_shm_make(home, path, BYTES, &err);

	if (fd < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pwrite(fd, &byte, 1, BYTES - 1), 1);
	return fd;
}

static void make_and_close(char byte)
{
	close(make(byte));
}

/* A plain file of the content, and nothing else, ends with that byte. */
static void assert_moved(const char *at, char byte)
{
	struct stat s;
	char got;
	int fd;

	assert_false(is_link(at));
	assert_int_equal(stat(at, &s), 0);
	assert_int_equal(s.st_size, BYTES);
	assert_int_equal(s.st_mode & 0777, 0644);
	fd = open(at, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &got, 1, BYTES - 1), 1);
	close(fd);
	assert_int_equal(got, byte);
	assert_int_equal(unlink(at), 0);
}

static void sweep__what_a_killed_process_left(void **state)
{
	int fds[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		make('a');
		if (write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	ftp_shm_sweep(home, dir);
	assert_true(is_link(path)); /* it lives */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fds[0]);
	close(fds[1]);
	ftp_shm_sweep(home, "/elsewhere");
	assert_true(is_link(path));
	ftp_shm_sweep(home, dir);
	assert_moved(path, 'a');
	assert_int_equal(count(home), 0);
	assert_int_equal(count(dir), 0);
}

static void sweep__the_one_before_too(void **state)
{
	(void)state;
	make_and_close('a');
	assert_int_equal(rename(path, old), 0);
	make_and_close('b');
	ftp_shm_sweep(home, dir);
	assert_moved(path, 'b');
	assert_moved(old, 'a');
	assert_int_equal(count(home), 0);
}

static void sweep__without_a_link(void **state)
{
	(void)state;
	make_and_close('a');
	assert_int_equal(unlink(path), 0);
	make_and_close('b'); /* the link is another one's now */
	ftp_shm_sweep(home, dir);
	assert_moved(path, 'b');
	assert_int_equal(count(home), 0);
}

static void sweep__tries_again_what_it_cannot_move(void **state)
{
	char draft[80];

	(void)state;
	make_and_close('a');
	snprintf(draft, sizeof(draft), "%s.new", path);
	assert_int_equal(mkdir(draft, 0700), 0);
	ftp_shm_sweep(home, dir);
	assert_true(is_link(path));
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(rmdir(draft), 0);
	ftp_shm_sweep(home, dir);
	assert_moved(path, 'a');
	assert_int_equal(count(home), 0);
}

/* What others may have put there: a link to a file of ours, a file of theirs, something else. */
static void sweep__touches_nothing_of_others(void **state)
{
	char planted[3][80], file[64];
	int n = 0;

	(void)state;
	make_and_close('a');
	assert_true(readlink(path, name, sizeof(name) - 1) > 0);
	snprintf(file, sizeof(file), "%s/file", home);
	assert_int_equal(rename(name, file), 0); /* by its own name it would be swept */
	for (int i = 0; i < 3; i++)
		snprintf(planted[i], sizeof(planted[i]), "%s/" FTP_SHM_FILE "%d", home, i);
	assert_int_equal(symlink(file, planted[n++]), 0);
	assert_int_equal(mkfifo(planted[n++], 0600), 0);
	if (!geteuid()) {
		int fd = open(planted[n], O_CREAT | O_RDWR | O_CLOEXEC, 0644);

		assert_int_equal(fchown(fd, 65534, 65534), 0);
		close(fd);
		n++;
	}
	ftp_shm_sweep(home, dir);
	assert_int_equal(count(home), 1 + n);
	assert_true(is_link(path));
	for (int i = 0; i < n; i++)
		assert_int_equal(unlink(planted[i]), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(unlink(path), 0);
}

static void sweep__listeners_of_the_dead(void **state)
{
	char at[80], socket[96];
	int fd;

	(void)state;
	snprintf(at, sizeof(at), "%s/" FTP_SHM_LISTENER "a", home);
	snprintf(socket, sizeof(socket), "%s/" FTP_SHM_SOCKET, at);
	assert_int_equal(mkdir(at, 0700), 0);
	assert_int_equal(mknod(socket, S_IFSOCK | 0600, 0), 0);
	fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	ftp_shm_sweep(home, dir);
	assert_int_equal(access(socket, F_OK), 0);
	close(fd);
	ftp_shm_sweep(home, dir);
	assert_int_equal(count(home), 0);
}

static void make__leaves_nothing_where_it_cannot(void **state)
{
	struct ftp_error err;

	(void)state;
	make_and_close('a');
	assert_int_equal(ftp_shm_make(home, path, BYTES, &err), -EEXIST);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(count(home), 1);
	ftp_shm_remove(home, path);
	assert_int_equal(count(home), 0);
	assert_int_equal(count(dir), 0);
	assert_int_equal(ftp_shm_make("/nowhere", path, BYTES, &err), -ENOENT);
	assert_int_equal(ftp_shm_make(home, "/nowhere/link", BYTES, &err), -ENOENT);
	assert_int_equal(ftp_shm_make(home, path, (size_t)1 << 60, &err), -ENOSPC);
	assert_int_equal(count(home), 0);
	assert_int_equal(count(dir), 0);
}

/* Only memory files: a link may point anywhere. */
static void remove__nothing_else(void **state)
{
	char file[64];
	int fd;

	(void)state;
	snprintf(file, sizeof(file), "%s/file", home);
	fd = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	close(fd);
	assert_int_equal(symlink(file, path), 0);
	ftp_shm_remove(home, path);
	assert_int_equal(count(dir), 0);
	assert_int_equal(unlink(file), 0);
}

static int make_directories(void **state)
{
	(void)state;
	if (!mkdtemp(home) || !mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/link", dir);
	snprintf(old, sizeof(old), "%s/link.old", dir);
	return 0;
}

static int remove_directories(void **state)
{
	(void)state;
	return rmdir(home) || rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sweep__what_a_killed_process_left),
		cmocka_unit_test(sweep__the_one_before_too),
		cmocka_unit_test(sweep__without_a_link),
		cmocka_unit_test(sweep__tries_again_what_it_cannot_move),
		cmocka_unit_test(sweep__touches_nothing_of_others),
		cmocka_unit_test(sweep__listeners_of_the_dead),
		cmocka_unit_test(make__leaves_nothing_where_it_cannot),
		cmocka_unit_test(remove__nothing_else),
	};

	return cmocka_run_group_tests(tests, make_directories, remove_directories);
}
