#include "kernels/memory_model.h"

static int memory_of_run(const struct ftp_stage_spec *given, int first, int end,
	struct ftp_stage_memory *out, struct ftp_error *err)
{
	struct ftp_stage_spec spec = *given;

	spec.first_unit = first;
	spec.end_unit = end;
	spec.n_slots = 1;
	spec.n_versions = 1;
	return ftp_stage_memory_of(&spec, out, err);
}

int ftp_memory_model_measure(
	const struct ftp_stage_spec *spec, struct ftp_memory_unit *units, struct ftp_error *err)
{
	int n_units = spec->model->n_units;
	size_t next_slot_bytes = 0;

	for (int u = n_units - 1; u >= 0; u--) {
		struct ftp_stage_memory m[FTP_MEMORY_MODEL_RUN];
		struct ftp_memory_unit *unit = &units[u];

		for (int k = 0; k < FTP_MEMORY_MODEL_RUN; k++) {
			int end = u + k < n_units ? u + k + 1 : n_units;
			int code = memory_of_run(spec, u, end, &m[k], err);

			if (code)
				return code;
			unit->scratch_bytes[k] = m[k].scratch - m[k].scratchpad;
		}
		unit->version_bytes = m[0].version;
		unit->fixed_bytes = m[0].gradients + m[0].moments + m[0].statistics;
		unit->scratchpad_bytes = m[0].scratchpad;
		unit->slot_bytes = m[0].slot;
		unit->shared_bytes = u + 1 < n_units ? m[0].slot + next_slot_bytes - m[1].slot : 0;
		next_slot_bytes = m[0].slot;
	}
	return 0;
}

static size_t max(size_t a, size_t b)
{
	return a > b ? a : b;
}

size_t ftp_memory_model_stage_bytes(
	const struct ftp_memory_unit *units, int first, int end, int n_slots, int n_versions)
{
	int run = end - first < FTP_MEMORY_MODEL_RUN ? end - first : FTP_MEMORY_MODEL_RUN;
	size_t bytes = 0, slot_bytes = 0, scratch_bytes = 0, scratchpad_bytes = 0;

	for (int u = first; u < end; u++) {
		bytes += units[u].fixed_bytes + (size_t)n_versions * units[u].version_bytes;
		slot_bytes += units[u].slot_bytes - (u + 1 < end ? units[u].shared_bytes : 0);
		scratchpad_bytes = max(scratchpad_bytes, units[u].scratchpad_bytes);
		if (u + run <= end)
			scratch_bytes = max(scratch_bytes, units[u].scratch_bytes[run - 1]);
	}
	return bytes + (size_t)n_slots * slot_bytes + scratch_bytes + scratchpad_bytes;
}
