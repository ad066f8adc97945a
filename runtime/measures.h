/* Measures: where a worker keeps what it measures while it trains, for the metrics and for the
 * control thread. The worker's thread, but for pop(). */
#ifndef FTP_RUNTIME_MEASURES_H
#define FTP_RUNTIME_MEASURES_H

#include "runtime/assembly.h"
#include "runtime/base/region.h"
#include "runtime/base/spsc.h"
#include "runtime/node_metrics.h"

enum ftp_measure_kind { FTP_MEASURE_STEP, FTP_MEASURE_LINK };

/* Nobody is woken for one, and what finds no room is lost. */
struct ftp_measure {
	enum ftp_measure_kind kind;
	uint64_t term;
	uint64_t step, compute_ns; /* STEP: the step's tasks here (runtime/tempo.h) */
	uint32_t peer;		   /* LINK: node of the config; the connection's sums */
	uint64_t rtt_ns, tx_bytes, rx_bytes;
};

struct ftp_measures {
	uint64_t compute_ns, wait_ns, poll_ns, bubble_ns; /* while training */
	struct ftp_node_metrics *metrics;		  /* lent */
	struct ftp_region *region;			  /* lent */
	uint32_t batch;					  /* samples of a step */
	struct ftp_link_metrics links[FTP_CONFIG_MAX_NODES];
	uint64_t due_ns; /* of the next publication */
	struct ftp_spsc ring;
};

void ftp_measures_init(struct ftp_measures *m, struct ftp_node_metrics *metrics,
	struct ftp_region *region, uint32_t batch);
void ftp_measures_deinit(struct ftp_measures *m);

/* The stage's and its links' series. */
void ftp_measures_begin(struct ftp_measures *m, const struct ftp_plan *plan, int index);

void ftp_measures_add_step(
	struct ftp_measures *m, uint64_t term, uint64_t step, uint64_t compute_ns);

/* A few times a second: sets the metrics, and hands on the links' sums. */
void ftp_measures_publish(struct ftp_measures *m, const struct ftp_assembly *a, uint64_t now_ns);

/* Control thread. */
static inline bool ftp_measures_pop(struct ftp_measures *m, struct ftp_measure *out)
{
	return ftp_spsc_pop(&m->ring, out);
}

#endif
