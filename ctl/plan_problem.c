#include "ctl/plan_problem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/measured.h"

/* Is the name in "n1,n3"? */
static bool is_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
		if (!strncmp(list, name, n) && (!list[n] || list[n] == ','))
			return true;
	return false;
}

static int check_list(const struct ftp_config *c, const char *list, struct ftp_error *err)
{
	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL) {
		char name[40];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(list, ","), list);
		if (ftp_config_find_node(c, name) < 0)
			return ftp_error_set(err, EINVAL, "--nodes: there is no node '%s'", name);
	}
	return 0;
}

static int take_profile(struct ftp_plan_problem *p, uint32_t node, const struct ftp_model *m,
	const json_t *measured, struct ftp_profile *profile, struct ftp_error *err)
{
	const json_t *j = ftp_measured_node(measured, p->names[node]);
	int rc;

	if (!j)
		return ftp_error_set(
			err, ENOENT, "%s was not measured; see ftpctl profile", p->names[node]);
	rc = ftp_profile_decode(profile, j, err);
	if (rc)
		return ftp_error_prefix(err, rc, "the profile of %s", p->names[node]);
	if (profile->n_units != (uint32_t)m->n_units)
		return ftp_error_set(err, EINVAL,
			"the profile of %s has %u units, and %s has %d: it is of another model",
			p->names[node], profile->n_units, m->name, m->n_units);
	for (uint32_t u = 0; u < profile->n_units; u++)
		p->times[node][u] = (struct ftp_planner_times){.forward_ns = profile->forward_ns[u],
			.backward_ns = profile->backward_ns[u],
			.update_ns = profile->update_ns[u]};
	return 0;
}

static void take_units(struct ftp_plan_problem *p, const struct ftp_config *c,
	const struct ftp_model *m, const struct ftp_profile *profile)
{
	int samples = (int)(c->training.batch / c->training.micro_batches);

	for (int u = 0; u < m->n_units; u++)
		p->units[u] = ftp_plan_problem_unit(profile, (uint32_t)u,
			ftp_model_cut_floats(m, u, samples) * sizeof(float),
			m->units[u].state_bytes);
}

/* false: nobody measured it. */
static bool find_link(
	const json_t *measured, const char *from, const char *to, struct ftp_planner_link *link)
{
	const json_t *j = ftp_document_find(json_object_get(measured, "links"), "node", from);
	const json_t *peers = json_object_get(j, "peer");

	for (size_t i = 0; i < json_array_size(peers); i++) {
		const char *peer = json_string_value(json_array_get(peers, i));
		json_int_t rtt =
			json_integer_value(json_array_get(json_object_get(j, "rtt_ns"), i));
		json_int_t rate =
			json_integer_value(json_array_get(json_object_get(j, "bytes_per_s"), i));

		if (!peer || strcmp(peer, to) || rtt < 0 || rate <= 0)
			continue;
		*link = (struct ftp_planner_link){
			.latency_ns = (uint64_t)rtt / 2, .bytes_per_s = (uint64_t)rate};
		return true;
	}
	return false;
}

static void take_links(struct ftp_plan_problem *p, const char *const *hosts, const json_t *measured)
{
	uint32_t n = p->problem.n_nodes;

	for (uint32_t from = 0; from < n; from++) {
		for (uint32_t to = 0; to < n; to++) {
			struct ftp_planner_link *link = &p->links[from * n + to];
			bool near = !strcmp(hosts[from], hosts[to]);

			if (from == to || find_link(measured, p->names[from], p->names[to], link))
				continue;
			*link = (struct ftp_planner_link){
				.latency_ns =
					near ? FTP_PLAN_NEAR_LATENCY_NS : FTP_PLAN_FAR_LATENCY_NS,
				.bytes_per_s = near ? FTP_PLAN_NEAR_BYTES_PER_S
						    : FTP_PLAN_FAR_BYTES_PER_S};
			p->n_near += near;
			p->n_far += !near;
		}
	}
}

/* A file says what it is of. */
static int check_work(const struct ftp_config *c, const struct ftp_model *m, const json_t *measured,
	struct ftp_error *err)
{
	json_int_t samples = c->training.batch / c->training.micro_batches;
	json_int_t theirs = ftp_document_integer(measured, "micro_batch");
	const char *model = ftp_document_text(measured, "model");

	if (model[0] && strcmp(model, m->name))
		return ftp_error_set(
			err, EINVAL, "the profile is of %.64s, not of %s", model, m->name);
	if (theirs && theirs != samples)
		return ftp_error_set(err, EINVAL,
			"the profile is of micro-batches of %lld samples, and the configuration's "
			"have %lld",
			(long long)theirs, (long long)samples);
	return 0;
}

static int fill(struct ftp_plan_problem *p, const struct ftp_config *c, const struct ftp_model *m,
	const json_t *measured, const char *nodes, struct ftp_profile *profile,
	struct ftp_error *err)
{
	const char *hosts[FTP_PLANNER_MAX_NODES];
	uint64_t heirs = 0;
	uint32_t n = 0;
	int rc = check_work(c, m, measured, err);

	if (!rc)
		rc = check_list(c, nodes, err);
	for (uint32_t i = 0; !rc && i < c->n_nodes; i++) {
		if (nodes && !is_listed(nodes, c->nodes[i].name))
			continue;
		p->names[n] = c->nodes[i].name;
		hosts[n] = c->nodes[i].host;
		p->nodes[n] = (struct ftp_planner_node){.times = p->times[n],
			.memory_bytes = c->nodes[i].memory_bytes,
			.name = c->nodes[i].name};
		heirs |= (uint64_t)c->nodes[i].dataset << n;
		rc = take_profile(p, n++, m, measured, profile, err);
	}
	if (!rc && !heirs)
		rc = ftp_error_set(err, EINVAL,
			"%s: nodes[].dataset is false for all of them, and one must run stage 0",
			nodes ? "--nodes" : "nodes");
	if (rc)
		return rc;
	take_units(p, c, m, profile);
	p->problem = (struct ftp_planner_problem){.units = p->units,
		.n_units = (uint32_t)m->n_units,
		.nodes = p->nodes,
		.n_nodes = n,
		.first = heirs & -heirs,
		.heirs = heirs,
		.links = p->links,
		.schedule = c->training.schedule == FTP_SCHEDULE_FLUSH ? FTP_PLANNER_FLUSH
								       : FTP_PLANNER_1F1B,
		.micro_batches = c->training.micro_batches,
		.snapshots = c->snapshot.every > 0,
		.global_snapshots = c->snapshot.every && c->snapshot.global_every,
		.disk_snapshots = c->checkpoint.every > 0};
	take_links(p, hosts, measured);
	return 0;
}

int ftp_plan_problem_new(struct ftp_plan_problem **out, const struct ftp_config *c,
	const struct ftp_model *m, const json_t *measured, const char *nodes, struct ftp_error *err)
{
	struct ftp_profile *profile = calloc(1, sizeof(*profile));
	int rc;

	*out = calloc(1, sizeof(**out));
	ftp_assert(*out && profile);
	rc = fill(*out, c, m, measured, nodes, profile, err);
	free(profile);
	if (rc)
		free(*out);
	return rc;
}
