/* Reading a flight recorder's file (recorder.h): it comes from a process that may have died at any
 * moment, and from a disk. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/recorder.h"

#define MAGIC	    "FTPFLGHT"
#define RING_BYTES  (FTP_RECORDER_RECORDS * sizeof(struct ftp_record))
#define MAX_RECORDS (FTP_N_RECORDER_RINGS * FTP_RECORDER_RECORDS)

static const struct {
	const char *name, *values[2]; /* NULL: not of interest */
} kinds[FTP_N_RECORD_KINDS] = {
	[FTP_RECORD_STATE] = {"plans", {"term", "step"}},
	[FTP_RECORD_STEP] = {"step done", {"step", "term"}},
	[FTP_RECORD_SNAPSHOT] = {"snapshot", {"step", "ns"}},
	[FTP_RECORD_LINK_UP] = {"link up", {"term", NULL}},
	[FTP_RECORD_LINK_DOWN] = {"link down", {"term", "reason"}},
	[FTP_RECORD_CALL] = {"called", {NULL, NULL}},
	[FTP_RECORD_OUTCOME] = {"outcome", {"kind", "step"}},
	[FTP_RECORD_FAILED] = {"failed", {NULL, NULL}},
	[FTP_RECORD_END] = {"end", {NULL, NULL}},
};

static const char *const rings[FTP_N_RECORDER_RINGS] = {
	[FTP_RECORDER_WORKER] = "worker", [FTP_RECORDER_CONTROL] = "control"};

/* n bytes at offset, or -EINVAL. */
static int read_at(int fd, void *to, size_t n, size_t offset, struct ftp_error *err)
{
	size_t done = 0;
	ssize_t got;

	do {
		got = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
		done += got > 0 ? (size_t)got : 0;
	} while (done < n && (got > 0 || (got < 0 && errno == EINTR)));
	return done == n ? 0 : ftp_error_set(err, EINVAL, "it is cut off");
}

static bool is_text(const char *text, size_t bytes)
{
	if (!memchr(text, 0, bytes))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > 126)
			return false;
	return true;
}

static int check_head(const struct ftp_recorder_head *h, struct ftp_error *err)
{
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)))
		return ftp_error_set(err, EINVAL, "it is no flight recorder's file");
	if (h->version != FTP_RECORDER_VERSION)
		return ftp_error_set(err, EINVAL, "it has version %u; this is version %d",
			h->version, FTP_RECORDER_VERSION);
	if (h->record_bytes != sizeof(struct ftp_record) || h->n_rings != FTP_N_RECORDER_RINGS ||
		h->n_records != FTP_RECORDER_RECORDS || !is_text(h->who, sizeof(h->who)) ||
		!is_text(h->started, sizeof(h->started)))
		return ftp_error_set(err, EINVAL, "its head is damaged");
	return 0;
}

static bool makes_sense(const struct ftp_record *r, uint32_t place)
{
	return (r->sequence - 1) % FTP_RECORDER_RECORDS == place && r->kind > FTP_RECORD_NONE &&
	       r->kind < FTP_N_RECORD_KINDS && is_text(r->text, sizeof(r->text));
}

static void take_ring(
	struct ftp_flight *f, enum ftp_recorder_ring ring, const struct ftp_record *records)
{
	uint64_t newest = 0;

	for (uint32_t i = 0; i < FTP_RECORDER_RECORDS; i++) {
		const struct ftp_record *r = &records[i];

		if (!r->sequence)
			continue;
		if (!makes_sense(r, i)) {
			f->n_broken++;
			continue;
		}
		newest = r->sequence > newest ? r->sequence : newest;
		f->records[f->n].ring = ring;
		f->records[f->n++].record = *r;
		f->is_ended |= r->kind == FTP_RECORD_END;
	}
	f->n_noted += newest;
}

static int by_time(const void *a, const void *b)
{
	const struct ftp_flight_record *x = a, *y = b;

	if (x->record.at_ns != y->record.at_ns)
		return x->record.at_ns < y->record.at_ns ? -1 : 1;
	if (x->record.sequence != y->record.sequence)
		return x->record.sequence < y->record.sequence ? -1 : 1;
	return 0;
}

/* A link's file that has gone may be another user's by now, and anything. */
static int open_flight(const char *path, struct ftp_error *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), rc = errno;
	bool is_gone = fd < 0 && rc == ENOENT;
	struct stat link, s;

	if (fd < 0 && (!is_gone || lstat(path, &link)))
		return ftp_error_set(err, rc, "%s: %s", path, strerror(rc));
	if (is_gone)
		return ftp_error_set(err, rc,
			"%s: it was in memory, and is gone: the machine was started again before "
			"the run's end or the next start of a run could move it here",
			path);
	if (!fstat(fd, &s) && S_ISREG(s.st_mode) && !lstat(path, &link) &&
		(s.st_uid == link.st_uid || s.st_uid == geteuid() || s.st_uid == 0))
		return fd;
	close(fd);
	return ftp_error_set(err, EINVAL, "%s: it is no file, or not of who recorded", path);
}

int ftp_flight_read(struct ftp_flight *f, const char *path, struct ftp_error *err)
{
	struct ftp_record *records;
	int fd = open_flight(path, err), rc;

	if (fd < 0)
		return fd;
	*f = (struct ftp_flight){.n = 0};
	records = malloc(RING_BYTES);
	f->records = malloc(MAX_RECORDS * sizeof(*f->records));
	ftp_assert(records && f->records);
	rc = read_at(fd, &f->head, sizeof(f->head), 0, err);
	if (!rc)
		rc = check_head(&f->head, err);
	for (size_t i = 0; !rc && i < FTP_N_RECORDER_RINGS; i++) {
		rc = read_at(fd, records, RING_BYTES, sizeof(f->head) + i * RING_BYTES, err);
		if (!rc)
			take_ring(f, (enum ftp_recorder_ring)i, records);
	}
	close(fd);
	free(records);
	if (rc) {
		ftp_flight_free(f);
		return ftp_error_prefix(err, rc, "%s", path);
	}
	qsort(f->records, f->n, sizeof(*f->records), by_time);
	return 0;
}

void ftp_flight_free(struct ftp_flight *f)
{
	free(f->records);
	f->records = NULL;
}

void ftp_flight_print(FILE *out, const struct ftp_flight *f, uint32_t i)
{
	const struct ftp_record *r = &f->records[i].record;
	double after_s = (double)(int64_t)(r->at_ns - f->head.started_ns) * 1e-9;

	fprintf(out, "%12.6f s  %-8s %s%s%s", after_s, rings[f->records[i].ring],
		kinds[r->kind].name, r->text[0] ? " " : "", r->text);
	for (int k = 0; k < 2; k++)
		if (kinds[r->kind].values[k])
			fprintf(out, ", %s %" PRIu64, kinds[r->kind].values[k], r->value[k]);
}
