/* Metrics as a table of families, rendered as Prometheus text 0.0.4.
 *
 * A daemon registers its series once at start-up; after that a series is one atomic double that one
 * thread writes (no lock, no allocation) and the exporter's thread reads.
 */
#ifndef FTP_BASE_METRICS_H
#define FTP_BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/error.h"

enum ftp_metric_type { FTP_METRIC_COUNTER, FTP_METRIC_GAUGE, FTP_METRIC_HISTOGRAM };

/* name: "ftp_" prefix, base units (_seconds, _bytes, _ratio), counters end in _total. */
struct ftp_metric_family {
	const char *name;
	enum ftp_metric_type type;
	const char *help;
};

struct ftp_metric {
	_Atomic double value;
};

struct ftp_metrics; /* opaque */

/* families is lent for the registry's life; its order is the order of the page. */
struct ftp_metrics *ftp_metrics_new(const struct ftp_metric_family *families, int n_families);
void ftp_metrics_free(struct ftp_metrics *m);

/* The series of families[family] with these labels, new if there is none: the text between the
 * braces, e.g. "stage=\"1\",dir=\"tx\"", or "" (copied). Lent until ftp_metrics_free. Call at
 * start-up or when a plan changes: it takes the registry's lock. */
struct ftp_metric *ftp_metrics_series(struct ftp_metrics *m, int family, const char *labels);

#define FTP_HISTOGRAM_BOUNDS 10

struct ftp_histogram { /* the series of one label set of a FTP_METRIC_HISTOGRAM family */
	const double *bounds;
	struct ftp_metric *buckets[FTP_HISTOGRAM_BOUNDS + 1]; /* up to bounds[i]; the last: all */
	struct ftp_metric *sum, *count;
};

/* bounds: FTP_HISTOGRAM_BOUNDS growing ones, lent for the registry's life. Once per label set. */
void ftp_metrics_histogram(struct ftp_histogram *h, struct ftp_metrics *m, int family,
	const char *labels, const double *bounds);
/* Single writer. */
void ftp_histogram_add(struct ftp_histogram *h, double v);

/* From now on s, a series of m, has these labels, that no other of its family may have. */
void ftp_metrics_relabel(struct ftp_metrics *m, struct ftp_metric *s, const char *labels);

/* Single writer per series. */
static inline void ftp_metric_set(struct ftp_metric *s, double v)
{
	atomic_store_explicit(&s->value, v, memory_order_relaxed);
}

static inline void ftp_metric_add(struct ftp_metric *s, double v)
{
	atomic_store_explicit(&s->value, atomic_load_explicit(&s->value, memory_order_relaxed) + v,
		memory_order_relaxed);
}

static inline double ftp_metric_get(struct ftp_metric *s)
{
	return atomic_load_explicit(&s->value, memory_order_relaxed);
}

/* Called on the exporter's thread just before a page is rendered, to bring slow gauges (memory)
 * up to date. */
void ftp_metrics_on_scrape(struct ftp_metrics *m, void (*refresh)(void *arg), void *arg);

/* The whole page; *bytes is its length; free() it. */
char *ftp_metrics_render(struct ftp_metrics *m, size_t *bytes);

#endif
