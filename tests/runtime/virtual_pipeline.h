/* A pipeline in virtual time: real schedules (runtime/schedule.h), tasks that take the times given,
 * and links of a latency and a rate. A direction of a link carries one message at a time, in the
 * order sent; a message leaves when its receiver's credit has arrived, and its sender's slot is
 * free again when the acknowledgement has (net/connection.h). Inputs and labels cost nothing.
 */
#ifndef FTP_TESTS_VIRTUAL_PIPELINE_H
#define FTP_TESTS_VIRTUAL_PIPELINE_H

#include "ctl/planner.h"
#include "runtime/schedule.h"

struct virtual_times {
	uint64_t forward_ns, backward_ns; /* of a micro-batch */
	uint64_t update_ns;		  /* of a step */
};

struct virtual_link {	      /* one direction */
	uint64_t latency_ns;  /* one way */
	uint64_t bytes_per_s; /* 0: takes no time */
};

struct virtual_pipeline {
	enum ftp_config_schedule schedule;
	uint32_t n_micro;
	uint64_t n_steps; /* at least 6 times the stages, so that there is a steady state */
	int n_stages;
	struct virtual_times stages[FTP_CONFIG_MAX_NODES];
	struct virtual_link forward[FTP_CONFIG_MAX_NODES]; /* from stage s to s + 1 */
	struct virtual_link backward[FTP_CONFIG_MAX_NODES];
	uint64_t cut_bytes[FTP_CONFIG_MAX_NODES]; /* after stage s, each way, per micro-batch */
};

struct virtual_outcome {
	uint64_t first_step_ns;		   /* until every stage has updated */
	uint64_t step_ns;		   /* mean over the middle third of the steps */
	double busy[FTP_CONFIG_MAX_NODES]; /* share of that time in which the stage computed */
};

/* What a plan makes of the planner's problem. */
struct virtual_pipeline virtual_pipeline_of(
	const struct ftp_planner_problem *problem, const struct ftp_planner_plan *plan);

/* Aborts when the schedules block one another. */
struct virtual_outcome virtual_pipeline_run(const struct virtual_pipeline *spec);

#endif
