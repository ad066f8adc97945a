/* A disk that is soon full, for tests: a tmpfs that only this process and its children see, and
 * that goes with them. */
#ifndef FTP_TESTS_CTL_SMALL_DISK_H
#define FTP_TESTS_CTL_SMALL_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/base/check.h"

/* Over the directory. Skips the test where that is not allowed, and says so. */
static inline void small_disk_mount(const char *dir, unsigned kib)
{
	static int has_own; /* name space */
	char size[32];

	snprintf(size, sizeof(size), "size=%uk", kib);
	has_own = has_own ||
		  (!unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (has_own && !mount("none", dir, "tmpfs", 0, size))
		return;
	print_message("SKIPPED: no small disk can be mounted: %s\n", strerror(errno));
	skip();
}

static inline void small_disk_unmount(const char *dir)
{
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

/* To the last byte, by a file of that name; removing it makes room. */
static inline void small_disk_fill(const char *path)
{
	static const char block[4096] = "full";
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

#endif
