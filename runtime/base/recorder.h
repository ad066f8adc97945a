/* Flight recorder: what the threads of a process did last, readable however it ended. A file of
 * fixed size, mapped; a record is a few stores to it, so that what was written is there after kill
 * -9 and after a crash, without a handler. It is in memory (shm.h), as a store to a mapped file of
 * a disk waits for the disk now and then: with a disk that hangs, for ever. Until it is moved to
 * the run directory, a restart of the machine takes it.
 *
 * The file, little-endian: struct ftp_recorder_head, then one ring per thread: a ring's n-th record
 * lies in place n modulo FTP_RECORDER_RECORDS, with n + 1 as its sequence number, written last; 0
 * while it is being written. */
#ifndef FTP_BASE_RECORDER_H
#define FTP_BASE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/error.h"

#define FTP_RECORDER_VERSION 1
#define FTP_RECORDER_RECORDS 1024 /* of each ring */
#define FTP_RECORDER_PREFIX  "flight-"

enum ftp_recorder_ring { /* of one thread each */
	FTP_RECORDER_WORKER,
	FTP_RECORDER_CONTROL,
	FTP_N_RECORDER_RINGS,
};

enum ftp_record_kind { /* text; value[0], value[1] */
	FTP_RECORD_NONE,
	FTP_RECORD_STATE,     /* "training/none": now and next plan; term, step of a hold */
	FTP_RECORD_STEP,      /* done by this stage: step, term */
	FTP_RECORD_SNAPSHOT,  /* copied: step, nanoseconds that it took */
	FTP_RECORD_LINK_UP,   /* peer; term */
	FTP_RECORD_LINK_DOWN, /* peer; term, reason (enum ftp_connection_reason) */
	FTP_RECORD_CALL,      /* method that the coordinator called */
	FTP_RECORD_OUTCOME,   /* of the worker, as the control thread took it; kind, step */
	FTP_RECORD_FAILED,    /* why, its beginning */
	FTP_RECORD_END,	      /* the process ends as it should */
	FTP_N_RECORD_KINDS,
};

#define FTP_RECORDER_TEXT 24

struct ftp_record {
	uint64_t sequence;
	uint64_t at_ns; /* monotonic */
	uint32_t kind, reserved;
	char text[FTP_RECORDER_TEXT]; /* ended by 0 */
	uint64_t value[2];
};

struct ftp_recorder_head {
	char magic[8];
	uint32_t version, record_bytes, n_rings, n_records;
	uint64_t started_ns; /* monotonic */
	int64_t pid;
	char started[40]; /* wall clock, for people */
	char who[40];
	char reserved[8];
};

struct ftp_recorder; /* opaque */

#define FTP_RECORDER_ON_DISK 1

/* dir/flight-WHO, new, a link to a memory file of home; the one that is there becomes
 * flight-WHO.old. FTP_RECORDER_ON_DISK: it is a file of dir, as home cannot be used; err says why.
 */
int ftp_recorder_open(struct ftp_recorder **out, const char *home, const char *dir, const char *who,
	struct ftp_error *err);
/* Notes FTP_RECORD_END if it ended as it should. NULL: nothing. */
void ftp_recorder_close(struct ftp_recorder *r, bool is_good);

/* By the ring's thread only. No lock, no allocation, no system call; r NULL: nothing. text is cut
 * to fit. */
void ftp_recorder_note(struct ftp_recorder *r, enum ftp_recorder_ring ring,
	enum ftp_record_kind kind, uint64_t now_ns, const char *text, uint64_t a, uint64_t b);

/* What a file holds, whoever writes to it meanwhile, and whatever it is. */
struct ftp_flight {
	struct ftp_recorder_head head;
	uint32_t n;	   /* whole records, oldest first */
	uint64_t n_noted;  /* ever */
	uint32_t n_broken; /* that make no sense */
	bool is_ended;	   /* as it should */
	struct ftp_flight_record {
		enum ftp_recorder_ring ring;
		struct ftp_record record;
	} * records;
};

/* -EINVAL: it is no flight of this version; err says what is wrong. ftp_flight_free() it after 0.
 */
int ftp_flight_read(struct ftp_flight *f, const char *path, struct ftp_error *err);
void ftp_flight_free(struct ftp_flight *f);
/* One record as a line without its end: "  12.345678 s  worker   step 35, term 1". */
void ftp_flight_print(FILE *out, const struct ftp_flight *f, uint32_t i);

#endif
