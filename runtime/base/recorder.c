#include "runtime/base/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/shm.h"

#define MAGIC	   "FTPFLGHT"
#define MAX_PATH   4096
#define FILE_BYTES sizeof(struct file)

struct file {
	struct ftp_recorder_head head;
	struct ftp_record rings[FTP_N_RECORDER_RINGS][FTP_RECORDER_RECORDS];
};

_Static_assert(sizeof(struct ftp_record) == 64, "a record is a cache line");
_Static_assert(sizeof(struct ftp_recorder_head) == 128, "as written");

struct ftp_recorder {
	struct file *file;
	int fd;				  /* of the file; in memory it holds the lock */
	uint64_t n[FTP_N_RECORDER_RINGS]; /* noted; each its thread's */
};

static int cannot(struct ftp_error *err, const char *path, int errnum)
{
	return ftp_error_set(err, errnum, "cannot record to %s: %s", path, strerror(errnum));
}

static int map(struct ftp_recorder *r, const char *path, struct ftp_error *err)
{
	r->file =
		mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, 0);
	return r->file == MAP_FAILED ? cannot(err, path, errno) : 0;
}

static int map_memory(
	struct ftp_recorder *r, const char *home, const char *path, struct ftp_error *err)
{
	int rc = r->fd = ftp_shm_make(home, path, FILE_BYTES, err);

	if (rc >= 0)
		rc = map(r, path, err);
	if (rc && r->fd >= 0) {
		close(r->fd);
		ftp_shm_remove(home, path);
	}
	return rc;
}

static int map_disk(struct ftp_recorder *r, const char *path, struct ftp_error *err)
{
	int rc;

	r->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (r->fd < 0)
		return cannot(err, path, errno);
	rc = posix_fallocate(r->fd, 0, FILE_BYTES); /* a hole on a full disk would be a SIGBUS */
	rc = rc ? cannot(err, path, rc) : map(r, path, err);
	if (rc)
		close(r->fd);
	return rc;
}

static int map_anywhere(
	struct ftp_recorder *r, const char *home, const char *path, struct ftp_error *err)
{
	struct ftp_error why;
	int rc;

	if (!map_memory(r, home, path, &why))
		return 0;
	rc = map_disk(r, path, err);
	if (rc)
		return rc;
	ftp_error_set(err, EIO, "%s", why.text);
	return FTP_RECORDER_ON_DISK;
}

/* What the process before has left. */
static void keep_old(const char *home, const char *path)
{
	char old[MAX_PATH + 8];
	struct stat s;

	if (lstat(path, &s))
		return;
	snprintf(old, sizeof(old), "%s" FTP_SHM_OLD, path);
	ftp_shm_remove(home, old);
	rename(path, old);
}

int ftp_recorder_open(struct ftp_recorder **out, const char *home, const char *dir, const char *who,
	struct ftp_error *err)
{
	struct ftp_recorder *r = calloc(1, sizeof(*r));
	char path[MAX_PATH];
	struct ftp_recorder_head head = {.version = FTP_RECORDER_VERSION,
		.record_bytes = sizeof(struct ftp_record),
		.n_rings = FTP_N_RECORDER_RINGS,
		.n_records = FTP_RECORDER_RECORDS,
		.started_ns = ftp_clock_now_ns(),
		.pid = getpid()};
	int rc;

	ftp_assert(r);
	snprintf(path, sizeof(path), "%s/" FTP_RECORDER_PREFIX "%s", dir, who);
	keep_old(home, path);
	rc = map_anywhere(r, home, path, err);
	if (rc < 0) {
		free(r);
		return rc;
	}
	ftp_clock_wall_text(head.started, sizeof(head.started));
	snprintf(head.who, sizeof(head.who), "%s", who);
	memcpy(head.magic, MAGIC, sizeof(head.magic));
	r->file->head = head;
	*out = r;
	return rc;
}

void ftp_recorder_close(struct ftp_recorder *r, bool is_good)
{
	if (!r)
		return;
	if (is_good)
		ftp_recorder_note(
			r, FTP_RECORDER_CONTROL, FTP_RECORD_END, ftp_clock_now_ns(), "", 0, 0);
	munmap(r->file, FILE_BYTES);
	close(r->fd);
	free(r);
}

void ftp_recorder_note(struct ftp_recorder *r, enum ftp_recorder_ring ring,
	enum ftp_record_kind kind, uint64_t now_ns, const char *text, uint64_t a, uint64_t b)
{
	struct ftp_record *to;
	uint64_t n;
	size_t i = 0;

	if (!r)
		return;
	n = r->n[ring]++;
	to = &r->file->rings[ring][n % FTP_RECORDER_RECORDS];
	__atomic_store_n(&to->sequence, 0, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_release);
	to->at_ns = now_ns;
	to->kind = kind;
	for (; i + 1 < sizeof(to->text) && text[i]; i++)
		to->text[i] = text[i];
	memset(to->text + i, 0, sizeof(to->text) - i);
	to->value[0] = a;
	to->value[1] = b;
	__atomic_store_n(&to->sequence, n + 1, __ATOMIC_RELEASE);
}
