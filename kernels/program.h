/* A stage as data: the memory it needs, where each tensor lies, and one list of steps per pass.
 * Made once by ftp_program_plan(), then only read.
 */
#ifndef FTP_KERNELS_PROGRAM_H
#define FTP_KERNELS_PROGRAM_H

#include "kernels/blockconv.h"
#include "kernels/bnact.h"
#include "kernels/dwblock.h"
#include "kernels/onednn.h"
#include "kernels/pool.h"
#include "kernels/reference.h"
#include "kernels/stage.h"

/* A stage's memory in separately allocated spaces. */
enum ftp_space {
	FTP_SPACE_NONE,
	FTP_SPACE_SLOT,	      /* one micro-batch in flight; one allocation per slot */
	FTP_SPACE_PARAM,      /* trained tensors as oneDNN wants them, padding zero; of a version */
	FTP_SPACE_NEXT,	      /* where UPDATE writes PARAM: of the next version */
	FTP_SPACE_COPY,	      /* weights again, where backward wants another layout; of a version */
	FTP_SPACE_GRADIENT,   /* same layout as PARAM */
	FTP_SPACE_MOMENT,     /* same layout as PARAM */
	FTP_SPACE_STATISTIC,  /* running means and variances */
	FTP_SPACE_SCRATCH,    /* gradients of activations and other things that no task outlives */
	FTP_SPACE_SCRATCHPAD, /* oneDNN's */
	FTP_N_SPACES,
};

/* at: floats from the start of the space, a multiple of 16. */
struct ftp_ref {
	enum ftp_space space;
	size_t at;
};

/* What a step may use besides its arguments. */
struct ftp_run {
	void *scratchpad;
	float lr;
	const struct ftp_optimizer_spec *optimizer;
	struct ftp_stage_loss *loss;  /* of the current slot */
	const float *const *versions; /* AGGREGATE: PARAM of each, oldest first */
	int n_versions;
	uint64_t n_reorders;
};

#define FTP_STEP_REFS 23

/* One primitive. run() gets the refs as pointers, NULL for FTP_SPACE_NONE. */
struct ftp_step {
	void (*run)(struct ftp_run *r, const struct ftp_step *t, float *const *p);
	int unit; /* index in the model */
	struct ftp_ref refs[FTP_STEP_REFS];
	union {
		struct ftp_onednn_op *op;
		struct ftp_bnact bnact;
		struct ftp_blockconv blockconv;
		struct ftp_dwblock dwblock;
		const struct ftp_param *param; /* whose copy to make */
		struct ftp_pool pool;
		struct {
			size_t n, rows;
			float upper;
		} elementwise;
		struct {
			size_t begin, n;
		} aggregate;
		struct {
			int n, c;
			float scale;
		} loss;
		struct ftp_reference_args *reference; /* without data pointers */
	};
};

struct ftp_steps {
	struct ftp_step *list;
	int n, capacity;
};

/* Where and how one tensor of a unit is kept. */
struct ftp_param {
	const struct ftp_tensor *tensor;
	int unit, index;   /* of the unit's tensors */
	struct ftp_ref at; /* in PARAM (then also in GRADIENT and MOMENT) or STATISTIC */
	size_t floats;
	/* Dense, natural order <-> kept layout; temp holds temp_floats. */
	void (*pack)(const struct ftp_param *p, const float *dense, float *kept, float *temp,
		void *scratchpad);
	void (*unpack)(const struct ftp_param *p, const float *kept, float *dense, float *temp,
		void *scratchpad);
	size_t temp_floats;
	int rows, columns, row_floats; /* of a matrix with padded rows */
	struct ftp_shape src; /* FC: of the blocked source; c 0: rows are kept as they are */
	struct ftp_onednn_op *to_kept, *to_dense, *to_copy; /* of oneDNN's convolutions */
	struct ftp_blockconv blockconv;			    /* of our own */
	/* Weights again in another layout, made when they change; NULL where none is needed. */
	void (*make_copy)(const struct ftp_param *p, float *kept, float *copy, void *scratchpad);
	struct ftp_ref copy;
};

struct ftp_program {
	struct ftp_onednn *onednn;	       /* NULL for the reference */
	struct ftp_reference_args *references; /* by node; NULL for oneDNN */
	size_t floats[FTP_N_SPACES];
	struct ftp_steps passes[FTP_N_PASSES];
	struct ftp_param *params;
	int n_params;
	struct ftp_ref input, output, input_grad, output_grad, labels; /* NONE where absent */
	size_t input_floats, output_floats;
	char *implementations;
};

/* to_run false: for floats[] only, much faster. */
int ftp_program_plan(struct ftp_program *out, const struct ftp_stage_spec *spec, bool to_run,
	struct ftp_error *err);
void ftp_program_deinit(struct ftp_program *p);

#endif
