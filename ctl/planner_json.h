/* An answer of the planner as one JSON document, for `ftpctl plan --json`, status and summary:
 *
 *   {"exact", "step_seconds", "samples_per_second", "move_bytes",
 *    "bottleneck": {"kind": "stage" | "link" | "path", "index"},
 *    "stages": [{"stage", "node", "first_unit", "end_unit", "compute_seconds", "share",
 *                "memory_bytes", "limit_bytes"}],
 *    "cuts": [{"unit", "from", "to", "earlier_step_seconds", "later_step_seconds"}],
 *    "absorbs": {node: bool}}
 *
 * share: of the step that the stage computes. bottleneck.index: of `stages`, or of `cuts` for a
 * link; path: fill and drain or the window, from that stage on. Times are of one step; earlier and
 * later, with that cut one unit away, are null where there is no such plan.
 */
#ifndef FTP_CTL_PLANNER_JSON_H
#define FTP_CTL_PLANNER_JSON_H

#include <jansson.h>

#include "ctl/planner.h"

/* A new object. names: of the problem's nodes, in UTF-8, lent; batch: samples of one step. */
json_t *ftp_planner_json(const struct ftp_planner_answer *answer, const char *const *names,
	uint32_t n_nodes, uint32_t batch);

#endif
