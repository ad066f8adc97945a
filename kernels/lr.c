#include <math.h>

#include "kernels/optimizer.h"

static double constant_at(const struct ftp_lr_spec *lr, uint64_t done, uint64_t span)
{
	(void)done;
	(void)span;
	return lr->base;
}

static double step_at(const struct ftp_lr_spec *lr, uint64_t done, uint64_t span)
{
	(void)span;
	return lr->step_every ? lr->base * pow(lr->gamma, (double)(done / lr->step_every))
			      : lr->base;
}

static double cosine_at(const struct ftp_lr_spec *lr, uint64_t done, uint64_t span)
{
	if (done >= span)
		return lr->final;
	return lr->final + (lr->base - lr->final) * 0.5 *
				   (1 + cos(3.14159265358979323846 * (double)done / (double)span));
}

/* done: whole steps since the first one at the full rate; span: what done is at the last step. */
static double (*const rate_at[])(const struct ftp_lr_spec *lr, uint64_t done, uint64_t span) = {
	[FTP_LR_CONSTANT] = constant_at,
	[FTP_LR_STEP] = step_at,
	[FTP_LR_COSINE] = cosine_at,
};

float ftp_lr_at(const struct ftp_lr_spec *lr, uint64_t step, uint64_t n_steps)
{
	uint64_t first = lr->warmup ? lr->warmup : 1; /* the first step at the full rate */

	if (step < first)
		return (float)(lr->base * (double)step / (double)lr->warmup);
	return (float)rate_at[lr->kind](lr, step - first, n_steps > first ? n_steps - first : 0);
}
