/* Batch norm + residual + activation and its gradient in plain f64 loops, written for reading: the
 * oracle of test_bnact. Tensors here are dense [n][c][hw] doubles.
 */
#ifndef FTP_TESTS_FUSED_BNACT_ORACLE_H
#define FTP_TESTS_FUSED_BNACT_ORACLE_H

#include "kernels/bnact.h"

struct bnact_oracle {
	struct ftp_bnact p;
	double *z, *residual, *dy; /* inputs; residual is NULL where there is none */
	double *gamma, *beta;
	double *y, *mean, *var, *inv_std;	    /* of the forward */
	double *dz, *d_residual, *d_gamma, *d_beta; /* of the backward */
};

void bnact_oracle_new(struct bnact_oracle *o, const struct ftp_bnact *p, bool residual);
void bnact_oracle_free(struct bnact_oracle *o);
void bnact_oracle_forward(struct bnact_oracle *o);
void bnact_oracle_backward(struct bnact_oracle *o);

#endif
