#include "tests/sim/compute.h"

#include <string.h>

#include "tests/sim/parcel.h"

#define REGION_BYTES ((size_t)1 << 32)

static struct ftp_region *region;

void ftp_stage_export(struct ftp_stage *s, int unit, void *state)
{
	const struct sim_unit *u = &s->units[unit];

	ftp_assert(u->is_here);
	sim_parcel_fill_state(state, (uint32_t)unit, u->step, u->state);
}

void ftp_stage_import(struct ftp_stage *s, int unit, const void *state)
{
	struct sim_unit *u = &s->units[unit];

	u->is_here = true;
	if (!sim_parcel_is_state(state, (uint32_t)unit, &u->step, &u->state))
		oracle_fail(s->oracle, "what %s takes for unit %d is something else", s->who, unit);
}

void ftp_stage_copy(struct ftp_stage *to, struct ftp_stage *from, int unit)
{
	to->units[unit] = from->units[unit];
}

void sim_compute_model(struct sim_model *m, uint32_t n_units)
{
	for (uint32_t u = 0; u < n_units; u++)
		m->units[u].state_bytes = SIM_STATE_BYTES;
	m->model.units = m->units;
	m->model.n_units = (int32_t)n_units;
	m->model.state_bytes = n_units * SIM_STATE_BYTES;
}

/* It is never empty: it would give its pages back. */
struct ftp_region *sim_compute_region(void)
{
	if (region)
		return region;
	ftp_assert(!ftp_region_new(&region, REGION_BYTES, NULL));
	ftp_assert(ftp_region_alloc(region, FTP_REGION_ALIGN));
	return region;
}

void sim_compute_check_region(void)
{
	ftp_assert(!region || ftp_region_used_bytes(region) == FTP_REGION_ALIGN);
}
