#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/prng.h"

#define LATENCY_NS  (20 * FTP_NS_PER_US)
#define JITTER_NS   (300 * FTP_NS_PER_US)
#define LATE_NS	    (20 * FTP_NS_PER_MS) /* one message of LATE_ONE_IN */
#define LATE_ONE_IN 10

const char sim_silent[] = "it has been silent for 10 s";

enum message_kind { DATA, MET, LOST };

struct sim_message {
	enum message_kind kind;
	const char *why;  /* LOST */
	char *what;	  /* NULL: not notable */
	json_t *document; /* NULL: data */
	struct sim_message *next;
	max_align_t data[];
};

void sim_world_init(struct sim_world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->key = ftp_prng_key(seed, FTP_PRNG_TEST, 0);
	w->now_ns = FTP_NS_PER_S;
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

static bool notable(struct sim_world *w, struct sim_conn *c, const char *what)
{
	return w->moment && w->moment(w->arg, c, what);
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
	notable(w, NULL, what);
}

static int index_of(const struct sim_conn *c, const struct sim_process *p)
{
	return c->ends[1].process == p;
}

const struct sim_conn_end *sim_end_of(const struct sim_conn *c, const struct sim_process *p)
{
	return &c->ends[index_of(c, p)];
}

const struct sim_process *sim_peer_of(const struct sim_conn *c, const struct sim_process *p)
{
	return c->ends[!index_of(c, p)].process;
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

static struct sim_message *message_new(enum message_kind kind, const void *data, size_t bytes)
{
	struct sim_message *m = calloc(1, sizeof(*m) + bytes);

	ftp_assert(m);
	m->kind = kind;
	if (bytes)
		memcpy(m->data, data, bytes);
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
	struct sim_message *m = message_new(LOST, NULL, 0);

	m->why = why;
	post(w, c, to, m, at_ns == FTP_NS_NEVER ? at_ns : at_ns + latency(w));
}

/* The end hears nothing any more; of a link that was never met its own deadline tells. */
static void tell_silent(struct sim_world *w, struct sim_conn *c, int to, uint64_t at_ns)
{
	if (c->ends[to].is_met && at_ns != FTP_NS_NEVER)
		tell_lost(w, c, to, sim_silent, at_ns + SIM_SILENCE_NS);
}

/* The other end is over: it tells that once. */
static void tell_closed(
	struct sim_world *w, struct sim_conn *c, int to, const char *why, uint64_t at_ns)
{
	if (sim_cut_of(w, c, to, at_ns))
		tell_silent(w, c, to, at_ns);
	else
		tell_lost(w, c, to, why, at_ns);
}

struct sim_conn *sim_connect(struct sim_world *w, struct sim_process *a, void *a_owner,
	struct sim_process *b, void *b_owner)
{
	struct sim_conn *c = conn_new(w);

	c->ends[0].process = a;
	c->ends[0].owner = a_owner;
	c->ends[1].process = b;
	c->ends[1].owner = b_owner;
	c->is_met = true;
	if (!b->alive) {
		c->ends[1].closed = true;
		tell_lost(w, c, 0, "nobody listens", w->now_ns);
	}
	return c;
}

static void tell_met(struct sim_world *w, struct sim_conn *c)
{
	uint64_t at_ns = w->now_ns, through;

	for (int i = 0; i < 2; i++)
		if (leaves_ns(w, c->ends[i].process) > at_ns)
			at_ns = leaves_ns(w, c->ends[i].process);
	c->is_met = true;
	for (int i = 0; i < 2; i++) {
		through = sim_cut_through_ns(w, c, i, at_ns);
		post(w, c, i, message_new(MET, NULL, 0),
			through == FTP_NS_NEVER ? through : through + latency(w));
	}
}

struct sim_conn *sim_meet(
	struct sim_world *w, uint64_t key, struct sim_process *p, void *owner, uint64_t bytes_per_s)
{
	struct sim_conn *c = w->conns;

	while (c && !(c->is_link && !c->is_met && c->key == key && !c->ends[0].closed))
		c = c->next;
	if (c) {
		c->ends[1].process = p;
		c->ends[1].owner = owner;
		tell_met(w, c);
		return c;
	}
	c = conn_new(w);
	c->ends[0].process = p;
	c->ends[0].owner = owner;
	c->key = key;
	c->is_link = true;
	c->bytes_per_s = bytes_per_s;
	return c;
}

/* false: it is lost, with its connection or its sender. */
static bool leaves(
	struct sim_world *w, struct sim_conn *c, const struct sim_process *from, const char *what)
{
	if (!from->alive || c->ends[index_of(c, from)].closed)
		return false;
	if (!what || !notable(w, c, what))
		return from->alive;
	for (int i = 0; i < 2; i++)
		tell_lost(w, c, i, "the network broke it", w->now_ns);
	return false;
}

/* m is taken. */
static void send(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	struct sim_message *m, uint64_t wire_bytes, const char *what)
{
	int to = !index_of(c, from);
	uint64_t at_ns = leaves_ns(w, from), *free_ns = &c->ends[to].free_ns;

	if (at_ns == FTP_NS_NEVER) {
		free_message(m);
		return;
	}
	if (c->bytes_per_s) {
		at_ns = at_ns > *free_ns ? at_ns : *free_ns;
		at_ns += wire_bytes * FTP_NS_PER_S / c->bytes_per_s;
		*free_ns = at_ns;
	}
	at_ns = sim_cut_through_ns(w, c, to, at_ns);
	if (at_ns == FTP_NS_NEVER) {
		free_message(m);
		return;
	}
	m->what = what ? strdup(what) : NULL;
	w->n_messages += what != NULL;
	post(w, c, to, m, at_ns + latency(w));
}

void sim_send(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	const void *data, size_t bytes, uint64_t wire_bytes, const char *what)
{
	if (leaves(w, c, from, what))
		send(w, c, from, message_new(DATA, data, bytes), wire_bytes, what);
}

void sim_send_document(struct sim_world *w, struct sim_conn *c, const struct sim_process *from,
	json_t *document, const char *what)
{
	struct sim_message *m;

	if (!leaves(w, c, from, what)) {
		json_decref(document);
		return;
	}
	m = message_new(DATA, NULL, 0);
	m->document = document;
	send(w, c, from, m, 0, what);
}

void sim_close(struct sim_world *w, struct sim_conn *c, const struct sim_process *by)
{
	int end = index_of(c, by);

	if (c->ends[end].closed)
		return;
	tell_closed(w, c, !end, by->alive ? "it closed the connection" : "its process is gone",
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
}

void sim_process_freeze(struct sim_world *w, struct sim_process *p, uint64_t until_ns)
{
	if (!p->alive || sim_process_is_frozen(w, p))
		return;
	p->frozen_until_ns = until_ns;
	p->n_freezes++;
	if (until_ns - w->now_ns > SIM_SILENCE_NS)
		sim_queue_push(&w->queue, w->now_ns,
			(struct sim_event){.at_ns = w->now_ns + SIM_SILENCE_NS,
				.kind = SIM_FROZEN_FOR_LONG,
				.tag = (uintptr_t)p});
}

static void cut_for_long(struct sim_world *w, uint32_t from, uint32_t to)
{
	for (struct sim_conn *c = w->conns; c; c = c->next)
		for (int i = 0; i < 2; i++)
			if (c->ends[i].is_met && c->ends[i].process->place == to &&
				c->ends[!i].process->place == from)
				tell_lost(w, c, i, sim_silent, w->now_ns);
}

static void frozen_for_long(struct sim_world *w, struct sim_process *p)
{
	if (!p->alive || !sim_process_is_frozen(w, p))
		return;
	for (struct sim_conn *c = w->conns; c; c = c->next) {
		int mine = index_of(c, p);

		if (c->is_link && c->is_met && c->ends[mine].process == p)
			tell_lost(w, c, !mine, sim_silent, w->now_ns);
	}
}

static const char *name_at(const struct sim_world *w, uint64_t place)
{
	const struct sim_process *p = w->processes;

	while (p && p->place != place)
		p = p->next;
	return p ? p->name : "nobody";
}

static void happen(struct sim_world *w, const struct sim_event *e)
{
	if (e->kind == SIM_FROZEN_FOR_LONG)
		frozen_for_long(w, (struct sim_process *)(uintptr_t)e->tag);
	else if (e->kind == SIM_CUT_FOR_LONG)
		cut_for_long(
			w, (uint32_t)e->tag / SIM_MAX_PLACES, (uint32_t)e->tag % SIM_MAX_PLACES);
	else
		sim_say(w, "***", "%s is heard by %s again", name_at(w, e->tag / SIM_MAX_PLACES),
			name_at(w, e->tag % SIM_MAX_PLACES));
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
		notable(w, NULL, text);
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
			if (m->why == sim_silent)
				tell_silent(w, c, !to, w->now_ns);
			else
				tell_closed(w, c, !to, "it closed the connection", w->now_ns);
			p->ops->lost(p->self, c, m->why);
		} else if (m->kind == MET) {
			end->is_met = true;
			p->ops->met(p->self, c);
		} else {
			p->ops->message(p->self, c, m->document ? (void *)m->document : m->data);
		}
	}
	free_message(m);
}

bool sim_world_turn(struct sim_world *w)
{
	struct sim_event e;

	if (!w->queue.n)
		return false;
	e = sim_queue_pop(&w->queue);
	w->now_ns = e.at_ns;
	w->n_events++;
	if (!e.process) {
		happen(w, &e);
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
		e.process->ops->timer(e.process->self, e.kind, e.tag);
	}
	return true;
}

void sim_world_free(struct sim_world *w)
{
	for (struct sim_process *p = w->processes; p; p = p->next)
		p->ops->free(p->self);
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
