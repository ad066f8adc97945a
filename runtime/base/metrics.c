#include "runtime/base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct series {
	struct ftp_metric metric; /* first: callers hold its address */
	int family;
	const char *suffix; /* of the family's name; static */
	char *labels;
	struct series *next;
};

struct ftp_metrics {
	const struct ftp_metric_family *families;
	int n_families;
	pthread_mutex_t lock; /* guards the list, not the values */
	struct series *first, **last;
	void (*refresh)(void *arg);
	void *refresh_arg;
};

struct ftp_metrics *ftp_metrics_new(const struct ftp_metric_family *families, int n_families)
{
	struct ftp_metrics *m = calloc(1, sizeof(*m));

	ftp_assert(m);
	m->families = families;
	m->n_families = n_families;
	m->last = &m->first;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void ftp_metrics_free(struct ftp_metrics *m)
{
	struct series *next;

	if (!m)
		return;
	for (struct series *s = m->first; s; s = next) {
		next = s->next;
		free(s->labels);
		free(s);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static struct series *find(
	const struct ftp_metrics *m, int family, const char *suffix, const char *labels)
{
	for (struct series *s = m->first; s; s = s->next)
		if (s->family == family && !strcmp(s->suffix, suffix) && !strcmp(s->labels, labels))
			return s;
	return NULL;
}

static struct ftp_metric *add_series(
	struct ftp_metrics *m, int family, const char *suffix, const char *labels)
{
	struct series *s;

	ftp_assert(family >= 0 && family < m->n_families);
	pthread_mutex_lock(&m->lock);
	s = find(m, family, suffix, labels);
	if (!s) {
		s = calloc(1, sizeof(*s));
		ftp_assert(s);
		s->family = family;
		s->suffix = suffix;
		s->labels = strdup(labels);
		ftp_assert(s->labels);
		*m->last = s;
		m->last = &s->next;
	}
	pthread_mutex_unlock(&m->lock);
	return &s->metric;
}

struct ftp_metric *ftp_metrics_series(struct ftp_metrics *m, int family, const char *labels)
{
	return add_series(m, family, "", labels);
}

void ftp_metrics_histogram(struct ftp_histogram *h, struct ftp_metrics *m, int family,
	const char *labels, const double *bounds)
{
	char text[160];

	h->bounds = bounds;
	for (int i = 0; i <= FTP_HISTOGRAM_BOUNDS; i++) {
		if (i < FTP_HISTOGRAM_BOUNDS)
			snprintf(text, sizeof(text), "%s%sle=\"%g\"", labels, labels[0] ? "," : "",
				bounds[i]);
		else
			snprintf(text, sizeof(text), "%s%sle=\"+Inf\"", labels,
				labels[0] ? "," : "");
		h->buckets[i] = add_series(m, family, "_bucket", text);
	}
	h->sum = add_series(m, family, "_sum", labels);
	h->count = add_series(m, family, "_count", labels);
}

void ftp_histogram_add(struct ftp_histogram *h, double v)
{
	for (int i = 0; i <= FTP_HISTOGRAM_BOUNDS; i++)
		if (i == FTP_HISTOGRAM_BOUNDS || v <= h->bounds[i])
			ftp_metric_add(h->buckets[i], 1);
	ftp_metric_add(h->sum, v);
	ftp_metric_add(h->count, 1);
}

void ftp_metrics_relabel(struct ftp_metrics *m, struct ftp_metric *metric, const char *labels)
{
	struct series *s = (struct series *)metric;
	char *copy = strdup(labels);

	ftp_assert(copy);
	pthread_mutex_lock(&m->lock);
	ftp_assert(!find(m, s->family, s->suffix, labels) ||
		   find(m, s->family, s->suffix, labels) == s);
	free(s->labels);
	s->labels = copy;
	pthread_mutex_unlock(&m->lock);
}

void ftp_metrics_on_scrape(struct ftp_metrics *m, void (*refresh)(void *arg), void *arg)
{
	m->refresh = refresh;
	m->refresh_arg = arg;
}

static void render_family(FILE *f, const struct ftp_metrics *m, int family)
{
	static const char *const types[] = {[FTP_METRIC_COUNTER] = "counter",
		[FTP_METRIC_GAUGE] = "gauge",
		[FTP_METRIC_HISTOGRAM] = "histogram"};
	const struct ftp_metric_family *d = &m->families[family];
	int n = 0;

	for (struct series *s = m->first; s; s = s->next) {
		if (s->family != family)
			continue;
		if (n++ == 0)
			fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name,
				types[d->type]);
		fprintf(f, s->labels[0] ? "%s%s{%s} %.17g\n" : "%s%s%s %.17g\n", d->name, s->suffix,
			s->labels, ftp_metric_get(&s->metric));
	}
}

char *ftp_metrics_render(struct ftp_metrics *m, size_t *bytes)
{
	char *page = NULL;
	FILE *f = open_memstream(&page, bytes);

	ftp_assert(f);
	if (m->refresh)
		m->refresh(m->refresh_arg);
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < m->n_families; i++)
		render_family(f, m, i);
	pthread_mutex_unlock(&m->lock);
	fclose(f);
	return page;
}
