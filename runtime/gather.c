#include "runtime/gather.h"

#include <errno.h>
#include <stdlib.h>

struct ftp_gather {
	const struct ftp_model *model;
	int n_open;	       /* messages posted or lent */
	unsigned char *memory; /* of this stage's units, or of all on the central node */
	struct ftp_buffer *buffers;
	void **states; /* per unit; NULL where it is not held */
};

static bool is_held(const struct ftp_plan *plan, int index, int unit)
{
	const struct ftp_plan_stage *s = &plan->stages[index];

	return index == 0 || ((uint32_t)unit >= s->first_unit && (uint32_t)unit < s->end_unit);
}

static int owner_of(const struct ftp_plan *plan, int unit)
{
	int stage = 0;

	while ((uint32_t)unit >= plan->stages[stage].end_unit)
		stage++;
	return stage;
}

static int lay_out(
	struct ftp_gather *g, const struct ftp_plan *plan, int index, struct ftp_error *err)
{
	size_t n_units = (uint32_t)g->model->n_units, bytes = 0;

	for (int u = 0; u < g->model->n_units; u++)
		if (is_held(plan, index, u))
			bytes += g->model->units[u].state_bytes;
	g->memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
	g->states = calloc(n_units, sizeof(*g->states));
	g->buffers = calloc(n_units, sizeof(*g->buffers));
	if (!g->memory || !g->states || !g->buffers)
		return ftp_error_set(err, ENOMEM, "no memory for %zu bytes of unit states", bytes);
	bytes = 0;
	for (int u = 0; u < g->model->n_units; u++) {
		if (!is_held(plan, index, u))
			continue;
		g->states[u] = g->memory + bytes;
		bytes += g->model->units[u].state_bytes;
	}
	return 0;
}

int ftp_gather_new(struct ftp_gather **out, const struct ftp_model *model, struct ftp_stage *stage,
	const struct ftp_plan *plan, int index, struct ftp_netloop *net, uint64_t now_ns,
	struct ftp_error *err)
{
	struct ftp_gather *g = calloc(1, sizeof(*g));
	int rc;

	ftp_assert(g);
	g->model = model;
	rc = lay_out(g, plan, index, err);
	if (rc) {
		ftp_gather_free(g);
		return rc;
	}
	for (int u = 0; u < model->n_units; u++) {
		const struct ftp_message_id id = {.kind = FTP_MESSAGE_UNIT_STATE,
			.cut = (uint16_t)u,
			.step = plan->last_step};
		uint32_t bytes = (uint32_t)model->units[u].state_bytes;
		int owner = owner_of(plan, u);

		if (owner == index)
			ftp_stage_export(stage, u, g->states[u]);
		if (!bytes || !g->states[u] || (index == 0 && owner == 0))
			continue;
		g->n_open++;
		if (index == 0) {
			ftp_netloop_post(net, owner, &id, g->states[u], bytes);
			continue;
		}
		ftp_buffer_init(&g->buffers[u], g->states[u], bytes);
		ftp_netloop_send(net, 0, &id, FTP_CLASS_BULK, &g->buffers[u], now_ns);
	}
	*out = g;
	return 0;
}

void ftp_gather_free(struct ftp_gather *g)
{
	if (!g)
		return;
	free(g->memory);
	free(g->states);
	free(g->buffers);
	free(g);
}

bool ftp_gather_event(struct ftp_gather *g, const struct ftp_netloop_event *e)
{
	if (e->event.id.kind != FTP_MESSAGE_UNIT_STATE)
		return false;
	if (e->event.kind != FTP_CONNECTION_RECEIVED && e->event.kind != FTP_CONNECTION_SENT)
		return false;
	ftp_assert(g->n_open > 0);
	g->n_open--;
	return true;
}

bool ftp_gather_is_done(const struct ftp_gather *g)
{
	return g->n_open == 0;
}

const void *const *ftp_gather_states(const struct ftp_gather *g)
{
	return (const void *const *)g->states;
}

void ftp_gather_digest(const struct ftp_gather *g, char hex[FTP_DIGEST_HEX])
{
	struct ftp_digest_stream *s = ftp_digest_begin();

	for (int u = 0; u < g->model->n_units; u++)
		ftp_digest_add(s, g->states[u], g->model->units[u].state_bytes);
	ftp_digest_hex(ftp_digest_end(s), hex);
}
