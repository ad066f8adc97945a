/* What will happen, in order: by time, then as it was said. */
#ifndef FTP_TESTS_SIM_QUEUE_H
#define FTP_TESTS_SIM_QUEUE_H

#include <stdint.h>

struct sim_process;
struct sim_conn;

struct sim_event {
	uint64_t at_ns, order;
	struct sim_process *process; /* NULL: of the world */
	struct sim_conn *conn;	     /* its first message; NULL: a timer */
	int kind, end;
	uint64_t tag;
};

struct sim_queue {		  /* all 0: empty */
	struct sim_event *events; /* a heap */
	uint32_t n, room;
	uint64_t n_made; /* ever */
};

void sim_queue_push(struct sim_queue *q, uint64_t now_ns, struct sim_event e);
struct sim_event sim_queue_pop(struct sim_queue *q); /* there is one */
void sim_queue_free(struct sim_queue *q);

#endif
