#include "ctl/planner_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/planner_predict.h"
#include "ctl/planner_space.h"

/* 64 stages and twice their hops add up to less than 2^57. */
#define MAX_STEP_NS (UINT64_C(1) << 49)
#define MAX_HOP_NS  (UINT64_C(1) << 49)
#define MAX_BYTES   (UINT64_C(1) << 48) /* of one kind, of a unit */
#define MAX_MICRO   (UINT32_C(1) << 20)

int ftp_planner_tables_sum(struct ftp_planner_sums *sums, const struct ftp_planner_times *times,
	uint32_t n_units, uint32_t micro_batches, uint64_t max_ns, struct ftp_error *err)
{
	sums->forward_ns[0] = sums->micro_ns[0] = sums->busy_ns[0] = 0;
	for (uint32_t i = 0; i < n_units; i++) {
		const struct ftp_planner_times *u = &times[i];
		unsigned __int128 micro = (unsigned __int128)u->forward_ns + u->backward_ns;
		unsigned __int128 busy = sums->busy_ns[i] + micro * micro_batches + u->update_ns;

		if (busy > max_ns || sums->micro_ns[i] + micro > max_ns)
			return ftp_error_set(err, EINVAL,
				"planner: unit times add up to more than a step can last");
		sums->forward_ns[i + 1] = sums->forward_ns[i] + u->forward_ns;
		sums->micro_ns[i + 1] = sums->micro_ns[i] + (uint64_t)micro;
		sums->busy_ns[i + 1] = (uint64_t)busy;
	}
	return 0;
}

static bool scratch_is_bounded(const struct ftp_planner_unit *u)
{
	for (int k = 0; k < FTP_PLANNER_RUN; k++)
		if (u->scratch_bytes[k] > MAX_BYTES)
			return false;
	return true;
}

static int check(const struct ftp_planner_problem *p, struct ftp_error *err)
{
	if (!p->n_units || p->n_units > FTP_PLANNER_MAX_UNITS)
		return ftp_error_set(err, EINVAL, "planner: expected 1 to %d units, got %u",
			FTP_PLANNER_MAX_UNITS, p->n_units);
	if (!p->n_nodes || p->n_nodes > FTP_PLANNER_MAX_NODES)
		return ftp_error_set(err, EINVAL, "planner: expected 1 to %d nodes, got %u",
			FTP_PLANNER_MAX_NODES, p->n_nodes);
	if (p->in_order && p->n_nodes > p->n_units)
		return ftp_error_set(err, EINVAL,
			"planner: %u nodes in order need as many units, got %u", p->n_nodes,
			p->n_units);
	if (!p->micro_batches || p->micro_batches > MAX_MICRO)
		return ftp_error_set(err, EINVAL, "planner: expected 1 to %u micro-batches, got %u",
			MAX_MICRO, p->micro_batches);
	if (p->schedule == FTP_PLANNER_1F1B && p->micro_batches != 1)
		return ftp_error_set(err, EINVAL,
			"planner: 1f1b takes one micro-batch per step, got %u", p->micro_batches);
	for (uint32_t i = 0; i < p->n_units; i++) {
		const struct ftp_planner_unit *u = &p->units[i];

		if (u->input_bytes > MAX_BYTES || u->state_bytes > MAX_BYTES ||
			u->version_bytes > MAX_BYTES || u->fixed_bytes > MAX_BYTES ||
			u->slot_bytes > MAX_BYTES || u->scratchpad_bytes > MAX_BYTES ||
			!scratch_is_bounded(u))
			return ftp_error_set(
				err, EINVAL, "planner: unit %u has more than 2^48 bytes", i);
	}
	return 0;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Units first, first + 1 ... as one stage. */
struct stage_sum {
	uint64_t fixed, version, slot, scratchpad, scratch;
};

static void add_unit(
	struct stage_sum *sum, const struct ftp_planner_unit *units, uint32_t first, uint32_t unit)
{
	const struct ftp_planner_unit *u = &units[unit];
	uint64_t shared = unit > first ? u[-1].shared_bytes : 0;
	uint32_t run = unit - first < FTP_PLANNER_RUN ? unit - first : FTP_PLANNER_RUN - 1;
	uint64_t scratch = u[-(int)run].scratch_bytes[run];

	sum->fixed += u->fixed_bytes;
	sum->version += u->version_bytes;
	sum->slot += u->slot_bytes;
	sum->slot -= shared < sum->slot ? shared : sum->slot;
	sum->scratchpad = max(sum->scratchpad, u->scratchpad_bytes);
	sum->scratch = unit - first < FTP_PLANNER_RUN ? scratch : max(sum->scratch, scratch);
}

static uint64_t copies_of_unit(const struct ftp_planner_problem *p)
{
	return p->snapshots ? 2 + p->disk_snapshots : 0;
}

/* The most that copies of unit states can take in a stage that ends before end. */
static uint64_t most_copies(
	const struct ftp_planner_tables *t, uint32_t n_after, uint32_t first, uint32_t end)
{
	const struct ftp_planner_problem *p = t->problem;

	if (first || !n_after)
		return copies_of_unit(p) * t->copy_bytes[end];
	return (copies_of_unit(p) + p->global_snapshots) * t->copy_bytes[p->n_units];
}

static uint64_t of_stage(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, uint32_t s)
{
	return t->copy_bytes[plan->first_unit[s + 1]] - t->copy_bytes[plan->first_unit[s]];
}

uint64_t ftp_planner_tables_copies(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, uint32_t s)
{
	uint64_t all = t->copy_bytes[t->problem->n_units];
	uint64_t copies = copies_of_unit(t->problem);
	uint32_t n = plan->n_stages;
	uint64_t near = of_stage(t, plan, s);

	if (n > 1)
		near += of_stage(t, plan, s ? s - 1 : n - 1);
	return copies * near +
	       (t->problem->global_snapshots && n > 1 && !s ? near + copies * (all - near) : 0);
}

static uint64_t bytes_of(
	const struct ftp_planner_problem *p, uint32_t n_after, const struct stage_sum *sum)
{
	uint64_t ahead = n_after + 1, n_versions = ahead;

	if (p->schedule == FTP_PLANNER_FLUSH) {
		n_versions = 1;
		ahead = ahead < p->micro_batches ? ahead : p->micro_batches;
	}
	return sum->fixed + n_versions * sum->version + (ahead + 1) * sum->slot + sum->scratch +
	       sum->scratchpad;
}

uint64_t ftp_planner_tables_bytes(
	const struct ftp_planner_tables *t, uint32_t n_after, uint32_t first, uint32_t end)
{
	struct stage_sum sum = {0};

	for (uint32_t u = first; u < end; u++)
		add_unit(&sum, t->problem->units, first, u);
	return bytes_of(t->problem, n_after, &sum);
}

static void fill_room(struct ftp_planner_tables *t, uint32_t n_after)
{
	const struct ftp_planner_problem *p = t->problem;

	for (uint32_t i = p->n_units; i-- > 0;) {
		uint64_t *row = t->room_bytes + (n_after * p->n_units + i) * p->n_units;
		struct stage_sum sum = {0};

		for (uint32_t j = i; j < p->n_units; j++) {
			uint64_t part = j > i ? max(row[j - 1], row[p->n_units + j]) : 0;

			add_unit(&sum, p->units, i, j);
			row[j] = max(part,
				bytes_of(p, n_after, &sum) + most_copies(t, n_after, i, j + 1));
		}
	}
}

static void sum_copies(struct ftp_planner_tables *t)
{
	const struct ftp_planner_problem *p = t->problem;

	t->copy_bytes[0] = 0;
	for (uint32_t i = 0; i < p->n_units; i++)
		t->copy_bytes[i + 1] =
			t->copy_bytes[i] + p->units[i].state_bytes + FTP_PLANNER_LABEL_BYTES;
}

static void sum_moves(struct ftp_planner_tables *t)
{
	const struct ftp_planner_problem *p = t->problem;

	memset(t->moved_bytes, 0, sizeof(t->moved_bytes));
	t->has_current = p->current && !ftp_planner_predict_check(p, p->current, NULL);
	if (!t->has_current)
		return;
	for (uint32_t s = 0; s < p->current->n_stages; s++)
		for (uint32_t i = p->current->first_unit[s]; i < p->current->first_unit[s + 1]; i++)
			for (uint32_t v = 0; v < p->n_nodes; v++)
				t->moved_bytes[v][i + 1] =
					t->moved_bytes[v][i] +
					(v == p->current->node[s] ? 0 : p->units[i].state_bytes);
}

uint64_t ftp_planner_tables_limit(const struct ftp_planner_tables *t, uint32_t node)
{
	const struct ftp_planner_node *n = &t->problem->nodes[node];

	return n->memory_bytes > n->held_bytes ? n->memory_bytes - n->held_bytes : 0;
}

static uint64_t transfer_ns(uint64_t bytes, uint64_t bytes_per_s)
{
	unsigned __int128 ns;

	if (!bytes_per_s)
		return 0;
	if (bytes < UINT64_MAX / 2000000000) {
		uint64_t short_ns = bytes * 1000000000;

		ns = short_ns / bytes_per_s + !!(short_ns % bytes_per_s);
	} else {
		ns = ((unsigned __int128)bytes * 1000000000 + bytes_per_s - 1) / bytes_per_s;
	}
	return ns < MAX_HOP_NS ? (uint64_t)ns : MAX_HOP_NS;
}

struct ftp_planner_hop ftp_planner_tables_hop(
	const struct ftp_planner_tables *t, uint32_t from, uint32_t to, uint32_t cut)
{
	const struct ftp_planner_problem *p = t->problem;
	const struct ftp_planner_link *there = &p->links[from * p->n_nodes + to];
	const struct ftp_planner_link *back = &p->links[to * p->n_nodes + from];
	uint64_t bytes = p->units[cut].input_bytes;
	uint64_t there_ns = transfer_ns(bytes, there->bytes_per_s);
	uint64_t back_ns = transfer_ns(bytes, back->bytes_per_s);
	uint64_t slower_ns = there_ns > back_ns ? there_ns : back_ns;
	uint64_t there_late_ns = there->latency_ns < MAX_HOP_NS ? there->latency_ns : MAX_HOP_NS;
	uint64_t back_late_ns = back->latency_ns < MAX_HOP_NS ? back->latency_ns : MAX_HOP_NS;
	uint64_t late_ns = there_late_ns + back_late_ns, path_ns = there_ns + back_ns + late_ns;

	/* Beyond some days it makes no difference. */
	return (struct ftp_planner_hop){.path_ns = path_ns < MAX_HOP_NS ? path_ns : MAX_HOP_NS,
		.late_ns = late_ns < MAX_HOP_NS ? late_ns : MAX_HOP_NS,
		.busy_ns = slower_ns < MAX_HOP_NS / p->micro_batches ? slower_ns * p->micro_batches
								     : MAX_HOP_NS};
}

static void fill_hops(struct ftp_planner_tables *t)
{
	uint32_t n = t->problem->n_nodes, n_units = t->problem->n_units;

	for (uint32_t from = 0; from < n; from++)
		for (uint32_t to = 0; to < n; to++)
			for (uint32_t cut = 0; cut < n_units; cut++)
				t->hops[(from * n + to) * n_units + cut] =
					ftp_planner_tables_hop(t, from, to, cut);
}

static void sum_fastest(struct ftp_planner_tables *t)
{
	const struct ftp_planner_problem *p = t->problem;

	t->ahead_ns[0] = 0;
	for (uint32_t i = 0; i < p->n_units; i++) {
		uint64_t least = UINT64_MAX;

		for (uint32_t v = 0; v < p->n_nodes; v++) {
			uint64_t ns = ftp_planner_micro_ns(t, v, i, i + 1);

			least = ns < least ? ns : least;
		}
		t->ahead_ns[i + 1] =
			t->ahead_ns[i] + (p->schedule == FTP_PLANNER_FLUSH ? least : 0);
	}
}

struct ftp_planner_tables *ftp_planner_tables_new(
	const struct ftp_planner_problem *p, bool search, int *rc, struct ftp_error *err)
{
	struct ftp_planner_tables *t;
	size_t n_rows, n_units, n_ends, starts, rooms, hops = 0, values = 0, time_ends = 0,
						       reaches = 0;
	char *at;

	*rc = check(p, err);
	if (*rc)
		return NULL;
	n_rows = ftp_planner_space_max_rows(p->n_nodes);
	n_units = p->n_units;
	n_ends = (size_t)p->n_nodes * p->n_nodes * n_units;
	starts = n_rows * sizeof(*t->starts);
	rooms = p->n_nodes * n_units * n_units * sizeof(*t->room_bytes);
	if (search) {
		hops = n_ends * sizeof(*t->hops);
		values = n_rows * n_units * sizeof(*t->value_ns);
		reaches = n_rows * sizeof(*t->reach);
		time_ends = p->n_nodes * n_units * sizeof(*t->time_end);
	}
	t = malloc(sizeof(*t) + starts + rooms + hops + 3 * values + reaches +
		   n_ends * sizeof(*t->fit_end) + time_ends);
	if (!t) {
		*rc = ftp_error_set(err, ENOMEM, "planner: no memory for the tables");
		return NULL;
	}
	at = (char *)(t + 1);
	t->problem = p;
	t->starts = (void *)at;
	t->room_bytes = (void *)(at += starts);
	t->hops = (void *)(at += rooms);
	t->value_ns = (void *)(at += hops);
	t->trip_ns = (void *)(at += values);
	t->least_bytes = (void *)(at += values);
	t->reach = (void *)(at += values);
	t->fit_end = (void *)(at += reaches);
	t->time_end = (void *)(at += n_ends * sizeof(*t->fit_end));
	for (uint32_t v = 0; v < p->n_nodes && !*rc; v++) {
		*rc = ftp_planner_tables_sum(&t->nodes[v], p->nodes[v].times, p->n_units,
			p->micro_batches, MAX_STEP_NS, err);
	}
	if (*rc) {
		free(t);
		return NULL;
	}
	sum_copies(t);
	for (uint32_t n_after = 0; n_after < p->n_nodes; n_after++)
		fill_room(t, n_after);
	sum_moves(t);
	if (search) {
		sum_fastest(t);
		fill_hops(t);
	}
	return t;
}
