/* What lies outside the cores, in virtual time: a clock, an event queue, processes that can be
 * killed or frozen, control connections between them, and a network (links.h). One seed gives one
 * life, always.
 *
 * A control connection carries documents in order, each way, with a drawn latency, as TCP does.
 * When an end closes it or its process dies, the other end hears of it after what was sent before.
 * A frozen process does nothing: what happens to it waits, in order, and what it sends leaves when
 * it goes on; of its links, what does not fit into a port's ring is lost meanwhile, and nothing
 * keeps them alive.
 *
 * The way from one server to another may be cut, for links alone: what is sent then is lost.
 */
#ifndef FTP_TESTS_SIM_WORLD_H
#define FTP_TESTS_SIM_WORLD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/clock.h"
#include "tests/sim/queue.h"

#define SIM_MAX_PLACES 16
#define SIM_WAKE       (-1) /* kind of a timer */

struct sim_process_ops {
	/* a document; lent for the call */
	void (*message)(void *self, struct sim_conn *c, const void *document);
	void (*lost)(void *self, struct sim_conn *c, const char *why);
	void (*look)(void *self); /* at its links: sim_wake(), or something has come */
	void (*timer)(void *self, int kind, uint64_t tag);
	void (*free)(void *self); /* at the world's end, dead or alive */
};

struct sim_process {
	char name[16];
	uint32_t place; /* its server, below SIM_MAX_PLACES; 0: one that no cable leads to */
	bool alive;
	uint64_t frozen_until_ns; /* FTP_NS_NEVER: for ever */
	uint32_t n_freezes;
	uint64_t wake_ns; /* 0: sim_wake() was not asked for */
	const struct sim_process_ops *ops;
	void *self;
	struct sim_process *next;
};

struct sim_conn_end {
	struct sim_process *process;
	void *owner; /* the process's own; NULL: the process itself */
	bool closed;
	struct sim_message *first, **last; /* on their way to this end */
	uint64_t newest_ns;		   /* arrival */
};

struct sim_conn {
	struct sim_conn_end ends[2];
	struct sim_conn *next;
};

struct sim_world {
	uint64_t now_ns, key, n_drawn;
	uint64_t n_events, n_messages; /* so far */
	struct sim_queue queue;
	struct sim_process *processes;
	struct sim_conn *conns;
	struct sim_links *links;
	uint64_t cut_until_ns[SIM_MAX_PLACES][SIM_MAX_PLACES]; /* from, to */
	FILE *trace;					       /* NULL: none */
	bool is_heard;	  /* somebody reads what is said, in the trace or as a moment */
	bool writes_text; /* documents travel as text */
	/* Something notable is about to happen: to be counted, to be the moment of a fault. ends:
	 * of what it is to be sent over, NULL if it is no message. true: it is lost, and its
	 * connection breaks. */
	bool (*moment)(void *arg, struct sim_process *const *ends, const char *what);
	void *arg;
};

void sim_world_init(struct sim_world *w, uint64_t seed);
void sim_world_free(struct sim_world *w);

/* false: nothing will happen any more. */
bool sim_world_turn(struct sim_world *w);

uint64_t sim_draw(struct sim_world *w, uint64_t n); /* below n */
void sim_say(struct sim_world *w, const char *who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct sim_process *sim_process_new(
	struct sim_world *w, const char *name, const struct sim_process_ops *ops, void *self);
void sim_process_end(struct sim_world *w, struct sim_process *p);
void sim_process_freeze(struct sim_world *w, struct sim_process *p, uint64_t until_ns);
bool sim_process_is_frozen(const struct sim_world *w, const struct sim_process *p);
/* cuts.c: nothing comes from the one place to the other; FTP_NS_NEVER: for ever. It must be open.
 * true: links may not survive it. */
bool sim_cut(struct sim_world *w, uint32_t from, uint32_t to, uint64_t until_ns);
bool sim_is_cut(const struct sim_world *w, uint32_t from, uint32_t to);
void sim_mend(struct sim_world *w); /* nothing is cut any more */
void sim_timer(struct sim_world *w, struct sim_process *p, uint64_t at_ns, int kind, uint64_t tag);
/* ops->look() at that time, or earlier. */
void sim_wake(struct sim_world *w, struct sim_process *p, uint64_t at_ns);
void sim_process_look(struct sim_world *w, struct sim_process *p); /* now, or when it can */
/* A message over a connection of these two, or NULL for what is none. true: it is lost. */
bool sim_notable(
	struct sim_world *w, struct sim_process *a, struct sim_process *b, const char *what);
/* A milestone inside a process. */
void sim_milestone(struct sim_world *w, struct sim_process *p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct sim_conn *sim_connect(struct sim_world *w, struct sim_process *a, void *a_owner,
	struct sim_process *b, void *b_owner);
/* what: NULL for a message that is not notable. */
/* document is taken, and shared with nobody who changes it. */
void sim_send_document(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	json_t *document, const char *what);
void sim_close(struct sim_world *w, struct sim_conn *c, const struct sim_process *by);
const struct sim_conn_end *sim_end_of(const struct sim_conn *c, const struct sim_process *p);

#endif
