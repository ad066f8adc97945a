/* A model cut into stages in one process: boundary tensors are copied from stage to stage, so that
 * the only difference between two nets is where the cuts are. */
#ifndef FTP_TESTS_KERNELS_NET_H
#define FTP_TESTS_KERNELS_NET_H

#include "kernels/isa.h"
#include "kernels/stage.h"

#define NET_MAX_STAGES 8

/* The cap under which a test program runs; a build of it may define another. */
#ifndef TEST_ISA
#define TEST_ISA ftp_isa_detect()
#endif

struct net {
	const struct ftp_model *model;
	struct ftp_region *region;
	struct ftp_stage *stages[NET_MAX_STAGES];
	int n_stages, micro_batch, n_micro;
};

/* cuts: n_cuts unit indices, ascending. The parameters are those of step 0 for the seed. */
void net_init(struct net *net, const struct ftp_model *model, const int *cuts, int n_cuts,
	int micro_batch, int n_micro, enum ftp_stage_impl impl, uint64_t seed);
void net_deinit(struct net *net);

/* Random input and labels of a micro-batch into the first and last stage. */
void net_feed(struct net *net, uint64_t seed, uint64_t batch, int micro);

/* All micro-batches forward, then backward, in order; the loss is the sum over the samples. */
double net_forward(struct net *net, uint64_t seed, uint64_t batch);
void net_backward(struct net *net);
void net_update(struct net *net, float lr);
double net_eval(struct net *net, uint64_t seed, uint64_t batch);

/* XXH3-128 over all unit states in order. */
struct ftp_digest net_digest(struct net *net);

/* The stage that has the unit. */
struct ftp_stage *net_stage(struct net *net, int unit);

/* sqrt(sum((a - b)^2) / sum(b^2)), 0 if both are 0. */
double relative_l2(const float *a, const float *b, size_t n);

struct ftp_model *model_of(
	const char *name, double width, enum ftp_strides strides, bool activations);

#endif
