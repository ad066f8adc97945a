/* Optimizers and learning-rate schedules. Element-wise, so layout-agnostic: parameters, moments and
 * gradients only have to share one layout. Pure; any thread. */
#ifndef FTP_KERNELS_OPTIMIZER_H
#define FTP_KERNELS_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ftp_optimizer_kind { FTP_OPTIMIZER_SGD };

/* PyTorch's SGD: g += weight_decay * w; m = momentum * m + g; w -= lr * (nesterov ? g + momentum *
 * m : m). Weight decay applies to every trained tensor, as there. */
struct ftp_optimizer_spec {
	enum ftp_optimizer_kind kind;
	float momentum;
	float weight_decay;
	bool nesterov;
};

enum ftp_lr_kind { FTP_LR_CONSTANT, FTP_LR_STEP, FTP_LR_COSINE };

struct ftp_lr_spec {
	enum ftp_lr_kind kind;
	double base;	     /* the rate after warm-up */
	uint64_t warmup;     /* steps: linear from base/warmup to base */
	uint64_t step_every; /* STEP: multiply by gamma every so many steps after warm-up */
	double gamma;	     /* STEP */
	double final;	     /* COSINE: the rate at the last step */
};

/* The rate of a step (numbered from 1) of n_steps. */
float ftp_lr_at(const struct ftp_lr_spec *lr, uint64_t step, uint64_t n_steps);

/* One update of n elements: param_out from param_in, which may be the same; moments in place,
 * gradients are set to zero. Pointers 64-byte aligned, otherwise not overlapping. The bits do not
 * depend on whether it is in place. */
void ftp_optimizer_update(const struct ftp_optimizer_spec *o, float lr, const float *param_in,
	float *param_out, float *moment, float *grad, size_t n);

#endif
