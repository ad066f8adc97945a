#include "tests/sim/links.h"

#include <stdlib.h>

#include "net/silence.h"
#include "net/simulated.h"
#include "runtime/base/error.h"
#include "runtime/base/prng.h"

#define DELAY_NS     (20 * FTP_NS_PER_US)
#define LINGER_NS    (300 * FTP_NS_PER_US) /* of shared memory, whose owner has gone */
#define UDP_ONE_IN   3			   /* worlds: nothing is heard of one that has gone */
#define BYTES_PER_S  500000
#define RING_PACKETS 64

struct link_end {
	struct ftp_port *port;	     /* NULL: it has left */
	struct sim_process *process; /* NULL: it has not come */
};

struct link {
	uint64_t key;
	struct link_end ends[2];
	bool is_broken;
	struct link *next;
};

struct sim_links {
	struct ftp_simulated *network;
	struct ftp_impair impair;
	struct link *first; /* of which an end is open */
};

/* Most worlds lose nothing; in a few more than now and then. */
static struct ftp_impair draw_impair(uint64_t seed)
{
	static const uint64_t jitters_us[] = {100, 300, 300, 3000, 20000};
	const uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 1);
	struct ftp_impair x = {.delay_ns = DELAY_NS, .bandwidth_bytes_per_s = BYTES_PER_S};

	x.jitter_ns = jitters_us[ftp_prng_below(key, 0, 5)] * FTP_NS_PER_US;
	if (!ftp_prng_below(key, 1, 4))
		x.loss = 0.005 + 0.025 * ftp_prng_unit(key, 2);
	if (!ftp_prng_below(key, 3, 4))
		x.duplication = x.reordering = 0.02;
	return x;
}

static bool is_udp(uint64_t seed)
{
	return !ftp_prng_below(ftp_prng_key(seed, FTP_PRNG_TEST, 1), 4, UDP_ONE_IN);
}

void sim_links_init(struct sim_world *w, uint64_t seed)
{
	struct sim_links *x = calloc(1, sizeof(*x));

	ftp_assert(x);
	x->network = ftp_simulated_new(seed);
	x->impair = draw_impair(seed);
	ftp_simulated_linger(x->network, is_udp(seed) ? FTP_NS_NEVER : LINGER_NS);
	w->links = x;
}

static int index_of(const struct link *l, const struct ftp_port *end)
{
	for (int i = 0; i < 2; i++)
		if (l->ends[i].port == end)
			return i;
	return -1;
}

static struct link *link_of(const struct sim_links *x, const struct ftp_port *end, int *index)
{
	struct link *l = x->first;

	while (l && (*index = index_of(l, end)) < 0)
		l = l->next;
	ftp_assert(l);
	return l;
}

static bool is_whole(const struct link *l)
{
	return l->ends[0].process && l->ends[1].process;
}

static void apply_cuts(struct sim_world *w, struct link *l)
{
	const struct link_end *e = l->ends;

	for (int i = 0; i < 2; i++) {
		bool is_cut =
			!is_whole(l) || sim_is_cut(w, e[!i].process->place, e[i].process->place);

		if (e[i].port)
			ftp_simulated_cut(w->links->network, e[i].port, !is_whole(l), is_cut);
	}
}

struct ftp_port *sim_links_open(struct sim_world *w, uint64_t key, struct sim_process *p)
{
	struct sim_links *x = w->links;
	struct ftp_port *ports[2];
	struct link *l = x->first;

	while (l && (l->key != key || is_whole(l)))
		l = l->next;
	if (l) {
		l->ends[1].process = p;
		apply_cuts(w, l);
		return l->ends[1].port;
	}
	l = calloc(1, sizeof(*l));
	ftp_assert(l);
	ftp_simulated_pair(x->network, &x->impair, RING_PACKETS, ports);
	*l = (struct link){.key = key, .ends = {{ports[0], p}, {ports[1], NULL}}, .next = x->first};
	x->first = l;
	apply_cuts(w, l);
	return ports[0];
}

static void forget(struct sim_links *x, struct link *l)
{
	struct link **at = &x->first;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	free(l);
}

void sim_links_leave(struct sim_world *w, struct ftp_port *end)
{
	struct sim_links *x = w->links;
	struct link_end *other;
	struct link *l;
	int i;

	l = link_of(x, end, &i);
	other = &l->ends[!i];
	l->ends[i].port = NULL;
	if (!other->process)
		other->port->ops->close(other->port);
	if (!other->process || !other->port)
		forget(x, l);
}

bool sim_links_send(struct sim_world *w, struct ftp_port *end, const char *what)
{
	struct sim_links *x = w->links;
	struct link *l;
	int i;

	l = link_of(x, end, &i);
	if (l->is_broken || !is_whole(l) || !l->ends[i].process->alive)
		return !l->is_broken;
	w->n_messages++;
	if (!sim_notable(w, l->ends[0].process, l->ends[1].process, what))
		return true;
	l->is_broken = true;
	for (i = 0; i < 2; i++)
		if (l->ends[i].port)
			ftp_simulated_hang_up(x->network, l->ends[i].port);
	return false;
}

void sim_links_end(struct sim_world *w, const struct sim_process *p)
{
	sim_links_advance(w);
	for (struct link *l = w->links->first; l; l = l->next)
		for (int i = 0; i < 2; i++)
			if (l->ends[i].process == p && l->ends[i].port)
				ftp_simulated_hang_up(w->links->network, l->ends[i].port);
}

uint64_t sim_links_next_ns(const struct sim_world *w)
{
	return ftp_simulated_next_ns(w->links->network);
}

void sim_links_advance(struct sim_world *w)
{
	ftp_simulated_advance(w->links->network, w->now_ns);
}

void sim_links_turn(struct sim_world *w)
{
	struct sim_process *woken[2] = {NULL, NULL};
	struct ftp_port *ends[2];

	if (!ftp_simulated_arrive(w->links->network, sim_links_next_ns(w), ends))
		return;
	for (int i = 0, at; i < 2; i++)
		if (ends[i])
			woken[i] = link_of(w->links, ends[i], &at)->ends[at].process;
	for (int i = 0; i < 2; i++)
		if (woken[i])
			sim_process_look(w, woken[i]);
}

/* The last packet was heard up to a beat before the cut, and the next one comes so long after; or
 * later, where they may be lost as well. */
bool sim_links_is_fatal(const struct sim_world *w, uint64_t lasts_ns)
{
	uint64_t quiet_ns =
		2 * FTP_SILENCE_BEAT_NS + w->links->impair.jitter_ns + FTP_NS_PER_S / 10;

	return w->links->impair.loss > 0 || lasts_ns > FTP_SILENCE_LEAST_NS - quiet_ns;
}

void sim_links_cut(struct sim_world *w, uint32_t from, uint32_t to)
{
	for (struct link *l = w->links->first; l; l = l->next)
		if (is_whole(l) &&
			((l->ends[0].process->place == from && l->ends[1].process->place == to) ||
				(l->ends[1].process->place == from &&
					l->ends[0].process->place == to)))
			apply_cuts(w, l);
}

void sim_links_free(struct sim_world *w)
{
	ftp_assert(!w->links->first);
	ftp_simulated_free(w->links->network);
	free(w->links);
}
