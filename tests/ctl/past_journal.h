/* The journal of a run of which little is known: number 7, at its first plan, with 9 steps. */
#ifndef FTP_TESTS_CTL_PAST_JOURNAL_H
#define FTP_TESTS_CTL_PAST_JOURNAL_H

#define PAST_RUN 7

static const char past_journal[] =
	"{\"version\": 3, \"run\": \"0000000000000007\", \"last_term\": 1, \"old_term\": 0,"
	"\"plan_step\": 0, \"plan_term\": 1, \"last_step\": 9, \"isa\": \"avx2\", \"train_s\": 1,"
	"\"outcome\": 0, \"reason\": \"\", \"params_digest\": \"\", \"fatal_step\": 0,"
	"\"fatal_stable\": 0, \"n_fatal\": 0, \"n_recoveries\": 0, \"n_committed\": 0,"
	"\"n_abandoned\": 0, \"n_lost_steps\": 0, \"n_cut_rows\": 0,"
	"\"dataset\": \"00000000000000010000000000000002\", \"n_train\": 9, \"n_test\": 9,"
	"\"stable_step\": 0, \"disk_step\": 0, \"disk_term\": 0, \"back_step\": 0, \"digest\": [],"
	"\"forgotten_term\": 0, \"begun_term\": [], \"begun_step\": [], \"plan\": null,"
	"\"evaluation\": null, \"nodes\": [], \"plans\": [], \"changes\": [],"
	"\"recoveries\": []}";

#endif
