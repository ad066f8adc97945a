#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/prng.h"
#include "tests/sim/links.h"

#define LATENCY_NS  (20 * FTP_NS_PER_US)
#define JITTER_NS   (300 * FTP_NS_PER_US)
#define LATE_NS	    (20 * FTP_NS_PER_MS) /* one message of LATE_ONE_IN */
#define LATE_ONE_IN 10

enum message_kind { DATA, LOST };

struct sim_message {
	enum message_kind kind;
	const char *why;  /* LOST */
	char *what;	  /* NULL: not notable */
	json_t *document; /* DATA */
	struct sim_message *next;
};

void sim_world_init(struct sim_world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->key = ftp_prng_key(seed, FTP_PRNG_TEST, 0);
	w->now_ns = FTP_NS_PER_S;
	sim_links_init(w, seed);
}

uint64_t sim_draw(struct sim_world *w, uint64_t n)
{
	return ftp_prng_below(w->key, w->n_drawn++, n);
}

void sim_say(struct sim_world *w, const char *who, const char *fmt, ...)
{
	va_list ap;

	if (!w->trace)
		return;
	fprintf(w->trace, "%10.3f ms  %s ", (double)(w->now_ns - FTP_NS_PER_S) * 1e-6, who);
	va_start(ap, fmt);
	vfprintf(w->trace, fmt, ap);
	va_end(ap);
	fputc('\n', w->trace);
}

struct sim_process *sim_process_new(
	struct sim_world *w, const char *name, const struct sim_process_ops *ops, void *self)
{
	struct sim_process *p = calloc(1, sizeof(*p));

	ftp_assert(p);
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->alive = true;
	p->ops = ops;
	p->self = self;
	p->next = w->processes;
	w->processes = p;
	return p;
}

bool sim_process_is_frozen(const struct sim_world *w, const struct sim_process *p)
{
	return p->frozen_until_ns > w->now_ns;
}

void sim_timer(struct sim_world *w, struct sim_process *p, uint64_t at_ns, int kind, uint64_t tag)
{
	sim_queue_push(&w->queue, w->now_ns,
		(struct sim_event){.at_ns = at_ns < w->now_ns ? w->now_ns : at_ns,
			.process = p,
			.kind = kind,
			.tag = tag});
}

void sim_wake(struct sim_world *w, struct sim_process *p, uint64_t at_ns)
{
	if (p->wake_ns && p->wake_ns <= at_ns)
		return;
	p->wake_ns = at_ns;
	sim_timer(w, p, at_ns, SIM_WAKE, at_ns);
}

void sim_process_look(struct sim_world *w, struct sim_process *p)
{
	if (!p->alive || p->frozen_until_ns == FTP_NS_NEVER)
		return;
	if (sim_process_is_frozen(w, p))
		sim_wake(w, p, p->frozen_until_ns);
	else
		p->ops->look(p->self);
}

bool sim_notable(
	struct sim_world *w, struct sim_process *a, struct sim_process *b, const char *what)
{
	struct sim_process *const ends[2] = {a, b};

	return w->moment && w->moment(w->arg, a ? ends : NULL, what);
}

void sim_milestone(struct sim_world *w, struct sim_process *p, const char *fmt, ...)
{
	char what[200] = "";
	va_list ap;

	if (!p->alive)
		return;
	va_start(ap, fmt);
	if (w->is_heard)
		vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	sim_say(w, p->name, "%s", what);
	sim_notable(w, NULL, NULL, what);
}

static int index_of(const struct sim_conn *c, const struct sim_process *p)
{
	return c->ends[1].process == p;
}

const struct sim_conn_end *sim_end_of(const struct sim_conn *c, const struct sim_process *p)
{
	return &c->ends[index_of(c, p)];
}

static struct sim_conn *conn_new(struct sim_world *w)
{
	struct sim_conn *c = calloc(1, sizeof(*c));

	ftp_assert(c);
	for (int i = 0; i < 2; i++)
		c->ends[i].last = &c->ends[i].first;
	c->next = w->conns;
	w->conns = c;
	return c;
}

static uint64_t latency(struct sim_world *w)
{
	uint64_t late = sim_draw(w, LATE_ONE_IN) ? 0 : sim_draw(w, LATE_NS);

	return LATENCY_NS + sim_draw(w, JITTER_NS) + late;
}

/* When something that a process does now takes effect outside. */
static uint64_t leaves_ns(const struct sim_world *w, const struct sim_process *p)
{
	return p && p->alive && sim_process_is_frozen(w, p) ? p->frozen_until_ns : w->now_ns;
}

static struct sim_message *message_new(enum message_kind kind)
{
	struct sim_message *m = calloc(1, sizeof(*m));

	ftp_assert(m);
	m->kind = kind;
	return m;
}

static void free_message(struct sim_message *m)
{
	json_decref(m->document);
	free(m->what);
	free(m);
}

/* m is taken. */
static void post(
	struct sim_world *w, struct sim_conn *c, int to, struct sim_message *m, uint64_t at_ns)
{
	struct sim_conn_end *end = &c->ends[to];

	if (end->closed || !end->process || at_ns == FTP_NS_NEVER) {
		free_message(m);
		return;
	}
	end->newest_ns = at_ns > end->newest_ns ? at_ns : end->newest_ns;
	*end->last = m;
	end->last = &m->next;
	sim_queue_push(&w->queue, w->now_ns,
		(struct sim_event){
			.at_ns = end->newest_ns, .process = end->process, .conn = c, .end = to});
}

static void tell_lost(
	struct sim_world *w, struct sim_conn *c, int to, const char *why, uint64_t at_ns)
{
	struct sim_message *m = message_new(LOST);

	m->why = why;
	post(w, c, to, m, at_ns == FTP_NS_NEVER ? at_ns : at_ns + latency(w));
}

struct sim_conn *sim_connect(struct sim_world *w, struct sim_process *a, void *a_owner,
	struct sim_process *b, void *b_owner)
{
	struct sim_conn *c = conn_new(w);

	c->ends[0].process = a;
	c->ends[0].owner = a_owner;
	c->ends[1].process = b;
	c->ends[1].owner = b_owner;
	if (!b->alive) {
		c->ends[1].closed = true;
		tell_lost(w, c, 0, "nobody listens", w->now_ns);
	}
	return c;
}

/* false: it is lost, with its connection or its sender. */
static bool leaves(
	struct sim_world *w, struct sim_conn *c, const struct sim_process *from, const char *what)
{
	if (!from->alive || c->ends[index_of(c, from)].closed)
		return false;
	if (!what || !sim_notable(w, c->ends[0].process, c->ends[1].process, what))
		return from->alive;
	for (int i = 0; i < 2; i++)
		tell_lost(w, c, i, "the network broke it", w->now_ns);
	return false;
}

/* m is taken. */
static void send(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	struct sim_message *m, const char *what)
{
	uint64_t at_ns = leaves_ns(w, from);

	if (at_ns == FTP_NS_NEVER) {
		free_message(m);
		return;
	}
	m->what = what ? strdup(what) : NULL;
	w->n_messages += what != NULL;
	post(w, c, !index_of(c, from), m, at_ns + latency(w));
}

void sim_send_document(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	json_t *document, const char *what)
{
	struct sim_message *m;

	if (!leaves(w, c, from, what)) {
		json_decref(document);
		return;
	}
	m = message_new(DATA);
	m->document = document;
	send(w, c, from, m, what);
}

void sim_close(struct sim_world *w, struct sim_conn *c, const struct sim_process *by)
{
	int end = index_of(c, by);

	if (c->ends[end].closed)
		return;
	tell_lost(w, c, !end, by->alive ? "it closed the connection" : "its process is gone",
		leaves_ns(w, by));
	c->ends[end].closed = true;
}

void sim_process_end(struct sim_world *w, struct sim_process *p)
{
	if (!p->alive)
		return;
	p->alive = false;
	p->frozen_until_ns = 0;
	for (struct sim_conn *c = w->conns; c; c = c->next)
		if (c->ends[0].process == p || c->ends[1].process == p)
			sim_close(w, c, p);
	sim_links_end(w, p);
}

void sim_process_freeze(struct sim_world *w, struct sim_process *p, uint64_t until_ns)
{
	if (!p->alive || sim_process_is_frozen(w, p))
		return;
	p->frozen_until_ns = until_ns;
	p->n_freezes++;
}

static const char *name_at(const struct sim_world *w, uint64_t place)
{
	const struct sim_process *p = w->processes;

	while (p && p->place != place)
		p = p->next;
	return p ? p->name : "nobody";
}

/* The way is open again. */
static void open_again(struct sim_world *w, uint32_t from, uint32_t to)
{
	sim_links_cut(w, from, to);
	sim_say(w, "***", "%s is heard by %s again", name_at(w, from), name_at(w, to));
}

static struct sim_message *take_message(struct sim_conn_end *end)
{
	struct sim_message *m = end->first;

	end->first = m->next;
	if (!end->first)
		end->last = &end->first;
	return m;
}

static void deliver(struct sim_world *w, struct sim_conn *c, int to)
{
	struct sim_conn_end *end = &c->ends[to];
	struct sim_process *p = end->process;
	struct sim_message *m;
	char text[300] = "";

	if (!end->closed && end->first->what) {
		if (w->is_heard)
			snprintf(text, sizeof(text), "%s -> %s: %s", c->ends[!to].process->name,
				p->name, end->first->what);
		sim_say(w, "         ", "%s", text);
		sim_notable(w, NULL, NULL, text);
		if (p->alive && sim_process_is_frozen(w, p)) {
			if (p->frozen_until_ns != FTP_NS_NEVER)
				sim_queue_push(&w->queue, w->now_ns,
					(struct sim_event){.at_ns = p->frozen_until_ns,
						.process = p,
						.conn = c,
						.end = to});
			return;
		}
	}
	m = take_message(end);
	if (!end->closed && p->alive) {
		if (m->kind == LOST) {
			end->closed = true;
			tell_lost(w, c, !to, "it closed the connection", w->now_ns);
			p->ops->lost(p->self, c, m->why);
		} else {
			p->ops->message(p->self, c, m->document);
		}
	}
	free_message(m);
}

static void happen_to(struct sim_process *p, const struct sim_event *e)
{
	if (e->kind != SIM_WAKE) {
		p->ops->timer(p->self, e->kind, e->tag);
	} else if (p->wake_ns == e->tag) {
		p->wake_ns = 0;
		p->ops->look(p->self);
	}
}

bool sim_world_turn(struct sim_world *w)
{
	uint64_t links_ns = sim_links_next_ns(w);
	struct sim_event e;

	if (!w->queue.n && links_ns == FTP_NS_NEVER)
		return false;
	w->n_events++;
	if (!w->queue.n || links_ns <= w->queue.events[0].at_ns) {
		w->now_ns = links_ns;
		sim_links_turn(w);
		return true;
	}
	e = sim_queue_pop(&w->queue);
	w->now_ns = e.at_ns;
	sim_links_advance(w);
	if (!e.process) {
		open_again(w, (uint32_t)e.tag / SIM_MAX_PLACES, (uint32_t)e.tag % SIM_MAX_PLACES);
	} else if (!e.process->alive) {
		if (e.conn)
			free_message(take_message(&e.conn->ends[e.end]));
	} else if (sim_process_is_frozen(w, e.process)) {
		e.at_ns = e.process->frozen_until_ns;
		if (e.at_ns != FTP_NS_NEVER)
			sim_queue_push(&w->queue, w->now_ns, e);
	} else if (e.conn) {
		deliver(w, e.conn, e.end);
	} else {
		happen_to(e.process, &e);
	}
	return true;
}

void sim_world_free(struct sim_world *w)
{
	for (struct sim_process *p = w->processes; p; p = p->next)
		p->ops->free(p->self);
	sim_links_free(w);
	for (struct sim_conn *c = w->conns, *next; c; c = next) {
		next = c->next;
		for (int i = 0; i < 2; i++)
			while (c->ends[i].first)
				free_message(take_message(&c->ends[i]));
		free(c);
	}
	for (struct sim_process *p = w->processes, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	sim_queue_free(&w->queue);
}
