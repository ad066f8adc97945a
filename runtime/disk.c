#include "runtime/disk.h"

#include <errno.h>

#include "runtime/base/log.h"
#include "runtime/thread_disk.h"
#include "runtime/uring_disk.h"

int ftp_disk_open(struct ftp_disk **out, const char *path, bool wants_direct, struct ftp_error *err)
{
	struct ftp_error why;
	int rc = ftp_uring_disk_new(out, path, wants_direct, &why);

	if (rc == -EBUSY) { /* the directory, which may soon be free */
		*err = why;
		return rc;
	}
	if (rc) {
		/* If it is the directory, the other one says so too. */
		rc = ftp_thread_disk_new(out, path, wants_direct, err);
		if (rc)
			return rc;
		ftp_log_warn("checkpoint: %s: a thread writes instead, and takes time of the cores",
			why.text);
	}
	if (wants_direct && !(*out)->mode.is_direct)
		ftp_log_warn("checkpoint: %s: the file system has no direct access (O_DIRECT): "
			     "writes go "
			     "through the page cache",
			path);
	return 0;
}
