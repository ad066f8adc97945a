#include "tests/ctl/planner_oracle.h"

#include <string.h>

#include "runtime/base/prng.h"

static uint64_t forward(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t s)
{
	uint64_t ns = 0;

	for (uint32_t i = plan->first_unit[s]; i < plan->first_unit[s + 1]; i++)
		ns += p->nodes[plan->node[s]].times[i].forward_ns;
	return ns;
}

static uint64_t micro(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t s)
{
	uint64_t ns = 0;

	for (uint32_t i = plan->first_unit[s]; i < plan->first_unit[s + 1]; i++)
		ns += p->nodes[plan->node[s]].times[i].forward_ns +
		      p->nodes[plan->node[s]].times[i].backward_ns;
	return ns;
}

static uint64_t update(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t s)
{
	uint64_t ns = 0;

	for (uint32_t i = plan->first_unit[s]; i < plan->first_unit[s + 1]; i++)
		ns += p->nodes[plan->node[s]].times[i].update_ns;
	return ns;
}

static const struct ftp_planner_link *link_of(const struct ftp_planner_problem *p,
	const struct ftp_planner_plan *plan, uint32_t a, uint32_t b)
{
	return &p->links[plan->node[a] * p->n_nodes + plan->node[b]];
}

static uint64_t transfer(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan,
	uint32_t a, uint32_t b)
{
	const struct ftp_planner_link *l = link_of(p, plan, a, b);
	uint64_t bytes = p->units[plan->first_unit[a > b ? a : b]].input_bytes;

	return l->bytes_per_s ? (bytes * 1000000000 + l->bytes_per_s - 1) / l->bytes_per_s : 0;
}

static uint64_t there_and_back(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t s)
{
	return link_of(p, plan, s, s + 1)->latency_ns + transfer(p, plan, s, s + 1) +
	       link_of(p, plan, s + 1, s)->latency_ns + transfer(p, plan, s + 1, s);
}

/* Of a slot of stage s, up to the message in it and from the one back: credit, message; message,
 * acknowledgement. */
static uint64_t slot_way(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t s)
{
	return there_and_back(p, plan, s - 1) + link_of(p, plan, s - 1, s)->latency_ns +
	       link_of(p, plan, s, s - 1)->latency_ns;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* V(s) of the flush: the stage's own work and what it waits for, or what follows it. */
static uint64_t span(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t s)
{
	uint64_t m = p->micro_batches, k = plan->n_stages - 1 - s, w = k + 1 < m ? k + 1 : m;
	uint64_t f = forward(p, plan, s), b = micro(p, plan, s) - f, next, trip, fill, drain;

	if (!k)
		return m * (f + b);
	next = span(p, plan, s + 1);
	trip = there_and_back(p, plan, s) + next * k / (m + k - 1);
	fill = max(trip, (w - 1) * f) - (w - 1) * f;
	drain = max(trip, (w - 1) * b) - (w - 1) * b;
	return max(m * (f + b) + (w < m ? fill + drain : max(fill, drain)),
		f + b + there_and_back(p, plan, s) + next);
}

uint64_t oracle_step(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan)
{
	bool flush = p->schedule == FTP_PLANNER_FLUSH;
	uint64_t m = flush ? p->micro_batches : 1;
	uint64_t ns = flush ? span(p, plan, 0) + update(p, plan, 0) : 0;

	for (uint32_t s = 0; s < plan->n_stages; s++) {
		uint64_t window = 0, n = plan->n_stages - s;

		ns = max(ns, m * micro(p, plan, s) + update(p, plan, s));
		for (uint32_t j = s; j < plan->n_stages; j++)
			window += micro(p, plan, j) +
				  (j + 1 < plan->n_stages ? there_and_back(p, plan, j) : 0);
		if (!flush)
			ns = max(ns, (window + update(p, plan, s) + n - 1) / n);
		if (!flush && s)
			ns = max(ns, (window + slot_way(p, plan, s) + n) / (n + 1));
		if (s + 1 == plan->n_stages)
			continue;
		ns = max(ns, m * transfer(p, plan, s, s + 1));
		ns = max(ns, m * transfer(p, plan, s + 1, s));
	}
	return ns;
}

/* Of units [first, end) alone. */
static uint64_t bytes_of(const struct ftp_planner_problem *p, uint64_t versions, uint64_t slots,
	uint32_t first, uint32_t end)
{
	uint64_t bytes = 0, slot = 0, scratch = 0, scratchpad = 0;
	uint32_t run = end - first < 3 ? end - first : 3;

	for (uint32_t i = first; i < end; i++) {
		const struct ftp_planner_unit *u = &p->units[i];

		bytes += u->fixed_bytes + versions * u->version_bytes;
		slot += u->slot_bytes;
		slot -= i == first ? 0 : u[-1].shared_bytes < slot ? u[-1].shared_bytes : slot;
		if (i + run <= end)
			scratch = max(scratch, u->scratch_bytes[run - 1]);
		scratchpad = max(scratchpad, u->scratchpad_bytes);
	}
	return bytes + slots * slot + scratch + scratchpad;
}

static uint64_t most_copies(const struct ftp_planner_problem *p,
	const struct ftp_planner_plan *plan, uint32_t first, uint32_t end)
{
	uint32_t n = first || plan->n_stages == 1 ? end : p->n_units;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += p->units[i].state_bytes + 64;
	return p->snapshots ? bytes * (2 + p->disk_snapshots +
					      (!first && plan->n_stages > 1 && p->global_snapshots))
			    : 0;
}

/* Of units [first, end) as stage s. */
static uint64_t bytes_as(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan,
	uint32_t s, uint32_t first, uint32_t end)
{
	uint64_t ahead = plan->n_stages - s, versions = 1;

	if (p->schedule == FTP_PLANNER_1F1B)
		versions = ahead;
	else if (ahead > p->micro_batches)
		ahead = p->micro_batches;
	return bytes_of(p, versions, ahead + 1, first, end);
}

/* Copies of one unit that stage s keeps. */
static uint64_t copies_of(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan,
	uint32_t s, uint32_t unit)
{
	uint32_t owner = 0, n = plan->n_stages;
	bool is_near;

	while (unit >= plan->first_unit[owner + 1])
		owner++;
	is_near = owner == s || (owner + 1) % n == s;
	if (!p->snapshots)
		return 0;
	if (p->global_snapshots && s == 0 && n > 1)
		return 2 + p->disk_snapshots + is_near;
	return is_near ? 2 + p->disk_snapshots : 0;
}

uint64_t oracle_bytes(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t s)
{
	uint64_t bytes = bytes_as(p, plan, s, plan->first_unit[s], plan->first_unit[s + 1]);

	for (uint32_t i = 0; i < p->n_units; i++)
		bytes += copies_of(p, plan, s, i) * (p->units[i].state_bytes + 64);
	return bytes;
}

static bool every_part_fits(const struct ftp_planner_problem *p,
	const struct ftp_planner_plan *plan, uint32_t s, uint64_t limit)
{
	for (uint32_t i = plan->first_unit[s]; i < plan->first_unit[s + 1]; i++)
		for (uint32_t j = i + 1; j <= plan->first_unit[s + 1]; j++)
			if (bytes_as(p, plan, s, i, j) + most_copies(p, plan, i, j) > limit)
				return false;
	return true;
}

bool oracle_same(const struct ftp_planner_plan *a, const struct ftp_planner_plan *b)
{
	return a->n_stages == b->n_stages &&
	       !memcmp(a->node, b->node, a->n_stages * sizeof(a->node[0])) &&
	       !memcmp(a->first_unit, b->first_unit, (a->n_stages + 1) * sizeof(a->first_unit[0]));
}

bool oracle_fits(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan)
{
	for (uint32_t s = 0; s < plan->n_stages; s++) {
		const struct ftp_planner_node *n = &p->nodes[plan->node[s]];
		bool in_force = p->current && oracle_same(p->current, plan);

		uint64_t held = in_force ? 0 : n->held_bytes;

		if (held > n->memory_bytes || !every_part_fits(p, plan, s, n->memory_bytes - held))
			return false;
	}
	return true;
}

static uint32_t holder(const struct ftp_planner_plan *plan, uint32_t unit)
{
	uint32_t s = 0;

	while (plan->first_unit[s + 1] <= unit)
		s++;
	return plan->node[s];
}

uint64_t oracle_moved(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; p->current && i < p->n_units; i++)
		if (holder(plan, i) != holder(p->current, i))
			bytes += p->units[i].state_bytes;
	return bytes;
}

static bool before(const struct ftp_planner_plan *a, const struct ftp_planner_plan *b)
{
	if (a->n_stages != b->n_stages)
		return a->n_stages < b->n_stages;
	for (uint32_t s = 0; s < a->n_stages; s++) {
		if (a->first_unit[s] != b->first_unit[s])
			return a->first_unit[s] < b->first_unit[s];
		if (a->node[s] != b->node[s])
			return a->node[s] < b->node[s];
	}
	return false;
}

static void judge(const struct ftp_planner_problem *p, struct ftp_planner_plan *plan, bool skip,
	struct oracle *best)
{
	uint64_t step, moved, used = 0;

	for (uint32_t s = 0; s < plan->n_stages; s++) {
		if (p->in_order && s && plan->node[s] < plan->node[s - 1])
			return;
		used |= UINT64_C(1) << plan->node[s];
	}
	if ((p->in_order && !skip && plan->n_stages < p->n_nodes) || !oracle_fits(p, plan))
		return;
	best->without |= ((UINT64_C(1) << p->n_nodes) - 1) & ~used;
	step = oracle_step(p, plan);
	moved = oracle_moved(p, plan);
	if (best->found &&
		(step > best->step_ns ||
			(step == best->step_ns &&
				(moved > best->move_bytes || (moved == best->move_bytes &&
								     !before(plan, &best->plan))))))
		return;
	best->found = true;
	best->plan = *plan;
	best->step_ns = step;
	best->move_bytes = moved;
}

static void extend(const struct ftp_planner_problem *p, struct ftp_planner_plan *plan, uint32_t s,
	uint64_t used, bool skip, struct oracle *best)
{
	for (uint32_t v = 0; v < p->n_nodes; v++) {
		if ((!s && !(p->first >> v & 1)) || used >> v & 1)
			continue;
		plan->node[s] = v;
		plan->n_stages = s + 1;
		plan->first_unit[s + 1] = p->n_units;
		judge(p, plan, skip, best);
		for (uint32_t cut = plan->first_unit[s] + 1; cut < p->n_units; cut++) {
			plan->node[s] = v;
			plan->first_unit[s + 1] = cut;
			extend(p, plan, s + 1, used | UINT64_C(1) << v, skip, best);
		}
	}
}

struct oracle oracle_search(const struct ftp_planner_problem *p, bool skip)
{
	struct oracle best = {0};
	struct ftp_planner_plan plan = {0};

	extend(p, &plan, 0, 0, skip, &best);
	return best;
}

uint64_t oracle_draw(struct oracle_case *c, uint64_t n)
{
	return ftp_prng_below(c->key, c->draw++, n);
}

void oracle_draw_plan(struct oracle_case *c, struct ftp_planner_plan *plan)
{
	uint32_t n_nodes = c->problem.n_nodes, n_units = c->problem.n_units;
	uint32_t most = n_nodes < n_units ? n_nodes : n_units;
	uint32_t nodes[FTP_PLANNER_MAX_NODES];

	memset(plan, 0, sizeof(*plan));
	plan->n_stages = 1 + (uint32_t)oracle_draw(c, most);
	for (uint32_t v = 0; v < n_nodes; v++)
		nodes[v] = v;
	do {
		plan->node[0] = (uint32_t)oracle_draw(c, n_nodes);
	} while (!((c->problem.first | c->problem.heirs) >> plan->node[0] & 1));
	nodes[plan->node[0]] = 0;
	for (uint32_t s = 1; s < plan->n_stages; s++) {
		uint32_t other = s + (uint32_t)oracle_draw(c, n_nodes - s);
		uint32_t room = n_units - plan->first_unit[s - 1] - (plan->n_stages - s);

		plan->node[s] = nodes[other];
		nodes[other] = nodes[s];
		plan->first_unit[s] = plan->first_unit[s - 1] + 1 + (uint32_t)oracle_draw(c, room);
	}
	plan->first_unit[plan->n_stages] = n_units;
}

/* Often it is one node, as in most clusters. */
static void draw_first(struct oracle_case *c)
{
	uint64_t all = UINT64_MAX >> (64 - c->problem.n_nodes);

	c->problem.first = UINT64_C(1)
			   << oracle_draw(c, oracle_draw(c, 2) ? 1 : c->problem.n_nodes);
	if (oracle_draw(c, 2))
		c->problem.first |= oracle_draw(c, UINT64_MAX) & all;
	c->problem.heirs = oracle_draw(c, 2) ? oracle_draw(c, UINT64_MAX) & all : 0;
}

/* Coarse times now and then, so that there are ties. */
void oracle_draw_problem(
	struct oracle_case *c, uint64_t seed, uint64_t round, uint32_t n_nodes, uint32_t n_units)
{
	uint64_t grain, roomy;

	c->key = ftp_prng_key(seed, FTP_PRNG_TEST, 1000 + round);
	c->draw = 0;
	grain = oracle_draw(c, 2) ? 4 : 1000;
	roomy = oracle_draw(c, 3);
	c->problem = (struct ftp_planner_problem){.units = c->units,
		.n_units = n_units,
		.nodes = c->nodes,
		.n_nodes = n_nodes,
		.links = c->links,
		.schedule = oracle_draw(c, 2) ? FTP_PLANNER_1F1B : FTP_PLANNER_FLUSH};
	draw_first(c);
	c->problem.snapshots = oracle_draw(c, 2);
	c->problem.global_snapshots = c->problem.snapshots && oracle_draw(c, 2);
	c->problem.disk_snapshots = c->problem.snapshots && oracle_draw(c, 2);
	c->problem.micro_batches =
		c->problem.schedule == FTP_PLANNER_FLUSH ? 1 + (uint32_t)oracle_draw(c, 6) : 1;
	for (uint32_t i = 0; i < n_units; i++)
		c->units[i] = (struct ftp_planner_unit){.input_bytes = oracle_draw(c, 100),
			.state_bytes = oracle_draw(c, 20),
			.version_bytes = oracle_draw(c, 10),
			.fixed_bytes = oracle_draw(c, 20),
			.slot_bytes = 5 + oracle_draw(c, 15),
			.shared_bytes = oracle_draw(c, 12),
			.scratch_bytes = {oracle_draw(c, 30), oracle_draw(c, 40),
				oracle_draw(c, 50)},
			.scratchpad_bytes = oracle_draw(c, 10)};
	for (uint32_t v = 0; v < n_nodes; v++) {
		uint64_t slowness = 1 + oracle_draw(c, 5);

		for (uint32_t i = 0; i < n_units; i++)
			c->times[v][i] = (struct ftp_planner_times){
				.forward_ns = slowness * oracle_draw(c, grain),
				.backward_ns = slowness * oracle_draw(c, 2 * grain),
				.update_ns = slowness * oracle_draw(c, 1 + oracle_draw(c, grain))};
		c->nodes[v] = (struct ftp_planner_node){.times = c->times[v],
			.memory_bytes = roomy ? 100000
					      : 50 + oracle_draw(c, 60 * n_units) +
							c->problem.snapshots *
								oracle_draw(c, 250 * n_units),
			.held_bytes = oracle_draw(c, 100)};
	}
	/* From links that nobody notices to those that decide. */
	for (uint32_t l = 0; l < n_nodes * n_nodes; l++) {
		uint64_t most = 500000000000 / grain / (1 + oracle_draw(c, 400));

		c->links[l] = (struct ftp_planner_link){.latency_ns = oracle_draw(c, grain),
			.bytes_per_s = oracle_draw(c, 3) ? 1 + oracle_draw(c, most) : 0};
	}
	if (oracle_draw(c, 2)) {
		oracle_draw_plan(c, &c->current);
		c->problem.current = &c->current;
	}
}
