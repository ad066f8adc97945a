#include "tests/sim/files.h"

void sim_files_row(struct sim_files *f, uint64_t step)
{
	f->n_rows = step;
}

void sim_files_cut(struct sim_files *f, uint64_t step)
{
	f->n_rows = f->n_flushed = step;
}

void sim_files_flush(struct sim_files *f)
{
	f->n_flushed = f->n_rows;
}

void sim_files_journal(struct sim_files *f, json_t *body, uint64_t disk_step)
{
	sim_files_flush(f);
	f->n_durable = f->n_flushed;
	json_decref(f->older);
	f->older = f->journal;
	f->journal = json_incref(body);
	f->disk_step = disk_step;
}

void sim_files_kill(struct sim_files *f)
{
	f->n_rows = f->n_flushed;
}

static uint64_t least(const struct sim_files *f)
{
	return f->n_flushed < f->n_durable ? f->n_flushed : f->n_durable;
}

/* A file that was cut and written again may be the old one too, or end anywhere between them. */
uint64_t sim_files_choices(const struct sim_files *f)
{
	uint64_t most = f->n_flushed > f->n_durable ? f->n_flushed : f->n_durable;

	return most - least(f) + 1;
}

void sim_files_cut_power(struct sim_files *f, uint64_t choice, bool is_older)
{
	if (is_older && f->older) {
		json_decref(f->journal);
		f->journal = json_incref(f->older);
	}
	f->n_rows = f->n_flushed = f->n_durable = least(f) + choice;
}

void sim_files_free(struct sim_files *f)
{
	json_decref(f->journal);
	json_decref(f->older);
}
