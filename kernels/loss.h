/* Softmax cross-entropy on dense logits [n][c] f32 with one label per sample. A label below 0 masks
 * its sample: no loss, no gradient, not counted. Computed in f64. Pure; any thread.
 */
#ifndef FTP_KERNELS_LOSS_H
#define FTP_KERNELS_LOSS_H

#include <stdint.h>

struct ftp_loss {
	double sum;    /* of the samples' losses (nats), added in sample order */
	int n_correct; /* the first arg max equals the label */
	int n_samples; /* labels >= 0 */
};

/* Labels are below c: the data set's reader has checked that. */
struct ftp_loss ftp_loss_forward(const float *logits, const int32_t *labels, int n, int c);

/* d_logits = (softmax(logits) - onehot(label)) * scale; may equal logits' storage. */
void ftp_loss_backward(
	const float *logits, const int32_t *labels, int n, int c, float scale, float *d_logits);

#endif
