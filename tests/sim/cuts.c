/* The ways between servers that are cut. */
#include "net/loss.h"
#include "runtime/base/error.h"
#include "tests/sim/world.h"

#define RETRY_NS FTP_LOSS_MAX_BACKOFF_NS

bool sim_is_cut(const struct sim_world *w, uint32_t from, uint32_t to)
{
	return w->now_ns < w->cuts[from][to].until_ns;
}

/* Keep-alives come four times in the silence that it takes: the last one was heard before. */
bool sim_cut(struct sim_world *w, uint32_t from, uint32_t to, uint64_t until_ns)
{
	uint64_t silent_ns = w->now_ns + SIM_SILENCE_NS - sim_draw(w, SIM_SILENCE_NS / 4);
	bool is_fatal = until_ns > silent_ns;

	ftp_assert(from < SIM_MAX_PLACES && to < SIM_MAX_PLACES && !sim_is_cut(w, from, to));
	w->cuts[from][to] = (struct sim_cut){until_ns, is_fatal};
	if (is_fatal)
		sim_queue_push(&w->queue, w->now_ns,
			(struct sim_event){.at_ns = silent_ns,
				.kind = SIM_CUT_FOR_LONG,
				.tag = from * SIM_MAX_PLACES + to});
	if (until_ns != FTP_NS_NEVER)
		sim_queue_push(&w->queue, w->now_ns,
			(struct sim_event){.at_ns = until_ns,
				.kind = SIM_OPEN_AGAIN,
				.tag = from * SIM_MAX_PLACES + to});
	return is_fatal;
}

const struct sim_cut *sim_cut_of(
	const struct sim_world *w, const struct sim_conn *c, int to, uint64_t at_ns)
{
	const struct sim_process *a = c->ends[!to].process, *b = c->ends[to].process;
	const struct sim_cut *cut;

	if (!c->is_link || !a || !b)
		return NULL;
	cut = &w->cuts[a->place][b->place];
	return at_ns < cut->until_ns ? cut : NULL;
}

uint64_t sim_cut_through_ns(struct sim_world *w, const struct sim_conn *c, int to, uint64_t at_ns)
{
	const struct sim_cut *cut = sim_cut_of(w, c, to, at_ns);

	if (!cut)
		return at_ns;
	if (cut->until_ns == FTP_NS_NEVER || (cut->is_fatal && c->ends[to].is_met))
		return FTP_NS_NEVER;
	return cut->until_ns + sim_draw(w, RETRY_NS);
}
