/* Snapshots on the nodes' disks, as the core knows them. One at a time is being put there; one,
 * the newest of which every unit is durable on some node, is pinned. Part of
 * ctl/coordinator_state.h. */
#ifndef FTP_CTL_COORDINATOR_DISK_H
#define FTP_CTL_COORDINATOR_DISK_H

#include <stdbool.h>

#include "ctl/coordinator.h"
#include "ctl/protocol.h"

struct ftp_coordinator_disk {
	uint64_t named_step; /* the last one that was put, or where that began */
	/* The earliest step that was gone back to since a snapshot that counts was known to be
	 * durable: what disks have of it may be all that is left, and later states there are of an
	 * abandoned history. 0: none */
	uint64_t back_step;
	uint64_t n_durable, n_failed;
	bool is_failing; /* the last one did not become durable */
	uint64_t event_ns;
	struct {					/* under way */
		uint64_t step;				/* 0: none is; the catalogue knows it */
		uint64_t term;				/* in force when it was named */
		uint64_t awaited;			/* nodes that have not told yet */
		uint64_t nodes[FTP_PROTOCOL_MAX_UNITS]; /* that have it on disk, of those that told
							   the digest which the catalogue knows */
		uint64_t begun_ns;
		char why[320]; /* the first node that could not; "" */
	} put;
};

/* coordinator_disk.c */
/* The plan in force has just become it, and the catalogue knows. */
void ftp_coordinator_disk_begin(struct ftp_coordinator *c);
/* When there is a put to be begun, or the one under way has ended; FTP_NS_NEVER: there is none. */
uint64_t ftp_coordinator_disk_deadline(const struct ftp_coordinator *c);
/* The stable snapshot if it is to go to the disks now: the caller tells the nodes, and adds them to
 * those that are awaited. 0: none is. */
uint64_t ftp_coordinator_disk_name(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* The step that disks are to keep; 0: none. */
uint64_t ftp_coordinator_disk_kept(const struct ftp_coordinator *c);
bool ftp_coordinator_disk_needs(const struct ftp_coordinator *c, uint64_t step);
/* Nodes have so much more time to tell. */
void ftp_coordinator_disk_postpone(struct ftp_coordinator *c, uint64_t by_ns);
void ftp_coordinator_disk_lose(struct ftp_coordinator *c, uint32_t node);
int ftp_coordinator_on_persisted(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
/* Steps whose loss is known and that a return to the disks would take back. */
uint64_t ftp_coordinator_disk_age(const struct ftp_coordinator *c);
json_t *ftp_coordinator_disk_document(const struct ftp_coordinator *c); /* null: off */

#endif
