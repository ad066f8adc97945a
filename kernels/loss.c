#include "kernels/loss.h"

#include <math.h>

#include "runtime/base/error.h"

static int arg_max(const float *x, int c)
{
	int best = 0;

	for (int i = 1; i < c; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

/* log of the sum of exponentials; taken relative to the largest logit, so nothing overflows. */
static double log_sum_exp(const float *x, int c)
{
	double top = x[arg_max(x, c)], sum = 0;

	for (int i = 0; i < c; i++)
		sum += exp(x[i] - top);
	return top + log(sum);
}

struct ftp_loss ftp_loss_forward(const float *logits, const int32_t *labels, int n, int c)
{
	struct ftp_loss loss = {0};

	for (int s = 0; s < n; s++) {
		const float *x = logits + (long)s * c;

		ftp_assert(labels[s] < c);
		if (labels[s] < 0)
			continue;
		loss.sum += log_sum_exp(x, c) - x[labels[s]];
		loss.n_correct += arg_max(x, c) == labels[s];
		loss.n_samples++;
	}
	return loss;
}

void ftp_loss_backward(
	const float *logits, const int32_t *labels, int n, int c, float scale, float *d_logits)
{
	for (int s = 0; s < n; s++) {
		const float *x = logits + (long)s * c;
		float *d = d_logits + (long)s * c;
		double lse;

		ftp_assert(labels[s] < c);
		if (labels[s] < 0) {
			for (int i = 0; i < c; i++)
				d[i] = 0;
			continue;
		}
		lse = log_sum_exp(x, c);
		for (int i = 0; i < c; i++)
			d[i] = (float)((exp(x[i] - lse) - (i == labels[s])) * (double)scale);
	}
}
