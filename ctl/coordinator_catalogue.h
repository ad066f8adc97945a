/* Catalogue: which node holds which unit state, as nodes have told it, for the few snapshots that
 * are worth knowing: those that are kept as stable or global or on disks, and those in progress.
 * Pure.
 *
 * A snapshot is stable when every unit of the model has enough live holders who told the same
 * digest. States of an abandoned history, trained by a term past the step at which a later term
 * began, are never in it.
 */
#ifndef FTP_CTL_COORDINATOR_CATALOGUE_H
#define FTP_CTL_COORDINATOR_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/protocol.h"

#define FTP_CATALOGUE_MAX_SNAPSHOTS 8
#define FTP_CATALOGUE_MAX_TERMS	    64

struct ftp_catalogue_snapshot {
	uint64_t step;				  /* 0: this place is free */
	uint64_t term;				  /* that trained it */
	uint64_t holders[FTP_PROTOCOL_MAX_UNITS]; /* nodes; once told, the digest stays */
	uint64_t had[FTP_PROTOCOL_MAX_UNITS];	  /* nodes that ever held it, lost ones too */
	bool is_told[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
	uint32_t teller[FTP_PROTOCOL_MAX_UNITS]; /* the node that told it first */
};

struct ftp_catalogue {
	uint32_t n_units;
	struct ftp_catalogue_snapshot snapshots[FTP_CATALOGUE_MAX_SNAPSHOTS];
	/* Terms that began, each with a greater step than the one before: of several that began at
	 * the same step or a later one, only the newest says anything. */
	struct {
		uint64_t term, step;
	} begun[FTP_CATALOGUE_MAX_TERMS];
	uint32_t n_begun;
	uint64_t forgotten_term; /* of this and older ones nothing is known any more */
};

void ftp_catalogue_init(struct ftp_catalogue *c, uint32_t n_units);

/* A plan of this term is in force, and trains from step + 1. Snapshots of an abandoned history go.
 */
void ftp_catalogue_begin(struct ftp_catalogue *c, uint64_t term, uint64_t step);

/* A state after step, trained by term, is of the history that counts. */
bool ftp_catalogue_is_valid(const struct ftp_catalogue *c, uint64_t term, uint64_t step);

/* The snapshot after step is in progress, trained by term, which is valid. There must be room. */
void ftp_catalogue_expect(struct ftp_catalogue *c, uint64_t term, uint64_t step);

/* Its nodes no longer keep it. */
void ftp_catalogue_forget(struct ftp_catalogue *c, uint64_t step);

enum ftp_catalogue_outcome {	   /* positive ones of add() */
	FTP_CATALOGUE_UNKNOWN = 1, /* no such snapshot is known, or by another term */
	FTP_CATALOGUE_CONFLICT,	   /* its digest is not what `teller` told */
};

/* node holds the state: 0 or an outcome. unit and node are in their bounds. */
int ftp_catalogue_add(struct ftp_catalogue *c, uint32_t node, uint32_t unit, uint64_t term,
	uint64_t step, struct ftp_digest digest, uint32_t *teller);

/* What the unit's state is in a snapshot that is known, as was told before; `had` held it then. */
void ftp_catalogue_know(struct ftp_catalogue *c, uint32_t unit, uint64_t step,
	struct ftp_digest digest, uint64_t had);

/* The node holds nothing any more. */
void ftp_catalogue_lose(struct ftp_catalogue *c, uint32_t node);

/* NULL: not known. */
const struct ftp_catalogue_snapshot *ftp_catalogue_find(
	const struct ftp_catalogue *c, uint64_t step);

/* Every unit has at least so many holders. false also if the snapshot is not known. */
bool ftp_catalogue_is_stable(const struct ftp_catalogue *c, uint64_t step, int n_holders);

/* The node holds units [first, end) of it; likewise. */
bool ftp_catalogue_has(
	const struct ftp_catalogue *c, uint64_t step, uint32_t node, uint32_t first, uint32_t end);

#endif
