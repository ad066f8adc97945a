/* Which of a stage's weight buffers is which version: the books of weight stashing (PipeDream,
 * arXiv 1806.03377, section 3.3), no memory of their own. A slot holds the version that its forward
 * read until its backward has read it too; a version that any slot holds is never written.
 *
 * Slots must be in range; every other broken rule aborts. Owned by one thread; nothing is allocated
 * after ftp_versions_init().
 */
#ifndef FTP_KERNELS_VERSIONS_H
#define FTP_KERNELS_VERSIONS_H

#include <stdint.h>

struct ftp_versions {
	int n, n_slots; /* buffers; slots */
	int newest;	/* buffer */
	uint64_t n_made;
	uint64_t *serial; /* [n]: of the version in the buffer, from 1 on; 0: none */
	int *n_holders;	  /* [n] */
	int *held;	  /* [n_slots]: buffer, or -1 */
	int *order;	  /* [n]: ftp_versions_list()'s */
};

/* One version, in buffer 0, that nobody holds. */
void ftp_versions_init(struct ftp_versions *v, int n, int n_slots);
void ftp_versions_deinit(struct ftp_versions *v);

/* The slot holds the newest from now on, and nothing else. Returns its buffer. */
int ftp_versions_hold(struct ftp_versions *v, int slot);
/* What the slot holds; it must hold one. */
int ftp_versions_held(const struct ftp_versions *v, int slot);
void ftp_versions_let_go(struct ftp_versions *v, int slot); /* of nothing: no effect */

/* The buffer that the next version goes to: an empty one, else the oldest that no slot holds and
 * that is not the newest; the only one when n is 1. There must be one. */
int ftp_versions_spare(const struct ftp_versions *v);
/* The spare buffer now has the newest version. */
void ftp_versions_publish(struct ftp_versions *v, int buffer);

/* The newest buffer, which no slot may hold: to be changed in place. */
int ftp_versions_own(const struct ftp_versions *v);

/* Forgets all versions but the newest, and lets every slot go. */
void ftp_versions_reset(struct ftp_versions *v);

/* Buffers with a version, oldest first, the newest last; returns how many. Lent until the next
 * call. */
int ftp_versions_list(struct ftp_versions *v, const int **order);

#endif
