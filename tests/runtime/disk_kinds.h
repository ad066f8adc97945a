/* Every disk, for the suites that run over all of them. */
#ifndef FTP_TESTS_DISK_KINDS_H
#define FTP_TESTS_DISK_KINDS_H

#include "runtime/base/clock.h"
#include "runtime/disk.h"

#define DISK_PATIENCE_NS (20 * FTP_NS_PER_S)

struct disk_kind {
	const char *name;
	int (*open)(struct ftp_disk **out, const char *path);
	bool is_real;
};

enum { DISK_SIMULATED, DISK_PLAIN, N_DISK_KINDS = 6 }; /* and the others */
extern const struct disk_kind disk_kinds[N_DISK_KINDS];

extern char disk_directory[];
int disk_make_directory(void **state); /* of a group of tests */
int disk_remove_directory(void **state);

/* In that directory, attached; NULL: this system does not allow it. */
struct ftp_disk *disk_open(const struct disk_kind *k);

/* One operation, waited for. */
int64_t disk_result(struct ftp_disk *d, struct ftp_disk_op op);
int64_t disk_attach(struct ftp_disk *d);
int64_t disk_named(struct ftp_disk *d, enum ftp_disk_op_kind kind, uint32_t file, const char *name);

#endif
