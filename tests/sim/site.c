#include "tests/sim/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cluster.h"

#define BACKOFF_NS   (200 * FTP_NS_PER_MS) /* ctl/backoff.h */
#define MAX_DOUBLING 6
#define MAX_PENDING  8192

#define FAILS_WITHIN 40 /* operations */

enum timer { START_NODE, START_COORDINATOR, DISK_HAS_ROOM };

static const struct sim_node *node_of(const struct sim_cluster *c, const struct sim_process *p)
{
	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		if (c->nodes[i] && c->nodes[i]->process == p)
			return c->nodes[i];
	return NULL;
}

static uint64_t soon(struct sim_cluster *c, uint64_t least_ns, uint64_t most_ns)
{
	return c->world.now_ns + least_ns + sim_draw(&c->world, most_ns - least_ns + 1);
}

static void plan_node(struct sim_cluster *c, uint32_t node, uint64_t at_ns)
{
	c->start_ns[node] = at_ns;
	sim_timer(&c->world, c->site, at_ns, START_NODE, node);
}

static void plan_coordinator(struct sim_cluster *c, uint64_t at_ns)
{
	c->start_coordinator_ns = at_ns;
	sim_timer(&c->world, c->site, at_ns, START_COORDINATOR, 0);
}

/* What of the run there is, as a new process finds it. */
static struct ftp_coordinator_past *read_past(struct sim_cluster *c)
{
	struct ftp_coordinator_past *past = calloc(1, sizeof(*past));
	uint64_t n = c->files.n_rows;
	struct ftp_error err;
	char *text;

	ftp_assert(past);
	past->n_rows = n;
	for (uint64_t s = 1; s <= n; s++)
		past->losses[s % FTP_LATE_ROWS] =
			oracle_loss(c->oracle.states[s][c->spec.n_units - 1]);
	past->t_s = (double)(c->world.now_ns - FTP_NS_PER_S) * 1e-9;
	past->is_asked = c->is_site_new;
	if (!c->files.journal)
		return past;
	text = json_dumps(c->files.journal, JSON_COMPACT);
	past->journal = json_loads(text, 0, NULL);
	free(text);
	if (ftp_coordinator_journal_check(past->journal, c->core.run, &err))
		oracle_fail(&c->oracle, "the coordinator does not understand its own journal: %s",
			err.text);
	return past;
}

static void tell_exited(struct sim_cluster *c, const struct ftp_exited *m)
{
	sim_coordinator_ask(c->coordinator, FTP_METHOD_EXITED, ftp_exited_encode(m),
		sim_draw(&c->world, SIM_TELL_NS));
}

static void start_coordinator(struct sim_cluster *c)
{
	struct ftp_coordinator_settings core = c->core;
	struct ftp_coordinator_past *past = c->coordinator ? read_past(c) : NULL;

	core.past = past;
	if (past) {
		c->oracle.last_row = past->n_rows;
		for (uint64_t s = past->n_rows + 1; s < SIM_MAX_STEPS; s++)
			c->causes_at_row[s] = 0; /* it was lost, if it ever came */
	}
	if (!c->oracle.failure[0])
		c->coordinator = sim_coordinator_new(c, &core);
	if (past)
		json_decref((json_t *)past->journal);
	free(past);
	c->is_site_new = false;
	c->asked = -1;
	c->cut_row = 0;
	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		if (c->missed[i].who[0])
			tell_exited(c, &c->missed[i]);
		c->missed[i].who[0] = 0;
	}
}

static void start_node(struct sim_cluster *c, uint32_t node)
{
	c->start_ns[node] = 0;
	if (node >= c->config.n_nodes || c->nodes[node]->process->alive || sim_site_is_over(c))
		return;
	sim_say(&c->world, "***", "%s is started again", c->names[node]);
	sim_node_new(c, node);
	c->n_restarted++;
}

static void on_timer(void *self, int kind, uint64_t tag)
{
	struct sim_cluster *c = self;

	if (kind == START_NODE && c->start_ns[tag] == c->world.now_ns) {
		start_node(c, (uint32_t)tag);
	} else if (kind == START_COORDINATOR && c->start_coordinator_ns == c->world.now_ns) {
		c->start_coordinator_ns = 0;
		sim_say(&c->world, "***", "the coordinator is started again");
		start_coordinator(c);
		c->n_coordinators++;
	} else if (kind == DISK_HAS_ROOM && c->full_until_ns[tag] <= c->world.now_ns) {
		simulated_disk_capacity(c->disks[tag], 0);
	}
}

static void free_nothing(void *self)
{
	(void)self;
}

void sim_site_begin(struct sim_cluster *c)
{
	static const struct sim_process_ops ops = {.timer = on_timer, .free = free_nothing};

	c->site = sim_process_new(&c->world, "site", &ops, c);
	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		if (c->spec.checkpoint_every)
			c->disks[i] = simulated_disk_new(c->spec.seed + i);
		sim_node_absent(c, i);
	}
	start_coordinator(c);
	for (uint32_t i = 0; i < c->config.n_nodes; i++)
		if (!c->start_ns[i] && !c->nodes[i]->process->alive && !sim_site_is_over(c))
			sim_node_new(c, i);
}

/* It has as much as fits. */
static void fill(struct sim_cluster *c, uint32_t node)
{
	simulated_disk_capacity(c->disks[node], 1 + simulated_disk_bytes(c->disks[node]));
}

void sim_site_fail_disk(struct sim_cluster *c, const struct sim_fault *f)
{
	static const enum simulated_fault_kind kinds[] = {
		SIMULATED_FAILS, SIMULATED_TEARS, SIMULATED_LOSES, SIMULATED_DOES};
	struct simulated_disk *d = c->disks[f->victim];
	uint64_t until_ns = c->world.now_ns + f->lasts_ns;

	c->faulty_disks |= FTP_NODE_BIT(f->victim);
	if (f->kind == SIM_DISK_SLOW)
		c->slow_until_ns[f->victim] = until_ns;
	if (f->kind == SIM_DISK_FAILS)
		simulated_disk_fault(d,
			(struct simulated_fault){.kind = kinds[sim_draw(&c->world, 4)],
				.first =
					simulated_disk_n_ops(d) + sim_draw(&c->world, FAILS_WITHIN),
				.n = 1 + sim_draw(&c->world, 2),
				.error = EIO});
	if (f->kind != SIM_DISK_FULL)
		return;
	c->full_until_ns[f->victim] = until_ns;
	fill(c, f->victim);
	sim_timer(&c->world, c->site, until_ns, DISK_HAS_ROOM, f->victim);
}

/* What a simulated disk leaves behind is another one. */
static void replace(struct sim_cluster *c, uint32_t node, struct simulated_disk *by)
{
	sim_node_disk_close(c->nodes[node]);
	simulated_disk_free(c->disks[node]);
	c->disks[node] = by;
	if (c->full_until_ns[node] > c->world.now_ns)
		fill(c, node);
}

void sim_site_end(struct sim_cluster *c, struct sim_process *p)
{
	const struct sim_node *n = node_of(c, p);
	bool was_alive = p->alive;

	sim_process_end(&c->world, p);
	if (was_alive && n && c->disks[n->index])
		replace(c, n->index,
			simulated_disk_after_kill(
				c->disks[n->index], sim_draw(&c->world, UINT64_MAX)));
}

void sim_site_exited(struct sim_cluster *c, const struct sim_node *n, uint32_t code,
	uint32_t signal, const char *reason)
{
	struct ftp_exited m = {.pid = n->pid, .code = code, .signal = signal};
	uint32_t doubling = c->n_ends[n->index];

	sim_cluster_failed(c, n, reason);
	snprintf(m.who, sizeof(m.who), "%s", n->process->name);
	snprintf(m.reason, sizeof(m.reason), "%s", reason);
	if (c->coordinator->process->alive)
		tell_exited(c, &m);
	else
		c->missed[n->index] = m;
	if (!c->spec.restart_ns || (!code && !signal))
		return;
	c->n_ends[n->index] += doubling < MAX_DOUBLING;
	plan_node(c, n->index,
		c->world.now_ns + SIM_TELL_NS +
			(sim_draw(&c->world, c->spec.restart_ns) << doubling));
}

/* What it was told and did not take is told to the next one. */
static void save_asks(struct sim_cluster *c)
{
	const struct sim_coordinator *s = c->coordinator;

	for (uint32_t i = 0; i < s->n_asks; i++) {
		struct ftp_exited m;
		int node;

		if (s->asks[i].is_done || strcmp(s->asks[i].method, FTP_METHOD_EXITED) ||
			ftp_exited_decode(&m, s->asks[i].body, NULL))
			continue;
		node = ftp_config_find_node(&c->config, m.who);
		if (node >= 0)
			c->missed[node] = m;
	}
}

/* The power of their machine is off. */
static void cut_files(struct sim_cluster *c)
{
	sim_files_cut_power(&c->files, sim_draw(&c->world, sim_files_choices(&c->files)),
		c->spec.plant == SIM_PLANT_NO_JOURNAL_SYNC);
}

static void kill_coordinator(struct sim_cluster *c)
{
	if (c->coordinator->outcome != FTP_END_NONE)
		return;
	save_asks(c);
	sim_files_kill(&c->files);
	plan_coordinator(c, soon(c, BACKOFF_NS, BACKOFF_NS + c->spec.coordinator_restart_ns));
}

void sim_site_kill(struct sim_cluster *c, struct sim_process *p)
{
	const struct sim_node *n = node_of(c, p);

	sim_site_end(c, p);
	if (n)
		sim_site_exited(c, n, 0, 9, "");
	else
		kill_coordinator(c);
}

void sim_site_crash(struct sim_cluster *c)
{
	sim_site_kill(c, c->coordinator->process);
	cut_files(c);
}

static struct simulated_disk *after_cut(struct sim_cluster *c, const struct simulated_disk *d)
{
	static bool happened[MAX_PENDING];
	uint32_t n = simulated_disk_n_pending(d);
	/* All, nothing, or some of it. */
	uint64_t kind = sim_draw(&c->world, 4);

	ftp_assert(n <= MAX_PENDING);
	for (uint32_t i = 0; i < n; i++)
		happened[i] = kind > 1 ? sim_draw(&c->world, 2) : kind;
	return simulated_disk_after_cut(d, happened, sim_draw(&c->world, UINT64_MAX));
}

void sim_site_wipe(struct sim_cluster *c, uint32_t node)
{
	c->full_until_ns[node] = c->slow_until_ns[node] = 0;
	if (c->disks[node])
		replace(c, node, simulated_disk_new(sim_draw(&c->world, UINT64_MAX)));
	memset(c->on_disk[node], 0, sizeof(c->on_disk[node]));
}

/* A byte of the manifest, or of a segment. */
void sim_site_damage(struct sim_cluster *c, uint32_t node)
{
	char name[FTP_CHECKPOINT_NAME] = FTP_CHECKPOINT_MANIFEST;
	uint64_t bytes;
	uint8_t *data;

	if (!c->disks[node])
		return;
	if (sim_draw(&c->world, 2))
		ftp_checkpoint_format_segment_name(name, (uint32_t)sim_draw(&c->world, 3) + 1);
	bytes = simulated_disk_file(c->disks[node], name, &data);
	free(data);
	memset(c->on_disk[node], 0, sizeof(c->on_disk[node]));
	if (bytes)
		simulated_disk_flip(c->disks[node], name, sim_draw(&c->world, 8 * bytes));
}

static void cut_node(struct sim_cluster *c, const struct sim_fault *f, uint32_t i)
{
	bool is_absent = f->absent & FTP_NODE_BIT(i);

	sim_process_end(&c->world, c->nodes[i]->process);
	if (c->disks[i])
		replace(c, i, after_cut(c, c->disks[i]));
	if (f->wiped & FTP_NODE_BIT(i))
		sim_site_wipe(c, i);
	if (f->damaged & FTP_NODE_BIT(i))
		sim_site_damage(c, i);
	c->missed[i].who[0] = 0;
	c->n_ends[i] = 0;
	c->start_ns[i] = 0;
	if (!is_absent)
		plan_node(c, i, soon(c, f->outage_ns, f->outage_ns + f->spread_ns));
}

void sim_site_cut_power(struct sim_cluster *c, const struct sim_fault *f)
{
	sim_process_end(&c->world, c->coordinator->process);
	c->coordinator->outcome = FTP_END_NONE; /* what counts is what the files say */
	cut_files(c);
	if (f->n_nodes)
		c->config.n_nodes = f->n_nodes;
	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		cut_node(c, f, i);
	c->is_site_new = true;
	plan_coordinator(c, soon(c, f->outage_ns, f->outage_ns + f->spread_ns));
}

bool sim_site_is_over(const struct sim_cluster *c)
{
	return !c->coordinator->process->alive && !c->start_coordinator_ns;
}

bool sim_site_is_busy(const struct sim_cluster *c)
{
	bool is_busy = c->start_coordinator_ns;

	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		is_busy |= c->start_ns[i] != 0;
	return is_busy;
}

void sim_site_free(struct sim_cluster *c)
{
	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		if (c->disks[i])
			simulated_disk_free(c->disks[i]);
	sim_files_free(&c->files);
}
