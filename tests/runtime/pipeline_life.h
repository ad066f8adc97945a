/* Training by several stages in one process, over in-process rings or the simulated network in
 * virtual time, in pieces: by one plan up to a hold, then by another. Everything but the network is
 * what runs in a node. */
#ifndef FTP_TESTS_PIPELINE_LIFE_H
#define FTP_TESTS_PIPELINE_LIFE_H

#include "net/impair.h"
#include "runtime/base/digest.h"
#include "runtime/pipeline.h"

#define PIPELINE_LIFE_MAX_STAGES 5
#define PIPELINE_LIFE_MAX_PIECES 3
#define PIPELINE_LIFE_STEPS	 8

enum pipeline_hold { NO_HOLD, HOLD_AND_GO_ON, HOLD_AND_RESUME };

/* Training by one plan, up to a hold or the end. */
struct pipeline_piece {
	int n_stages;
	int cuts[PIPELINE_LIFE_MAX_STAGES + 1]; /* units: 0, first cut, ..., n_units */
	enum pipeline_hold hold;
	uint64_t ask_after; /* the step of stage 0 after which it is asked to hold */
	uint64_t hold_step; /* 0: the earliest */
};

struct pipeline_life {
	const char *model;
	struct pipeline_piece pieces[PIPELINE_LIFE_MAX_PIECES];
	struct ftp_impair impair;
	uint64_t seed; /* of the network; 0: in-process rings instead */
	enum ftp_config_schedule schedule;
	uint32_t n_micro;
	uint64_t eval_every;
	uint64_t aggregate_every;
};

struct pipeline_outcome {
	double loss[PIPELINE_LIFE_STEPS];
	uint64_t n_correct, n_samples;
	char digest[FTP_DIGEST_HEX];
};

/* The whole life; it asserts that what must not allocate does not. */
struct pipeline_outcome pipeline_life_live(const struct pipeline_life *life);

#endif
