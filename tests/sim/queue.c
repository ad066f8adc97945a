#include "tests/sim/queue.h"

#include <stdbool.h>
#include <stdlib.h>

#include "runtime/base/error.h"

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void sim_queue_push(struct sim_queue *q, uint64_t now_ns, struct sim_event e)
{
	uint32_t i = q->n++;

	if (i == q->room) {
		q->room = q->room ? 2 * q->room : 256;
		q->events = realloc(q->events, q->room * sizeof(*q->events));
		ftp_assert(q->events);
	}
	ftp_assert(e.at_ns >= now_ns);
	e.order = q->n_made++;
	for (; i > 0 && is_before(&e, &q->events[(i - 1) / 2]); i = (i - 1) / 2)
		q->events[i] = q->events[(i - 1) / 2];
	q->events[i] = e;
}

struct sim_event sim_queue_pop(struct sim_queue *q)
{
	struct sim_event top = q->events[0], last = q->events[--q->n];
	uint32_t i = 0, child;

	for (; (child = 2 * i + 1) < q->n; i = child) {
		if (child + 1 < q->n && is_before(&q->events[child + 1], &q->events[child]))
			child++;
		if (!is_before(&q->events[child], &last))
			break;
		q->events[i] = q->events[child];
	}
	q->events[i] = last;
	return top;
}

void sim_queue_free(struct sim_queue *q)
{
	free(q->events);
}
