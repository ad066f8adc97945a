/* The ways between servers that are cut. */
#include "runtime/base/error.h"
#include "tests/sim/links.h"

bool sim_is_cut(const struct sim_world *w, uint32_t from, uint32_t to)
{
	return w->now_ns < w->cut_until_ns[from][to];
}

bool sim_cut(struct sim_world *w, uint32_t from, uint32_t to, uint64_t until_ns)
{
	ftp_assert(from < SIM_MAX_PLACES && to < SIM_MAX_PLACES && !sim_is_cut(w, from, to));
	w->cut_until_ns[from][to] = until_ns;
	sim_links_cut(w, from, to);
	if (until_ns != FTP_NS_NEVER)
		sim_queue_push(&w->queue, w->now_ns,
			(struct sim_event){.at_ns = until_ns, .tag = from * SIM_MAX_PLACES + to});
	return sim_links_is_fatal(w, until_ns - w->now_ns);
}

void sim_mend(struct sim_world *w)
{
	for (uint32_t from = 0; from < SIM_MAX_PLACES; from++)
		for (uint32_t to = 0; to < SIM_MAX_PLACES; to++) {
			if (!sim_is_cut(w, from, to))
				continue;
			w->cut_until_ns[from][to] = w->now_ns;
			sim_links_cut(w, from, to);
		}
}
