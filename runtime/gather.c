#include "runtime/gather.h"

#include <stdlib.h>

#include "runtime/moves.h"

struct ftp_gather {
	const struct ftp_model *model;
	struct ftp_states *states;
	const void *data[FTP_PROTOCOL_MAX_UNITS]; /* NULL where it is not here */
};

int ftp_gather_new(
	struct ftp_gather **out, struct ftp_assembly *a, uint64_t now_ns, struct ftp_error *err)
{
	struct ftp_states_spec spec = {.model = a->spec.model, .self = a->member};
	struct ftp_gather *g = calloc(1, sizeof(*g));
	int rc;

	ftp_assert(g);
	g->model = spec.model;
	for (uint32_t u = 0; u < a->plan->n_units; u++)
		spec.from[u] = ftp_moves_owner(a->plan, u);
	rc = ftp_states_new(&g->states, &spec, err);
	if (rc) {
		free(g);
		return rc;
	}
	for (uint32_t u = 0; u < a->plan->n_units; u++)
		g->data[u] = ftp_states_data(g->states, u);
	ftp_states_post(g->states, a->net, a->plan->last_step);
	ftp_states_send(g->states, a->stage, a->net, now_ns);
	*out = g;
	return 0;
}

void ftp_gather_free(struct ftp_gather *g)
{
	if (!g)
		return;
	ftp_states_free(g->states);
	free(g);
}

bool ftp_gather_event(struct ftp_gather *g, const struct ftp_netloop_event *e)
{
	int unit;

	return ftp_states_event(g->states, e, &unit);
}

bool ftp_gather_is_done(const struct ftp_gather *g)
{
	return ftp_states_is_idle(g->states);
}

const void *const *ftp_gather_states(const struct ftp_gather *g)
{
	return g->data;
}

void ftp_gather_digest(const struct ftp_gather *g, char hex[FTP_DIGEST_HEX])
{
	struct ftp_digest_stream *s = ftp_digest_begin();

	for (int u = 0; u < g->model->n_units; u++)
		ftp_digest_add(s, g->data[u], g->model->units[u].state_bytes);
	ftp_digest_hex(ftp_digest_end(s), hex);
}
