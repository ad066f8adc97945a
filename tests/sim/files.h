/* What outlives the coordinator's process, after ctl/coordinator_files.h: its losses and its
 * journal. Losses that were not flushed go with the process, those that were not synced may go with
 * the power. The losses themselves are known (tests/sim/oracle.h): a file is the number of its
 * rows.
 */
#ifndef FTP_TESTS_SIM_FILES_H
#define FTP_TESTS_SIM_FILES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_files {
	uint64_t n_rows, n_flushed, n_durable; /* rows: told, in the file, on the disk */
	json_t *journal, *older;	       /* NULL: none yet; the one before */
	uint64_t disk_step;		       /* that the journal names */
};

void sim_files_row(struct sim_files *f, uint64_t step);
void sim_files_cut(struct sim_files *f, uint64_t step);
void sim_files_flush(struct sim_files *f);
/* Losses first; body is kept. */
void sim_files_journal(struct sim_files *f, json_t *body, uint64_t disk_step);

void sim_files_kill(struct sim_files *f);
/* How many rows there are afterwards is one of so many choices. */
uint64_t sim_files_choices(const struct sim_files *f);
/* is_older: a journal that was never synced is the one before. */
void sim_files_cut_power(struct sim_files *f, uint64_t choice, bool is_older);
void sim_files_free(struct sim_files *f);

#endif
