#include "tests/sim/draw.h"

#include <string.h>

#include "runtime/base/prng.h"

#define LONG_NS (120 * FTP_NS_PER_S) /* a run on one node */

struct draw {
	uint64_t key, n;
};

static uint32_t below(struct draw *d, uint32_t n)
{
	return (uint32_t)ftp_prng_below(d->key, d->n++, n);
}

static void draw_cuts(struct draw *d, char *text, size_t bytes, uint32_t n_units, uint32_t n_stages)
{
	size_t at = 0;

	text[0] = 0;
	for (uint32_t i = 1, unit = 0; i < n_stages; i++) {
		unit += 1 + below(d, n_units - unit - (n_stages - i));
		at += (size_t)snprintf(text + at, bytes - at, "%s%u", i > 1 ? "," : "", unit);
	}
}

static void draw_plan(struct draw *d, const struct sim_spec *spec, struct sim_order *o)
{
	uint32_t nodes[SIM_MAX_NODES], n = 1 + below(d, spec->n_nodes);
	size_t at = 2;

	ftp_prng_permutation(d->key + d->n++, nodes, spec->n_nodes - 1);
	strcpy(o->nodes, "n1");
	for (uint32_t i = 0; i + 1 < n; i++)
		at += (size_t)snprintf(o->nodes + at, sizeof(o->nodes) - at, ",n%u", nodes[i] + 2);
	draw_cuts(d, o->cuts, sizeof(o->cuts), spec->n_units, n);
}

/* In a storm and after power cuts: what a run survives. */
static enum sim_fault_kind draw_loss(struct draw *d)
{
	static const enum sim_fault_kind kinds[] = {SIM_KILL, SIM_KILL, SIM_KILL, SIM_KILL,
		SIM_FREEZE_1S, SIM_DROP, SIM_CRASH, SIM_ECHO, SIM_PARTED};

	return kinds[below(d, sizeof(kinds) / sizeof(*kinds))];
}

/* Often soon after the one before, while that is being dealt with. */
static uint32_t draw_moment(struct draw *d, const struct sim_spec *spec, uint32_t i, uint32_t most)
{
	return i && below(d, 2) ? spec->faults[i - 1].moment + below(d, 40) : below(d, most);
}

/* For a moment, for as long as it takes to be noticed, for longer than it is left at that, or for
 * good. */
static void draw_part(struct draw *d, const struct sim_spec *spec, struct sim_fault *f)
{
	static const uint64_t longest_s[] = {7, 30, 100};
	uint32_t n = below(d, 4);

	f->victim = below(d, spec->n_nodes);
	f->peer = (f->victim + 1 + below(d, spec->n_nodes - 1)) % spec->n_nodes;
	f->is_one_way = below(d, 3) == 0;
	f->lasts_ns = FTP_NS_NEVER;
	if (n < 3)
		f->lasts_ns = (1 + below(d, (uint32_t)longest_s[n] * 1000)) * FTP_NS_PER_MS;
}

static void draw_parts(struct draw *d, struct sim_spec *spec)
{
	uint64_t ns = spec->n_steps * spec->n_units * spec->n_micro * 8 * spec->unit_ns;
	bool is_any = false;

	for (uint32_t i = 0; i < spec->n_faults; i++) {
		if (spec->faults[i].kind != SIM_PARTED)
			continue;
		draw_part(d, spec, &spec->faults[i]);
		is_any = true;
	}
	if (is_any && below(d, 2) && ns < LONG_NS) /* so that there is time to try again */
		spec->unit_ns *= LONG_NS / ns;
}

static void draw_disk_fault(struct draw *d, const struct sim_spec *spec, struct sim_fault *f)
{
	static const enum sim_fault_kind kinds[] = {
		SIM_DISK_FAILS, SIM_DISK_FAILS, SIM_DISK_FULL, SIM_DISK_SLOW};

	f->kind = kinds[below(d, sizeof(kinds) / sizeof(*kinds))];
	f->victim = below(d, spec->n_nodes);
	f->lasts_ns = (1 + below(d, 5000)) * FTP_NS_PER_MS;
}

static void draw_losses(struct draw *d, struct sim_spec *spec)
{
	spec->n_faults = 3 + below(d, SIM_MAX_FAULTS - 2);
	for (uint32_t i = 0; i < spec->n_faults; i++)
		spec->faults[i] = (struct sim_fault){.kind = draw_loss(d),
			.moment = draw_moment(d, spec, i, 150 * spec->n_nodes),
			.victim = below(d, spec->n_nodes + 1)};
}

static void draw_storm(struct draw *d, struct sim_spec *spec)
{
	spec->n_nodes = 2 + below(d, 4);
	spec->n_units = spec->n_nodes + below(d, 4);
	strcpy(spec->cuts, below(d, 2) ? "equal" : "auto");
	spec->snapshot_every = 1 + below(d, 3);
	spec->snapshot_global = spec->snapshot_every * below(d, 3);
	spec->restart_ns = (1 + below(d, 200)) * FTP_NS_PER_MS;
	spec->build_ns = (1 + below(d, 30)) * FTP_NS_PER_MS;
	spec->keeps_stale = below(d, 2);
	spec->n_orders = below(d, 3);
	for (uint32_t i = 0; i < spec->n_orders; i++) {
		spec->orders[i] = (struct sim_order){.kind = SIM_REPARTITION, .step = below(d, 15)};
		draw_plan(d, spec, &spec->orders[i]);
	}
	draw_losses(d, spec);
}

static uint64_t draw_nodes(struct draw *d, const struct sim_spec *spec)
{
	return below(d, 4) ? 0 : FTP_NODE_BIT(below(d, spec->n_nodes));
}

static void draw_outage(struct draw *d, const struct sim_spec *spec, struct sim_fault *f)
{
	f->kind = SIM_POWER;
	f->outage_ns = below(d, 1000) * FTP_NS_PER_MS;
	f->spread_ns = (1 + below(d, below(d, 3) ? 500 : 8000)) * FTP_NS_PER_MS;
	f->absent = draw_nodes(d, spec);
	f->wiped = draw_nodes(d, spec);
	f->damaged = draw_nodes(d, spec);
	f->n_nodes = below(d, 4) ? 0 : spec->n_nodes - below(d, 2);
	if (spec->n_nodes == 2) /* somebody must come back */
		f->absent = 0;
}

static void draw_site(struct draw *d, struct sim_spec *spec)
{
	draw_storm(d, spec);
	spec->checkpoint_every = 1 + below(d, 3);
	spec->checkpoint_keep = 1 + below(d, 2);
	spec->n_nodes_first = below(d, 4) ? 0 : spec->n_nodes - below(d, 2);
	for (uint32_t i = 0; i < spec->n_faults; i++) {
		struct sim_fault *f = &spec->faults[i];

		if (below(d, 3) == 0)
			draw_outage(d, spec, f);
		else if (below(d, 4) == 0)
			draw_disk_fault(d, spec, f);
	}
}

/* Some come back, the others not before the next time. */
static void draw_turn(struct draw *d, const struct sim_spec *spec, struct sim_fault *f)
{
	uint32_t kept = below(d, spec->n_nodes);

	draw_outage(d, spec, f);
	f->outage_ns = below(d, 300) * FTP_NS_PER_MS;
	f->spread_ns = (1 + below(d, 300)) * FTP_NS_PER_MS;
	f->damaged = f->n_nodes = 0;
	f->absent = 0;
	for (uint32_t i = 0; i < spec->n_nodes; i++)
		if (i != kept && below(d, 2))
			f->absent |= FTP_NODE_BIT(i);
}

/* The power fails again and again, and each time others are away: who comes back may hold what
 * those who went on without it have gone back behind. */
static void draw_turns(struct draw *d, struct sim_spec *spec)
{
	uint32_t moment = 0;

	spec->n_nodes = 2 + below(d, 2);
	spec->n_units = spec->n_nodes + below(d, 2);
	strcpy(spec->cuts, "equal");
	spec->n_orders = below(d, 2);
	spec->orders[0] = (struct sim_order){.kind = SIM_REPARTITION, .step = below(d, 30)};
	draw_plan(d, spec, &spec->orders[0]);
	spec->snapshot_every = 1 + below(d, 2);
	spec->snapshot_global = spec->snapshot_every * below(d, 3);
	spec->checkpoint_every = 1;
	spec->checkpoint_keep = 1 + below(d, 2);
	spec->restart_ns = (1 + below(d, 200)) * FTP_NS_PER_MS;
	spec->build_ns = (1 + below(d, 10)) * FTP_NS_PER_MS;
	spec->n_faults = SIM_MAX_FAULTS;
	for (uint32_t i = 0; i < spec->n_faults; i++) {
		struct sim_fault *f = &spec->faults[i];

		moment += 20 + below(d, 40 * spec->n_nodes);
		*f = (struct sim_fault){.kind = SIM_KILL, .victim = below(d, spec->n_nodes + 1)};
		if (below(d, 4))
			draw_turn(d, spec, f);
		else if (below(d, 2))
			draw_disk_fault(d, spec, f);
		f->moment = moment;
	}
}

struct sim_spec draw_spec(uint64_t seed, enum draw_kind kind)
{
	static const char *const cuts[] = {"", "equal", "auto"};
	static const enum sim_fault_kind faults[] = {SIM_KILL, SIM_FREEZE, SIM_FREEZE_1S, SIM_HANG,
		SIM_DROP, SIM_KILL, SIM_CRASH, SIM_ECHO, SIM_PARTED};
	bool snapshots = kind != DRAW_CHANGES;
	struct draw d = {.key = ftp_prng_key(seed, FTP_PRNG_FAULT, 0)};
	struct sim_spec spec = {.seed = seed,
		.n_nodes = 2 + below(&d, 5),
		.schedule = below(&d, 2) ? FTP_SCHEDULE_1F1B : FTP_SCHEDULE_FLUSH,
		.n_steps = 20 + below(&d, 60),
		.unit_ns = (1 + below(&d, 4)) * FTP_NS_PER_MS,
		.build_ns = (1 + below(&d, 300)) * FTP_NS_PER_MS,
		.n_orders = 1 + below(&d, 8),
		.n_faults = below(&d, snapshots ? 5 : 3),
		.always_counts = true,
		.coordinator_restart_ns = (1 + below(&d, 1000)) * FTP_NS_PER_MS,
		.snapshot_every = snapshots ? 1 + below(&d, 10) : 0};

	spec.snapshot_global = spec.snapshot_every * below(&d, 4);
	spec.n_units = spec.n_nodes + below(&d, 7);
	spec.n_micro = spec.schedule == FTP_SCHEDULE_1F1B ? 1 : 1 + below(&d, 4);
	strcpy(spec.cuts, cuts[below(&d, 3)]);
	if (!spec.cuts[0])
		draw_cuts(&d, spec.cuts, sizeof(spec.cuts), spec.n_units, spec.n_nodes);
	for (uint32_t i = 0, step = 0; i < spec.n_orders; i++) {
		struct sim_order *o = &spec.orders[i];

		step += below(&d, 12);
		*o = (struct sim_order){.kind = below(&d, 4),
			.step = step,
			.node = below(&d, spec.n_nodes),
			.slowdown = 1 + below(&d, SIM_MAX_SLOWDOWN)};
		if (o->kind == SIM_REPARTITION)
			draw_plan(&d, &spec, o);
	}
	for (uint32_t i = 0; i < spec.n_faults; i++)
		spec.faults[i] = (struct sim_fault){.kind = faults[below(&d, 9)],
			.moment = draw_moment(&d, &spec, i, 100 * spec.n_nodes),
			.victim = below(&d, spec.n_nodes + 1)};
	if (snapshots && below(&d, 2))
		spec.restart_ns = (1 + below(&d, 2000)) * FTP_NS_PER_MS;
	if (kind == DRAW_STORM)
		draw_storm(&d, &spec);
	if (kind == DRAW_SITE)
		draw_site(&d, &spec);
	if (kind == DRAW_TURNS)
		draw_turns(&d, &spec);
	draw_parts(&d, &spec);
	if (snapshots && !below(&d, 4)) /* a unit's state takes 10 to 50 ms */
		spec.snapshot_bytes_per_s = 40000 + below(&d, 160000);
	for (uint32_t i = 0; i < spec.n_faults; i++)
		if (spec.faults[i].victim == spec.n_nodes)
			spec.faults[i].victim = SIM_COORDINATOR;
	return spec;
}
