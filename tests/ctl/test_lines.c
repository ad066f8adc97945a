#include "ctl/lines.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/ctl/small_disk.h"

static char dir[32], path[64], filler[64];
static struct ftp_error err;

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_lines.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/lines", dir);
	snprintf(filler, sizeof(filler), "%s/filler", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void add(struct ftp_lines *l, const char *text)
{
	ftp_lines_add(l, text, strlen(text));
}

static void expect(const char *expected)
{
	char text[256] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) < sizeof(text));
	fclose(f);
	assert_string_equal(text, expected);
}

static void lines_write__and_goes_on(void **state)
{
	struct ftp_lines l;

	(void)state;
	assert_int_equal(ftp_lines_create(&l, path, &err), 0);
	add(&l, "one\n");
	add(&l, "two\n");
	expect("");
	assert_int_equal(ftp_lines_sync(&l, &err), 0);
	expect("one\ntwo\n");
	add(&l, "three\n");
	ftp_lines_close(&l);
	expect("one\ntwo\nthree\n");
	assert_int_equal(ftp_lines_create(&l, path, &err), -EEXIST);
	assert_int_equal(ftp_lines_open(&l, path, 4, &err), 0);
	add(&l, "2\n");
	ftp_lines_close(&l);
	expect("one\n2\n");
	ftp_lines_close(&l); /* nothing */
}

/* /dev/full: nothing is lost, as often as it is tried. */
static void lines_write__full(void **state)
{
	struct ftp_lines l;
	int fd;

	(void)state;
	assert_int_equal(ftp_lines_create(&l, path, &err), 0);
	fd = l.fd;
	l.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	add(&l, "one\n");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ftp_lines_write(&l, &err), 1);
		assert_non_null(strstr(err.text, path));
		assert_non_null(strstr(err.text, "No space left on device"));
		assert_int_equal(ftp_lines_sync(&l, &err), 1);
		add(&l, "two\n");
	}
	close(l.fd);
	l.fd = fd;
	assert_int_equal(ftp_lines_write(&l, &err), 0);
	ftp_lines_close(&l);
	expect("one\ntwo\ntwo\ntwo\n");
}

static void lines_write__closed_by_somebody(void **state)
{
	struct ftp_lines l;
	int fd;

	(void)state;
	assert_int_equal(ftp_lines_create(&l, path, &err), 0);
	fd = l.fd;
	l.fd = -1;
	add(&l, "one\n");
	assert_int_equal(ftp_lines_write(&l, &err), -EBADF);
	l.fd = fd;
	ftp_lines_close(&l);
}

/* A line that the disk has room for a part of; then somebody makes room. */
static void lines_write__partly(void **state)
{
	struct ftp_lines l;
	char line[100], found[101];
	int n = 0, n_written = 0;
	FILE *f;

	(void)state;
	small_disk_mount(dir, 64);
	assert_int_equal(ftp_lines_create(&l, path, &err), 0);
	add(&l, "header\n");
	assert_int_equal(ftp_lines_write(&l, &err), 0);
	small_disk_fill(filler);
	while (!ftp_lines_write(&l, &err)) {
		n_written = n++;
		snprintf(line, sizeof(line), "%098d\n", n);
		add(&l, line);
	}
	assert_true(l.n_waiting > 0 && l.n_waiting < 99);
	assert_int_equal(ftp_lines_cut(&l, (uint64_t)n + 2, &err), -EIO);
	for (int i = 0; i < 10; i++) {
		snprintf(line, sizeof(line), "%098d\n", ++n);
		add(&l, line);
	}
	/* Two of those that wait go. */
	n -= 2;
	assert_int_equal(ftp_lines_cut(&l, (uint64_t)n + 1, &err), 0);
	assert_int_equal(ftp_lines_write(&l, &err), 1);
	unlink(filler);
	assert_int_equal(ftp_lines_sync(&l, &err), 0);
	f = fopen(path, "r");
	assert_non_null(fgets(found, sizeof(found), f));
	for (int i = 1; i <= n; i++) {
		snprintf(line, sizeof(line), "%098d\n", i);
		assert_non_null(fgets(found, sizeof(found), f));
		assert_string_equal(found, line);
	}
	assert_null(fgets(found, sizeof(found), f));
	fclose(f);
	/* Once more, and all of that which waits goes, with the part that was written. */
	small_disk_fill(filler);
	while (!ftp_lines_write(&l, &err))
		add(&l, line);
	assert_int_equal(ftp_lines_cut(&l, (uint64_t)n_written + 1, &err), 0);
	assert_int_equal(l.n_waiting, 0);
	assert_int_equal(lseek(l.fd, 0, SEEK_END), 7 + 99 * n_written);
	ftp_lines_close(&l);
	small_disk_unmount(dir);
}

static void lines_cut__whole_lines(void **state)
{
	struct ftp_lines l;

	(void)state;
	assert_int_equal(ftp_lines_create(&l, path, &err), 0);
	add(&l, "a\nb\nc\n");
	assert_int_equal(ftp_lines_write(&l, &err), 0);
	assert_int_equal(ftp_lines_cut(&l, 3, &err), 0);
	assert_int_equal(ftp_lines_cut(&l, 4, &err), -EIO);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(ftp_lines_cut(&l, 2, &err), 0);
	expect("a\nb\n");
	add(&l, "c\nd\n");
	assert_int_equal(ftp_lines_cut(&l, 3, &err), 0);
	ftp_lines_close(&l);
	expect("a\nb\nc\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_write__and_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_write__full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_write__closed_by_somebody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_write__partly, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_cut__whole_lines, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
