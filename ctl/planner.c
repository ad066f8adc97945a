#include "ctl/planner.h"

#include <errno.h>
#include <stdlib.h>

#include "ctl/planner_fit.h"
#include "ctl/planner_order.h"
#include "ctl/planner_predict.h"
#include "ctl/planner_search.h"
#include "ctl/planner_walk.h"

/* The plan in force needs no room beside itself, and is the one to beat. */
static void begin_with_current(struct ftp_planner_search *s)
{
	const struct ftp_planner_problem *p = s->tables->problem;

	s->step_ns = UINT64_MAX;
	if (!s->tables->has_current || !(p->first >> p->current->node[0] & 1) ||
		ftp_planner_predict_fits(s->tables, p->current, NULL))
		return;
	for (uint32_t i = 0; p->in_order && i < p->n_nodes; i++)
		if (p->current->n_stages != p->n_nodes || p->current->node[i] != i)
			return;
	s->best = *p->current;
	s->step_ns = ftp_planner_predict_step(s->tables, &s->best);
}

static bool may_begin(const struct ftp_planner_problem *p)
{
	return p->in_order ? p->first & 1 : p->first << (64 - p->n_nodes);
}

int ftp_planner_best(const struct ftp_planner_problem *problem, struct ftp_planner_answer *answer,
	struct ftp_error *err)
{
	struct ftp_planner_space space;
	struct ftp_planner_search s = {0};
	bool exact;
	int rc;

	s.tables = ftp_planner_tables_new(problem, true, &rc, err);
	if (!s.tables)
		return rc;
	if (!may_begin(problem)) {
		free(s.tables);
		return ftp_error_set(err, EINVAL, "planner: no node that may be stage 0 is there");
	}
	space = ftp_planner_space_of(problem, problem->first, 0);
	exact = space.sets || space.all;
	begin_with_current(&s);
	ftp_planner_fit_limits(s.tables, 0);
	if (exact)
		ftp_planner_search_improve(&s, &space);
	else
		ftp_planner_order_search(&s, &space);
	if (s.step_ns == UINT64_MAX) {
		rc = ftp_planner_fit_refuse(s.tables, &space, err);
	} else {
		ftp_planner_walk_settle(&s, &space);
		ftp_planner_predict_fill(s.tables, &s.best, answer);
		answer->exact = exact;
	}
	free(s.tables);
	return rc;
}
