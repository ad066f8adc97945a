/* What tests of live workers share: plans, a whole run by one node, one with changes. */
#ifndef FTP_TESTS_RUNTIME_WORKER_RUNS_H
#define FTP_TESTS_RUNTIME_WORKER_RUNS_H

#include "tests/runtime/worker_rig.h"

extern const struct rig_plan alone, thirds, turned, lopsided, mirrored, without_n2, without_n3;
extern const struct rig_settings flush;

void assert_same_training(const struct rig *a, const struct rig *b);

/* One node from the begin to the end. */
void train_alone(struct rig *r);

/* Slowed down, so that the changes come before the end; the wait between is for a step or two. */
void begin(struct rig *r, const struct rig_settings *settings, const struct rig_plan *plan);
void end(struct rig *r);
void live_through_changes(struct rig *r, const struct rig_settings *settings);

#endif
