#include "tests/runtime/checkpointer_rig.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "tests/base/check.h"

static void add_places(struct rig *r)
{
	struct ftp_snapshot_places *places;
	uint8_t n_of_unit[8];
	struct ftp_error err;

	memset(n_of_unit, 3, sizeof(n_of_unit));
	assert_int_equal(ftp_snapshot_places_new(&places, r->model, r->region, n_of_unit, &err), 0);
	ftp_snapshots_adopt(r->store, places);
}

void rig_begin_on(struct rig *r, struct ftp_disk *disk)
{
	struct ftp_checkpointer_spec spec = {.why = "no such disk",
		.directory = "test",
		.config = &r->config,
		.model = r->model,
		.patience_ns = r->patience_ns};
	struct ftp_error err;

	assert_int_equal(ftp_region_new(&r->region, 64 << 20, &err), 0);
	r->store = ftp_snapshots_new();
	add_places(r);
	spec.disk = disk;
	spec.snapshots = r->store;
	spec.region = r->region;
	r->k = ftp_checkpointer_new(&spec);
	ftp_checkpointer_claim(r->k, RUN);
}

void rig_begin(struct rig *r, struct simulated_disk *disk)
{
	r->disk = disk;
	rig_begin_on(r, disk ? simulated_disk_seam(disk) : NULL);
}

void rig_end(struct rig *r)
{
	ftp_checkpointer_free(r->k);
	ftp_snapshots_free(r->store);
	ftp_region_free(r->region); /* asserts that nothing is left in it */
}

void rig_restart(struct rig *r)
{
	struct simulated_disk *next = simulated_disk_after_kill(r->disk, check_seed());

	rig_end(r);
	rig_begin(r, next);
}

void rig_restart_hung(struct rig *r, uint64_t n)
{
	struct simulated_disk *next = simulated_disk_after_kill(r->disk, check_seed());

	rig_end(r);
	simulated_disk_fault(next, (struct simulated_fault){.kind = SIMULATED_HANGS, .n = n});
	r->patience_ns = 20 * FTP_NS_PER_MS;
	rig_begin(r, next);
}

static void init(struct rig *r)
{
	const struct ftp_model_spec spec = {.name = "lenet5", .width = 1, .activations = true};
	struct ftp_error err;

	memset(r, 0, sizeof(*r));
	r->config.keep = 2;
	assert_int_equal(ftp_model_new(&r->model, &spec, &err), 0);
}

void rig_open(struct rig *r, struct simulated_disk *disk)
{
	init(r);
	rig_begin(r, disk);
}

void rig_open_on(struct rig *r, struct ftp_disk *disk)
{
	init(r);
	rig_begin_on(r, disk);
}

void rig_close(struct rig *r)
{
	rig_end(r);
	ftp_model_free(r->model);
}

static uint8_t byte_of(uint32_t unit, uint64_t step)
{
	return (uint8_t)(16 * unit + step);
}

void rig_hold(struct rig *r, uint32_t unit, uint64_t step, uint64_t term)
{
	struct ftp_snapshot *s = ftp_snapshots_take(r->store, unit, step, term);

	assert_non_null(s);
	memset(s->data, byte_of(unit, step), ftp_snapshot_state_bytes(s));
	ftp_snapshots_complete(r->store, s, ftp_digest_of(s->data, ftp_snapshot_state_bytes(s)));
}

void rig_hold_all(struct rig *r, uint64_t step)
{
	for (uint32_t u = 0; u < (uint32_t)r->model->n_units; u++)
		rig_hold(r, u, step, TERM);
}

void rig_ask(struct rig *r, uint64_t step, uint64_t durable)
{
	const struct ftp_retain m = {
		.term = TERM, .n_steps = 1, .step = {step}, .disk = step, .durable = durable};

	ftp_checkpointer_retain(r->k, &m, 0);
	ftp_snapshots_retain(r->store, m.step, 1, UINT64_MAX);
}

bool rig_turn(struct rig *r)
{
	uint32_t n_idle = 0;

	do
		n_idle = ftp_checkpointer_turn(r->k, &r->told, 1000) ? 0 : n_idle + 1;
	while (!r->told.step && n_idle < 100);
	return r->told.step;
}

void rig_put(struct rig *r, uint64_t step)
{
	rig_hold_all(r, step);
	rig_ask(r, step, 0);
	assert_true(rig_turn(r));
	assert_int_equal(r->told.step, step);
	assert_int_equal(r->told.term, TERM);
}

uint32_t rig_listed(const struct rig *r, uint64_t step)
{
	struct ftp_inventory *m = calloc(1, sizeof(*m));
	uint32_t n = 0;

	ftp_checkpointer_list(r->k, m);
	for (uint32_t i = 0; i < m->n; i++)
		n += m->step[i] == step;
	free(m);
	return n;
}

bool rig_fetch(struct rig *r, uint32_t unit, uint64_t step)
{
	enum ftp_checkpointer_fetching f;
	uint64_t now_ns = 0;

	ftp_checkpointer_fetch(r->k, &unit, 1, step);
	while ((f = ftp_checkpointer_fetched(r->k, &r->why)) == FTP_CHECKPOINTER_FETCHING)
		ftp_checkpointer_turn(r->k, NULL, now_ns += 5 * FTP_NS_PER_MS);
	return f == FTP_CHECKPOINTER_FETCHED;
}

void rig_assert_fetched(struct rig *r, uint32_t unit, uint64_t step)
{
	const struct ftp_snapshot *s;

	assert_true(rig_fetch(r, unit, step));
	s = ftp_snapshots_newest(r->store, unit, step);
	assert_non_null(s);
	for (size_t i = 0; i < ftp_snapshot_state_bytes(s); i++)
		assert_int_equal(((const uint8_t *)s->data)[i], byte_of(unit, step));
}
