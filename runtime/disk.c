#include "runtime/disk.h"

#include "runtime/base/log.h"
#include "runtime/thread_disk.h"
#include "runtime/uring_disk.h"

int ftp_disk_open(struct ftp_disk **out, const char *path, bool wants_direct, struct ftp_error *err)
{
	struct ftp_error why;
	int rc = ftp_uring_disk_new(out, path, wants_direct, &why);

	if (!rc)
		return 0;
	rc = ftp_thread_disk_new(out, path, wants_direct, err);
	if (!rc)
		ftp_log_warn("checkpoint: %s: a thread writes instead, and takes time of the cores",
			why.text);
	return rc;
}
