/* Faults strike at their moments. */
#include <string.h>

#include "tests/sim/cluster.h"

static const struct sim_node *node_of(const struct sim_cluster *c, const struct sim_process *p)
{
	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		if (c->nodes[i] && c->nodes[i]->process == p)
			return c->nodes[i];
	return NULL;
}

static struct sim_process *process_of(struct sim_cluster *c, uint32_t victim)
{
	if (victim == SIM_COORDINATOR)
		return c->coordinator->process;
	return c->nodes[victim]->process;
}

static void hit(struct sim_cluster *c, const struct sim_process *p)
{
	const struct sim_node *n = node_of(c, p);

	if (n)
		c->hit |= FTP_NODE_BIT(n->index);
}

const char *sim_fault_name(enum sim_fault_kind kind)
{
	static const char *const names[] = {[SIM_KILL] = "kill",
		[SIM_FREEZE] = "freeze",
		[SIM_FREEZE_1S] = "freeze for 1 s",
		[SIM_HANG] = "hang the worker of",
		[SIM_DROP] = "drop a message",
		[SIM_POWER] = "cut the power",
		[SIM_CRASH] = "crash the coordinator's machine",
		[SIM_ECHO] = "repeat an old halt to",
		[SIM_PARTED] = "part two nodes",
		[SIM_DISK_FAILS] = "fail a disk operation",
		[SIM_DISK_FULL] = "full disk for a while",
		[SIM_DISK_SLOW] = "slow disk for a while"};

	return names[kind];
}

const char *sim_plant_name(enum sim_plant plant)
{
	static const char *const names[] = {[SIM_PLANT_NONE] = "no mistake",
		[SIM_PLANT_NO_TERM_CHECK] = "no check of terms",
		[SIM_PLANT_NO_HISTORY_CHECK] = "no check of the history",
		[SIM_PLANT_STALE_REPLICA] = "a stale replica is accepted",
		[SIM_PLANT_FREED_EARLY] = "a snapshot is freed too early",
		[SIM_PLANT_NO_SYNC] = "no sync of what is put on disks",
		[SIM_PLANT_NO_JOURNAL_SYNC] = "no sync of the journal",
		[SIM_PLANT_DURABLE_EARLY] = "a snapshot is durable when one node has put it",
		[SIM_PLANT_HALTED_IN_FORCE] = "a halted node says that it trains",
		[SIM_PLANT_OLD_HALT] = "a halt of an old term is obeyed",
		[SIM_PLANT_UNREACHED] = "nodes do not tell whom they do not reach",
		[SIM_PLANT_FAILED_PUT] = "a put that failed is told as done",
		[SIM_PLANT_REUSED_EARLY] = "memory that is sent from is used again too early"};

	return names[plant];
}

/* A coordinator that stands still for a moment takes nobody for lost; who is parted is counted
 * where links may not survive it. */
static bool is_cause(const struct sim_fault *f)
{
	return f->kind < SIM_ECHO && !(f->kind == SIM_FREEZE_1S && f->victim == SIM_COORDINATOR);
}

static void count(struct sim_cluster *c, const struct sim_fault *f)
{
	c->n_struck[f->kind]++;
	c->n_struck_in[c->coordinator->core->change.phase]++;
	c->n_causes += is_cause(f);
	if (f->kind == SIM_DROP || f->kind == SIM_POWER || f->kind == SIM_CRASH)
		return;
	c->n_struck_coordinator += f->victim == SIM_COORDINATOR;
	c->n_struck_central += f->victim == 0;
}

static bool drop(struct sim_cluster *c, const struct sim_fault *f, struct sim_process *const *ends)
{
	if (!ends)
		return false;
	sim_say(&c->world, "***", "the connection of %s and %s breaks", ends[0]->name,
		ends[1]->name);
	hit(c, ends[0]);
	hit(c, ends[1]);
	count(c, f);
	return true;
}

/* While it is off nothing can be hit. */
static void cut_power(struct sim_cluster *c, const struct sim_fault *f)
{
	if (!c->coordinator->process->alive)
		return;
	sim_say(&c->world, "***", "the power fails");
	count(c, f);
	c->hit = UINT64_MAX;
	sim_site_cut_power(c, f);
}

static void crash(struct sim_cluster *c, const struct sim_fault *f)
{
	if (!c->coordinator->process->alive)
		return;
	sim_say(&c->world, "***", "the coordinator's machine crashes");
	count(c, f);
	sim_site_crash(c);
}

static void echo(struct sim_cluster *c, const struct sim_fault *f)
{
	if (!c->coordinator->process->alive || f->victim == SIM_COORDINATOR)
		return;
	sim_say(&c->world, "***", "an old halt comes to %s", c->names[f->victim]);
	count(c, f);
	sim_coordinator_echo(c->coordinator, f->victim);
}

/* Links survive it where it is short: then it may cost no recovery. */
static void part(struct sim_cluster *c, const struct sim_fault *f)
{
	uint64_t until_ns =
		f->lasts_ns == FTP_NS_NEVER ? FTP_NS_NEVER : c->world.now_ns + f->lasts_ns;
	uint32_t a = f->victim + 1, b = f->peer + 1; /* places */
	bool is_fatal;

	if (f->victim == SIM_COORDINATOR || sim_is_cut(&c->world, a, b) ||
		sim_is_cut(&c->world, b, a))
		return;
	sim_say(&c->world, "***", "%s %s %s%s", c->names[f->victim],
		f->is_one_way ? "is not heard any more by" : "and", c->names[f->peer],
		f->is_one_way ? "" : " do not hear each other any more");
	count(c, f);
	c->hit |= FTP_NODE_BIT(f->victim) | FTP_NODE_BIT(f->peer);
	c->parted[f->victim] |= FTP_NODE_BIT(f->peer);
	is_fatal = sim_cut(&c->world, a, b, until_ns);
	if (!f->is_one_way)
		is_fatal |= sim_cut(&c->world, b, a, until_ns);
	c->n_causes += is_fatal;
}

static void fail_disk(struct sim_cluster *c, const struct sim_fault *f)
{
	static const char *const names[] = {[SIM_DISK_FAILS] = "begins to fail",
		[SIM_DISK_FULL] = "is full",
		[SIM_DISK_SLOW] = "becomes slow"};

	if (f->victim == SIM_COORDINATOR || !c->disks[f->victim] ||
		!c->nodes[f->victim]->process->alive)
		return;
	sim_say(&c->world, "***", "the disk of %s %s", c->names[f->victim], names[f->kind]);
	count(c, f);
	sim_site_fail_disk(c, f);
}

/* A node or the coordinator fails. */
static void strike_process(struct sim_cluster *c, const struct sim_fault *f)
{
	static const char *const names[] = {
		[SIM_KILL] = "is killed",
		[SIM_FREEZE] = "freezes for ever",
		[SIM_FREEZE_1S] = "freezes for a second",
		[SIM_HANG] = "has a worker that hangs",
	};
	struct sim_process *p = process_of(c, f->victim);

	if (!p->alive || (f->kind == SIM_HANG && f->victim == SIM_COORDINATOR))
		return;
	sim_say(&c->world, "***", "%s %s", p->name, names[f->kind]);
	count(c, f);
	if (f->kind != SIM_FREEZE_1S)
		hit(c, p);
	if (f->kind == SIM_HANG)
		c->is_worker_hit = c->nodes[f->victim]->hangs = true;
	else if (f->kind == SIM_KILL)
		sim_site_kill(c, p);
	else
		sim_process_freeze(&c->world, p,
			f->kind == SIM_FREEZE ? FTP_NS_NEVER : c->world.now_ns + FTP_NS_PER_S);
}

static bool strike(
	struct sim_cluster *c, const struct sim_fault *f, struct sim_process *const *ends)
{
	if (c->spec.traces_window)
		c->world.trace = c->spec.trace;
	if (f->kind == SIM_DROP)
		return drop(c, f, ends);
	if (f->kind == SIM_POWER)
		cut_power(c, f);
	else if (f->kind == SIM_CRASH)
		crash(c, f);
	else if (f->kind == SIM_ECHO)
		echo(c, f);
	else if (f->kind == SIM_PARTED)
		part(c, f);
	else if (f->kind > SIM_PARTED)
		fail_disk(c, f);
	else
		strike_process(c, f);
	return false;
}

bool sim_faults_moment(void *arg, struct sim_process *const *ends, const char *what)
{
	struct sim_cluster *c = arg;
	uint32_t at = c->n_moments;
	bool breaks = false;

	if (!c->counts)
		return false;
	c->n_moments++;
	if (c->moments && at < SIM_MAX_MOMENTS) {
		c->moments[at].is_message = ends;
		snprintf(c->moments[at].what, sizeof(c->moments[at].what), "%s%s",
			ends ? "sending " : "", what);
	}
	for (uint32_t i = 0; i < c->spec.n_faults; i++)
		if (c->spec.faults[i].moment == at)
			breaks |= strike(c, &c->spec.faults[i], ends);
	return breaks;
}
