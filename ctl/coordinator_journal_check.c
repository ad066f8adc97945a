/* Is a journal one that this core could have written? It comes from a disk that may have lost
 * power, or from an editor: every field within its bounds, and none that contradicts another. What
 * is not believed is as good as lost, which is dear, but no reason to end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_journal.h"
#include "ctl/protocol_fields.h"

static int check_version(const json_t *journal, struct ftp_error *err)
{
	json_int_t version = json_integer_value(json_object_get(journal, "version"));

	if (version == FTP_JOURNAL_VERSION)
		return 0; /* before all other fields: another version may have others */
	return ftp_error_set(err, EINVAL, "version: expected %d, got %lld", FTP_JOURNAL_VERSION,
		(long long)version);
}

/* An object of which there may be none. *there: there is one. */
static int check_part(
	const json_t *journal, const char *name, const json_t **part, struct ftp_error *err)
{
	const json_t *j = json_object_get(journal, name);

	*part = json_is_object(j) ? j : NULL;
	if (*part || json_is_null(j))
		return 0;
	return ftp_error_set(err, EINVAL, "%s: expected an object or null", name);
}

static int decode_parts(const json_t *journal, struct ftp_plan *plan, struct ftp_evaluated *e,
	struct ftp_error *err)
{
	const json_t *part;
	int rc = check_part(journal, "plan", &part, err);

	plan->n_stages = plan->n_leaving = 0;
	plan->term = 0;
	if (!rc && part && ftp_plan_decode(plan, part, err))
		rc = ftp_error_prefix(err, -EINVAL, "plan");
	if (!rc)
		rc = check_part(journal, "evaluation", &part, err);
	e->n_samples = 0;
	if (!rc && part && ftp_evaluated_decode(e, part, err))
		rc = ftp_error_prefix(err, -EINVAL, "evaluation");
	if (!rc && part && !e->n_samples)
		rc = ftp_error_set(err, EINVAL, "evaluation.n_samples: expected at least 1");
	return rc;
}

struct rule {
	bool is_broken;
	const char *field, *what;
};

static int check_rules(const struct rule *rules, size_t n, struct ftp_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].is_broken)
			return ftp_error_set(err, EINVAL, "%s: %s", rules[i].field, rules[i].what);
	return 0;
}

#define CHECK_RULES(rules, err) check_rules(rules, sizeof(rules) / sizeof(*(rules)), err)

static int check_run(const struct ftp_journal_head *h, struct ftp_error *err)
{
	bool has_plan = h->plan_term;
	const struct rule rules[] = {
		{h->plan_term > h->last_term, "plan_term", "greater than last_term"},
		{h->old_term && h->old_term >= h->plan_term, "old_term", "not before plan_term"},
		{has_plan && !h->last_step, "last_step", "expected at least 1"},
		{has_plan && h->plan_step >= h->last_step, "plan_step", "not before last_step"},
		{!has_plan && h->plan_step, "plan_step", "expected 0, as there is no plan"},
		{has_plan && ftp_coordinator_isa_rank(h->isa) < 0, "isa",
			"names no instruction set"},
		{has_plan && !h->dataset.high && !h->dataset.low, "dataset",
			"expected that of the plan's data"},
		{has_plan && !h->n_train, "n_train", "expected at least 1"},
		{!(h->train_s < 1e9), "train_s", "expected less than 30 years"},
		{h->outcome == FTP_END_COMPLETED && !has_plan, "outcome",
			"completed, though there was no plan"},
		{h->outcome == FTP_END_COMPLETED && strlen(h->params_digest) != FTP_DIGEST_HEX - 1,
			"params_digest", "expected 32 digits, as the run has completed"},
		{h->outcome > FTP_END_COMPLETED && !h->reason[0], "reason",
			"empty, though the run has not completed"},
	};

	return CHECK_RULES(rules, err);
}

static int check_snapshots(
	const struct ftp_journal_head *h, const struct ftp_plan *plan, struct ftp_error *err)
{
	bool has_disk = h->disk_step;
	const struct rule rules[] = {
		{h->stable_step && h->stable_step >= h->last_step, "stable_step",
			"not before last_step"},
		{h->stable_step && !h->plan_term, "stable_step", "expected 0, as there is no plan"},
		{has_disk && h->disk_step > h->stable_step, "disk_step",
			"greater than stable_step"},
		{has_disk && (!h->disk_term || h->disk_term > h->last_term), "disk_term",
			"no term of the run"},
		{has_disk && h->back_step, "back_step", "expected 0, as there is a disk_step"},
		{h->back_step > h->plan_step, "back_step", "greater than plan_step"},
		{has_disk != (h->n_units > 0), "digest", "expected those of disk_step's units"},
		{h->n_units && plan->n_stages && h->n_units != plan->n_units, "digest",
			"expected one for each unit of the plan"},
	};

	return CHECK_RULES(rules, err);
}

static int check_plan(
	const struct ftp_journal_head *h, const struct ftp_plan *plan, struct ftp_error *err)
{
	const struct rule rules[] = {
		{plan->term != h->plan_term, "plan.term", "is not plan_term"},
		{plan->run != h->run, "plan.run", "is not that of the journal"},
		{plan->last_step != h->last_step, "plan.last_step", "is not last_step"},
		{strcmp(plan->isa, h->isa) != 0, "plan.isa", "is not isa"},
		{!h->n_begun || h->begun_term[h->n_begun - 1] != h->plan_term, "begun_term",
			"does not end with plan_term"},
		{h->n_begun && h->begun_step[h->n_begun - 1] != h->plan_step, "begun_step",
			"does not end with plan_step"},
	};

	if (!plan->n_stages)
		return 0;
	for (uint32_t i = 1; i < plan->n_stages; i++)
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(plan->stages[i].name, plan->stages[k].name))
				return ftp_error_set(err, EINVAL, "plan.stages[%u].name: %s twice",
					i, plan->stages[i].name);
	return CHECK_RULES(rules, err);
}

static int check_history(const struct ftp_journal_head *h, struct ftp_error *err)
{
	const struct rule rules[] = {
		{h->forgotten_term && (!h->n_begun || h->forgotten_term >= h->begun_term[0]),
			"forgotten_term", "not before begun_term[0]"},
		{h->n_begun && h->begun_term[h->n_begun - 1] > h->plan_term, "begun_term",
			"goes on after plan_term"},
	};

	for (uint32_t i = 1; i < h->n_begun; i++) {
		if (h->begun_term[i] <= h->begun_term[i - 1])
			return ftp_error_set(err, EINVAL, "begun_term[%u]: not in order", i);
		if (h->begun_step[i] <= h->begun_step[i - 1])
			return ftp_error_set(err, EINVAL, "begun_step[%u]: not in order", i);
	}
	return CHECK_RULES(rules, err);
}

static int check_evaluation(
	const struct ftp_journal_head *h, const struct ftp_evaluated *e, struct ftp_error *err)
{
	const struct rule rules[] = {
		{e->n_samples && e->n_correct > e->n_samples, "evaluation.n_correct",
			"greater than n_samples"},
		{e->n_samples && e->step > h->last_step, "evaluation.step", "after last_step"},
	};

	return CHECK_RULES(rules, err);
}

static bool is_number(const json_t *j, double most)
{
	return json_is_number(j) && json_number_value(j) >= 0 && json_number_value(j) <= most;
}

static int check_links(const json_t *links, struct ftp_error *err)
{
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)links, name, value)
		if (!json_is_integer(json_array_get(value, 0)) ||
			!is_number(json_array_get(value, 0), (double)FTP_JOURNAL_MAX_COUNT) ||
			!json_is_integer(json_array_get(value, 1)) ||
			!is_number(json_array_get(value, 1), (double)FTP_JOURNAL_MAX_COUNT))
			return ftp_error_set(
				err, EINVAL, "links.%.32s: expected [nanoseconds, rate]", name);
	return json_is_object(links) ? 0 : ftp_error_set(err, EINVAL, "links: expected an object");
}

static int check_node(const json_t *j, struct ftp_error *err)
{
	const json_t *profile = json_object_get(j, "profile"),
		     *slowness = json_object_get(j, "slowness");
	struct ftp_profile *p = malloc(sizeof(*p));
	struct ftp_join join;
	int rc = ftp_join_decode(&join, json_object_get(j, "join"), err);

	ftp_assert(p);
	if (rc)
		rc = ftp_error_prefix(err, rc, "join");
	else if (!json_is_null(profile) && ftp_profile_decode(p, profile, err))
		rc = ftp_error_prefix(err, -EINVAL, "profile");
	else if (!is_number(slowness, 1e18) || json_number_value(slowness) <= 0)
		rc = ftp_error_set(err, EINVAL, "slowness: expected a factor");
	else if (!is_number(json_object_get(j, "memory_bytes"), (double)FTP_JOURNAL_MAX_COUNT) ||
		 !json_is_integer(json_object_get(j, "memory_bytes")))
		rc = ftp_error_set(err, EINVAL, "memory_bytes: expected an integer in range");
	else if (!is_number(json_object_get(j, "train_s"), 1e9))
		rc = ftp_error_set(err, EINVAL, "train_s: expected seconds");
	else
		rc = check_links(json_object_get(j, "links"), err);
	free(p);
	return rc;
}

static int check_lists(const json_t *journal, struct ftp_error *err)
{
	static const char *const lists[] = {"nodes", "plans", "changes", "recoveries"};
	const json_t *entry;
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (!json_is_array(json_object_get(journal, lists[i])))
			return ftp_error_set(err, EINVAL, "%s: expected an array", lists[i]);
	json_array_foreach (json_object_get(journal, "nodes"), i, entry) {
		int rc = check_node(entry, err);

		if (rc)
			return ftp_error_prefix(err, rc, "nodes[%zu]", i);
	}
	return 0;
}

int ftp_coordinator_journal_decode(const json_t *journal, struct ftp_journal_head *h,
	struct ftp_plan *plan, struct ftp_evaluated *evaluation, struct ftp_error *err)
{
	int rc = check_version(journal, err);

	if (!rc)
		rc = ftp_protocol_fields_decode(ftp_coordinator_journal_fields, h, journal, err);
	if (!rc)
		rc = decode_parts(journal, plan, evaluation, err);
	if (!rc)
		rc = check_run(h, err);
	if (!rc)
		rc = check_snapshots(h, plan, err);
	if (!rc)
		rc = check_plan(h, plan, err);
	if (!rc)
		rc = check_history(h, err);
	if (!rc)
		rc = check_evaluation(h, evaluation, err);
	return rc ? rc : check_lists(journal, err);
}

int ftp_coordinator_journal_check(const json_t *journal, uint64_t run, struct ftp_error *err)
{
	struct ftp_journal_head *h = calloc(1, sizeof(*h));
	struct ftp_plan *plan = calloc(1, sizeof(*plan));
	struct ftp_evaluated e;
	int rc;

	ftp_assert(h && plan);
	rc = ftp_coordinator_journal_decode(journal, h, plan, &e, err);
	if (!rc && h->run != run)
		rc = ftp_error_set(err, EINVAL, "run: it is that of another one");
	free(plan);
	free(h);
	return rc;
}
