/* Plans and profiles as tables for people. Pure but for the stream. */
#ifndef FTP_CTL_PLAN_VIEW_H
#define FTP_CTL_PLAN_VIEW_H

#include <jansson.h>
#include <stdio.h>

#include "kernels/model.h"

/* A document of ctl/planner_json.h: stages, what bounds the step, why each cut is where it is,
 * whose loss the others could absorb, and how good the search was. */
void ftp_plan_view_best(FILE *f, const json_t *plan);

/* The answer of run.plan: the plan in force, the best one, and whether it would be changed. */
void ftp_plan_view_live(FILE *f, const json_t *answer);

/* A document of ctl/measured.h; model names the units, NULL: they have none. One node in full,
 * several side by side. node: only that one; NULL: all. */
void ftp_plan_view_profile(
	FILE *f, const json_t *measured, const char *node, const struct ftp_model *model);

#endif
