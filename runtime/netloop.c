#include "runtime/netloop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/spsc.h"
#include "runtime/poller.h"

#define N_RING	     1024
#define NAP_NS	     (100 * FTP_NS_PER_US) /* a port without a doorbell, e.g. an emulated line */
#define MAX_SLEEP_NS (10 * FTP_NS_PER_MS)  /* also bounds how late a lost doorbell can be */
#define MAX_NETS     2
#define MAX_EXTRA    4

enum request_kind {
	REQUEST_ADD,
	REQUEST_SEND,
	REQUEST_POST,
	REQUEST_IMPAIR,
	REQUEST_WATCH,
	REQUEST_RELAX
};

struct request {
	enum request_kind kind;
	int peer;
	enum ftp_message_class class;
	struct ftp_message_id id;
	struct ftp_buffer *buffer;
	void *data;
	uint32_t bytes;
	struct ftp_link link;
	struct ftp_impair impair;
	uint64_t least_ns;
};

struct ftp_netloop {
	struct ftp_link links[FTP_NETLOOP_MAX_PEERS];
	bool used[FTP_NETLOOP_MAX_PEERS];
	int n_peers;   /* highest peer + 1 */
	int next_peer; /* whose events are taken next */
	/* The rest is for a loop on a core of its own. */
	bool threaded;
	_Atomic bool stop;
	pthread_t thread;
	struct ftp_spsc requests, events;
	struct ftp_waker waker;		/* ends the loop's sleep */
	struct ftp_waker *worker_waker; /* lent */
};

static int turn_links(struct ftp_netloop *n, uint64_t now_ns)
{
	int moved = 0;

	for (int i = 0; i < n->n_peers; i++)
		if (n->used[i])
			moved += ftp_link_turn(&n->links[i], now_ns);
	return moved;
}

static bool take_event(struct ftp_netloop *n, struct ftp_netloop_event *e)
{
	for (int i = 0; i < n->n_peers; i++) {
		int peer = (n->next_peer + i) % n->n_peers;

		if (!n->used[peer])
			continue;
		e->event = ftp_link_next_event(&n->links[peer]);
		if (e->event.kind == FTP_CONNECTION_NONE)
			continue;
		e->peer = peer;
		n->next_peer = peer;
		return true;
	}
	return false;
}

static void impair(struct ftp_netloop *n, const struct ftp_impair *impair)
{
	for (int i = 0; i < n->n_peers; i++)
		if (n->used[i])
			ftp_impair_set(n->links[i].port, impair);
}

static void relax(struct ftp_netloop *n)
{
	for (int i = 0; i < n->n_peers; i++)
		if (n->used[i])
			ftp_connection_relax(n->links[i].connection);
}

static void apply(struct ftp_netloop *n, const struct request *r, uint64_t now_ns)
{
	struct ftp_connection *c = n->links[r->peer].connection;
	int rc = 0;

	switch (r->kind) {
	case REQUEST_ADD:
		n->links[r->peer] = r->link;
		n->used[r->peer] = true;
		if (r->peer >= n->n_peers)
			n->n_peers = r->peer + 1;
		break;
	case REQUEST_SEND:
		rc = ftp_connection_send(c, &r->id, r->class, r->buffer, now_ns);
		break;
	case REQUEST_POST:
		rc = ftp_connection_post(c, &r->id, r->data, r->bytes);
		break;
	case REQUEST_IMPAIR:
		impair(n, &r->impair);
		break;
	case REQUEST_WATCH:
		ftp_connection_watch(c, r->least_ns, now_ns);
		break;
	case REQUEST_RELAX:
		relax(n);
		break;
	}
	ftp_assert(!rc);
}

uint64_t ftp_netloop_deadline(const struct ftp_netloop *n)
{
	uint64_t deadline = FTP_NS_NEVER;

	for (int i = 0; i < n->n_peers; i++) {
		uint64_t d =
			n->used[i] ? ftp_connection_deadline(n->links[i].connection) : FTP_NS_NEVER;

		if (d < deadline)
			deadline = d;
	}
	return deadline;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

static uint64_t latest_end(uint64_t now_ns, uint64_t until_ns)
{
	return until_ns ? earlier(until_ns, now_ns + MAX_SLEEP_NS) : now_ns + MAX_SLEEP_NS;
}

/* Appends the ports' descriptors; gives the time at which to look at the latest. */
static uint64_t arm(struct ftp_netloop *n, struct pollfd *fds, int *n_fds, uint64_t now_ns)
{
	uint64_t until = ftp_netloop_deadline(n);

	for (int i = 0; i < n->n_peers; i++) {
		int fd;

		if (!n->used[i])
			continue;
		fd = n->links[i].port->ops->arm(n->links[i].port);
		if (fd >= 0)
			fds[(*n_fds)++] = (struct pollfd){.fd = fd, .events = POLLIN};
		else
			until = earlier(until, now_ns + NAP_NS);
	}
	return until;
}

static void disarm(struct ftp_netloop *n)
{
	for (int i = 0; i < n->n_peers; i++)
		if (n->used[i])
			n->links[i].port->ops->disarm(n->links[i].port);
}

/* Arms every port, looks once more, then polls. */
static void sleep_on_links(struct ftp_netloop *const *nets, int n_nets, struct pollfd *extra,
	int n_extra, uint64_t now_ns, uint64_t until_ns)
{
	struct pollfd fds[MAX_NETS * FTP_NETLOOP_MAX_PEERS + MAX_EXTRA];
	uint64_t until = latest_end(now_ns, until_ns);
	int n_fds = 0, moved = 0;

	ftp_assert(n_extra <= MAX_EXTRA && n_nets <= MAX_NETS);
	for (int i = 0; i < n_extra; i++)
		fds[n_fds++] = extra[i];
	for (int i = 0; i < n_nets; i++)
		until = earlier(until, arm(nets[i], fds, &n_fds, now_ns));
	for (int i = 0; i < n_nets; i++)
		moved += turn_links(nets[i], now_ns);
	if (!moved && until > now_ns)
		ftp_poller_sleep(fds, n_fds, until - now_ns);
	for (int i = 0; i < n_nets; i++)
		disarm(nets[i]);
}

static int serve_worker(struct ftp_netloop *n, uint64_t now_ns)
{
	struct ftp_netloop_event e;
	struct request r;
	int moved = 0;

	for (; ftp_spsc_pop(&n->requests, &r); moved++)
		apply(n, &r, now_ns);
	moved += turn_links(n, now_ns);
	while (take_event(n, &e)) {
		ftp_assert(ftp_spsc_push(&n->events, &e));
		moved++;
	}
	if (moved)
		ftp_waker_wake(n->worker_waker);
	return moved;
}

static void *loop_main(void *arg)
{
	struct ftp_netloop *n = arg;
	struct ftp_poller poller = {0};

	while (!atomic_load_explicit(&n->stop, memory_order_relaxed)) {
		uint64_t now_ns = ftp_clock_now_ns();
		struct pollfd fd = {.fd = n->waker.fd, .events = POLLIN};

		if (ftp_poller_turn(&poller, serve_worker(n, now_ns) > 0))
			continue;
		ftp_waker_arm(&n->waker);
		if (!serve_worker(n, now_ns))
			sleep_on_links(&n, 1, &fd, 1, now_ns, 0);
		ftp_waker_disarm(&n->waker);
	}
	return NULL;
}

static int start_thread(struct ftp_netloop *n, int core, struct ftp_error *err)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int rc;

	ftp_spsc_init(&n->requests, N_RING, sizeof(struct request));
	ftp_spsc_init(&n->events, N_RING, sizeof(struct ftp_netloop_event));
	rc = ftp_waker_init(&n->waker, err);
	if (rc)
		return rc;
	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	rc = pthread_create(&n->thread, &attr, loop_main, n);
	pthread_attr_destroy(&attr);
	if (rc)
		return ftp_error_set(
			err, rc, "cannot start the net loop on core %d: %s", core, strerror(rc));
	n->threaded = true;
	return 0;
}

int ftp_netloop_new(
	struct ftp_netloop **out, int core, struct ftp_waker *waker, struct ftp_error *err)
{
	struct ftp_netloop *n = calloc(1, sizeof(*n));
	int rc;

	ftp_assert(n);
	n->worker_waker = waker;
	if (core >= 0) {
		rc = start_thread(n, core, err);
		if (rc) {
			free(n);
			return rc;
		}
	}
	*out = n;
	return 0;
}

void ftp_netloop_free(struct ftp_netloop *n, uint64_t now_ns)
{
	if (!n)
		return;
	if (n->threaded) {
		atomic_store(&n->stop, true);
		ftp_waker_wake(&n->waker);
		pthread_join(n->thread, NULL);
		ftp_spsc_deinit(&n->requests);
		ftp_spsc_deinit(&n->events);
		ftp_waker_deinit(&n->waker);
	}
	for (int i = 0; i < n->n_peers; i++)
		if (n->used[i])
			ftp_link_close(&n->links[i], now_ns);
	free(n);
}

static void request(struct ftp_netloop *n, const struct request *r, uint64_t now_ns)
{
	if (!n->threaded) {
		apply(n, r, now_ns);
		return;
	}
	ftp_assert(ftp_spsc_push(&n->requests, r));
	ftp_waker_wake(&n->waker);
}

void ftp_netloop_add(struct ftp_netloop *n, int peer, const struct ftp_link *link)
{
	const struct request r = {.kind = REQUEST_ADD, .peer = peer, .link = *link};

	ftp_assert(peer >= 0 && peer < FTP_NETLOOP_MAX_PEERS);
	request(n, &r, 0);
}

void ftp_netloop_send(struct ftp_netloop *n, int peer, const struct ftp_message_id *id,
	enum ftp_message_class class, struct ftp_buffer *b, uint64_t now_ns)
{
	const struct request r = {
		.kind = REQUEST_SEND, .peer = peer, .class = class, .id = *id, .buffer = b};

	request(n, &r, now_ns);
}

void ftp_netloop_post(struct ftp_netloop *n, int peer, const struct ftp_message_id *id, void *data,
	uint32_t bytes)
{
	const struct request r = {
		.kind = REQUEST_POST, .peer = peer, .id = *id, .data = data, .bytes = bytes};

	request(n, &r, 0);
}

int ftp_netloop_turn(struct ftp_netloop *n, uint64_t now_ns)
{
	return n->threaded ? 0 : turn_links(n, now_ns);
}

bool ftp_netloop_next_event(struct ftp_netloop *n, struct ftp_netloop_event *e)
{
	return n->threaded ? ftp_spsc_pop(&n->events, e) : take_event(n, e);
}

void ftp_netloop_sleep(struct ftp_netloop *const *nets, int n_nets, struct pollfd *fds, int n_fds,
	uint64_t now_ns, uint64_t until_ns)
{
	struct ftp_netloop *folded[MAX_NETS];
	int n_folded = 0;

	for (int i = 0; i < n_nets; i++)
		if (nets[i] && !nets[i]->threaded)
			folded[n_folded++] = nets[i];
	sleep_on_links(folded, n_folded, fds, n_fds, now_ns, until_ns);
}

void ftp_netloop_impair(struct ftp_netloop *n, const struct ftp_impair *impair)
{
	const struct request r = {.kind = REQUEST_IMPAIR, .impair = *impair};

	request(n, &r, 0);
}

void ftp_netloop_watch(struct ftp_netloop *n, int peer, uint64_t least_ns, uint64_t now_ns)
{
	const struct request r = {.kind = REQUEST_WATCH, .peer = peer, .least_ns = least_ns};

	request(n, &r, now_ns);
}

void ftp_netloop_relax(struct ftp_netloop *n)
{
	const struct request r = {.kind = REQUEST_RELAX};

	request(n, &r, 0);
}

const struct ftp_connection_stats *ftp_netloop_stats(const struct ftp_netloop *n, int peer)
{
	if (peer >= n->n_peers || !n->used[peer])
		return NULL;
	return ftp_connection_stats(n->links[peer].connection);
}

const struct ftp_port_caps *ftp_netloop_caps(const struct ftp_netloop *n, int peer)
{
	if (peer >= n->n_peers || !n->used[peer])
		return NULL;
	return &n->links[peer].port->caps;
}
