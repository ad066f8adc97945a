/* What lies outside the cores, in virtual time: a clock, an event queue, processes that can be
 * killed or frozen, and connections between them. One seed gives one life, always.
 *
 * A connection carries messages in order, each way, with a drawn latency and at a rate. When an end
 * closes it or its process dies, the other end hears of it after what was sent before. A frozen
 * process does nothing: what happens to it waits, in order, and what it sends leaves when it goes
 * on. A link (not a control connection) whose one end is frozen for SIM_SILENCE_NS is lost at the
 * other, as net/connection.h has it.
 *
 * The way from one server to another may be cut for links: for less than that silence what is sent
 * comes later, as it is sent again; for more the link is lost at the end that hears nothing, which
 * tells nobody. A link that was not met yet is met when the way is open again.
 */
#ifndef FTP_TESTS_SIM_WORLD_H
#define FTP_TESTS_SIM_WORLD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/clock.h"
#include "tests/sim/queue.h"

#define SIM_SILENCE_NS (10 * FTP_NS_PER_S)
#define SIM_MAX_PLACES 16
extern const char sim_silent[]; /* why a link is lost then */

enum { SIM_FROZEN_FOR_LONG, SIM_CUT_FOR_LONG, SIM_OPEN_AGAIN }; /* events of the world */

struct sim_process_ops {
	/* data, or a document; lent for the call */
	void (*message)(void *self, struct sim_conn *c, const void *data);
	void (*met)(void *self, struct sim_conn *c); /* sim_meet(): the other end is there */
	void (*lost)(void *self, struct sim_conn *c, const char *why);
	void (*timer)(void *self, int kind, uint64_t tag);
	void (*free)(void *self); /* at the world's end, dead or alive */
};

struct sim_process {
	char name[16];
	uint32_t place; /* its server, below SIM_MAX_PLACES; 0: one that no cable leads to */
	bool alive;
	uint64_t frozen_until_ns; /* FTP_NS_NEVER: for ever */
	uint32_t n_freezes;
	const struct sim_process_ops *ops;
	void *self;
	struct sim_process *next;
};

struct sim_conn_end {
	struct sim_process *process;	   /* NULL: has not come yet */
	void *owner;			   /* the process's own; NULL: the process itself */
	bool closed, is_met;		   /* is_met: of a link, it has heard the other end */
	struct sim_message *first, **last; /* on their way to this end */
	uint64_t free_ns;		   /* the way to this end: one message at a time */
	uint64_t newest_ns;		   /* arrival */
};

struct sim_conn {
	struct sim_conn_end ends[2];
	uint64_t key; /* sim_meet() */
	bool is_link, is_met;
	uint64_t bytes_per_s;
	struct sim_conn *next;
};

struct sim_cut { /* of the way from a place to another */
	uint64_t until_ns;
	bool is_fatal; /* to the links that there were */
};

struct sim_world {
	uint64_t now_ns, key, n_drawn;
	uint64_t n_events, n_messages; /* so far */
	struct sim_queue queue;
	struct sim_process *processes;
	struct sim_conn *conns;
	struct sim_cut cuts[SIM_MAX_PLACES][SIM_MAX_PLACES]; /* from, to */
	FILE *trace;					     /* NULL: none */
	bool is_heard;	  /* somebody reads what is said, in the trace or as a moment */
	bool writes_text; /* documents travel as text */
	/* Something notable is about to happen: to be counted, to be the moment of a fault. true:
	 * the message is lost, and its connection breaks. */
	bool (*moment)(void *arg, struct sim_conn *c, const char *what);
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
 * true: the links that there are do not survive it. */
bool sim_cut(struct sim_world *w, uint32_t from, uint32_t to, uint64_t until_ns);
bool sim_is_cut(const struct sim_world *w, uint32_t from, uint32_t to);
/* Of the way to that end of a link, if it is cut then; NULL: it is open. */
const struct sim_cut *sim_cut_of(
	const struct sim_world *w, const struct sim_conn *c, int to, uint64_t at_ns);
/* When it comes through what leaves then: once the way is open again, if the link survives that;
 * else FTP_NS_NEVER. */
uint64_t sim_cut_through_ns(struct sim_world *w, const struct sim_conn *c, int to, uint64_t at_ns);
void sim_timer(struct sim_world *w, struct sim_process *p, uint64_t at_ns, int kind, uint64_t tag);
/* A milestone inside a process. */
void sim_milestone(struct sim_world *w, struct sim_process *p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct sim_conn *sim_connect(struct sim_world *w, struct sim_process *a, void *a_owner,
	struct sim_process *b, void *b_owner);
/* A link with whoever else comes with the key; each end hears when both are there. */
struct sim_conn *sim_meet(struct sim_world *w, uint64_t key, struct sim_process *p, void *owner,
	uint64_t bytes_per_s);
/* what: NULL for a message that is not notable. bytes: in memory; wire_bytes: that take time. */
void sim_send(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	const void *data, size_t bytes, uint64_t wire_bytes, const char *what);
/* document is taken, and shared with nobody who changes it. */
void sim_send_document(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	json_t *document, const char *what);
void sim_close(struct sim_world *w, struct sim_conn *c, const struct sim_process *by);
const struct sim_conn_end *sim_end_of(const struct sim_conn *c, const struct sim_process *p);
const struct sim_process *sim_peer_of(const struct sim_conn *c, const struct sim_process *p);

#endif
