#include "ctl/protocol.h"

#include <errno.h>
#include <string.h>

#include "ctl/protocol_fields.h"
#include "ctl/protocol_operator.h"

#define FIELD(type, member, kind_)                                                                 \
	{                                                                                          \
		.name = #member, .kind = kind_, .offset = offsetof(struct type, member)            \
	}
#define BOUNDED(type, member, kind_, most)                                                         \
	{                                                                                          \
		.name = #member, .kind = kind_, .offset = offsetof(struct type, member),           \
		.bound = most                                                                      \
	}
#define TEXT(type, member)                                                                         \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_TEXT, .offset = offsetof(struct type, member),  \
		.bound = sizeof(((struct type *)0)->member)                                        \
	}
#define BOUNDED_VALUES(type, member, count, kind_, most)                                           \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_VALUES, .element_kind = kind_, .bound = most,   \
		.offset = offsetof(struct type, member),                                           \
		.count_offset = offsetof(struct type, count),                                      \
		.max_count = sizeof(((struct type *)0)->member) /                                  \
			     sizeof(((struct type *)0)->member[0]),                                \
		.stride_bytes = sizeof(((struct type *)0)->member[0])                              \
	}
#define VALUES(type, member, count, kind_) BOUNDED_VALUES(type, member, count, kind_, 0)
#define OBJECTS(type, member, count, table_)                                                       \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_OBJECTS, .table = table_,                       \
		.offset = offsetof(struct type, member),                                           \
		.count_offset = offsetof(struct type, count),                                      \
		.max_count = sizeof(((struct type *)0)->member) /                                  \
			     sizeof(((struct type *)0)->member[0]),                                \
		.stride_bytes = sizeof(((struct type *)0)->member[0])                              \
	}

#define MESSAGE(message)                                                                           \
	json_t *message##_encode(const struct message *m)                                          \
	{                                                                                          \
		return ftp_protocol_fields_encode(message##_fields, m);                            \
	}                                                                                          \
	int message##_decode(struct message *m, const json_t *j, struct ftp_error *err)            \
	{                                                                                          \
		memset(m, 0, sizeof(*m));                                                          \
		return ftp_protocol_fields_decode(message##_fields, m, j, err);                    \
	}

static const struct ftp_field ftp_join_fields[] = {
	FIELD(ftp_join, protocol, FTP_FIELD_U32),
	TEXT(ftp_join, name),
	FIELD(ftp_join, incarnation, FTP_FIELD_HEX64),
	FIELD(ftp_join, pid, FTP_FIELD_I64),
	TEXT(ftp_join, version),
	TEXT(ftp_join, cpu),
	TEXT(ftp_join, isa),
	FIELD(ftp_join, n_cores, FTP_FIELD_U32),
	{.name = "udp_port_even",
		.kind = FTP_FIELD_U16,
		.offset = offsetof(struct ftp_join, udp_port[0])},
	{.name = "udp_port_odd",
		.kind = FTP_FIELD_U16,
		.offset = offsetof(struct ftp_join, udp_port[1])},
	TEXT(ftp_join, metrics),
	FIELD(ftp_join, config, FTP_FIELD_DIGEST),
	FIELD(ftp_join, dataset, FTP_FIELD_DIGEST),
	{.name = "n_train",
		.kind = FTP_FIELD_U64,
		.offset = offsetof(struct ftp_join, n_train),
		.bound = UINT32_MAX},
	{.name = "n_test",
		.kind = FTP_FIELD_U64,
		.offset = offsetof(struct ftp_join, n_test),
		.bound = UINT32_MAX},
	FIELD(ftp_join, run, FTP_FIELD_HEX64),
	FIELD(ftp_join, term, FTP_FIELD_U64),
	FIELD(ftp_join, next_term, FTP_FIELD_U64),
	FIELD(ftp_join, newest_term, FTP_FIELD_U64),
	FIELD(ftp_join, step, FTP_FIELD_U64),
	FIELD(ftp_join, first_row, FTP_FIELD_U64),
	TEXT(ftp_join, no_data),
	{.name = NULL},
};
MESSAGE(ftp_join)

static const struct ftp_field ftp_joined_fields[] = {
	FIELD(ftp_joined, node, FTP_FIELD_U32),
	FIELD(ftp_joined, run, FTP_FIELD_HEX64),
	TEXT(ftp_joined, isa),
	FIELD(ftp_joined, row, FTP_FIELD_U64),
	{.name = NULL},
};
MESSAGE(ftp_joined)

static const struct ftp_field ftp_profile_ask_fields[] = {
	TEXT(ftp_profile_ask, isa),
	{.name = NULL},
};
MESSAGE(ftp_profile_ask)

static const struct ftp_field ftp_profile_fields[] = {
	BOUNDED_VALUES(ftp_profile, forward_ns, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	BOUNDED_VALUES(ftp_profile, backward_ns, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	BOUNDED_VALUES(ftp_profile, update_ns, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	BOUNDED_VALUES(ftp_profile, mad_ns, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	BOUNDED_VALUES(ftp_profile, version_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	BOUNDED_VALUES(ftp_profile, fixed_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	BOUNDED_VALUES(ftp_profile, slot_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	BOUNDED_VALUES(ftp_profile, shared_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	BOUNDED_VALUES(ftp_profile, scratch1_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	BOUNDED_VALUES(ftp_profile, scratch2_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	BOUNDED_VALUES(ftp_profile, scratch3_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	BOUNDED_VALUES(
		ftp_profile, scratchpad_bytes, n_units, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	{.name = NULL},
};
MESSAGE(ftp_profile)

static const struct ftp_field plan_stage_fields[] = {
	FIELD(ftp_plan_stage, node, FTP_FIELD_U32),
	TEXT(ftp_plan_stage, name),
	TEXT(ftp_plan_stage, host),
	FIELD(ftp_plan_stage, udp_port, FTP_FIELD_U16),
	FIELD(ftp_plan_stage, incarnation, FTP_FIELD_HEX64),
	FIELD(ftp_plan_stage, first_unit, FTP_FIELD_U32),
	FIELD(ftp_plan_stage, end_unit, FTP_FIELD_U32),
	{.name = NULL},
};

static const struct ftp_field ftp_plan_fields[] = {
	FIELD(ftp_plan, run, FTP_FIELD_HEX64),
	FIELD(ftp_plan, term, FTP_FIELD_U64),
	TEXT(ftp_plan, isa),
	FIELD(ftp_plan, last_step, FTP_FIELD_U64),
	FIELD(ftp_plan, n_eval, FTP_FIELD_U32),
	FIELD(ftp_plan, recovery, FTP_FIELD_U32),
	FIELD(ftp_plan, recovery_step, FTP_FIELD_U64),
	OBJECTS(ftp_plan, stages, n_stages, plan_stage_fields),
	OBJECTS(ftp_plan, leaving, n_leaving, plan_stage_fields),
	VALUES(ftp_plan, holder, n_units, FTP_FIELD_U32),
	{.name = NULL},
};

json_t *ftp_plan_encode(const struct ftp_plan *m)
{
	return ftp_protocol_fields_encode(ftp_plan_fields, m);
}

static int check_stages(const struct ftp_plan *m, struct ftp_error *err)
{
	uint32_t end = 0;

	if (!m->n_stages)
		return ftp_error_set(err, EINVAL, "stages: expected at least one");
	for (uint32_t i = 0; i < m->n_stages; i++) {
		const struct ftp_plan_stage *s = &m->stages[i];

		if (s->first_unit != end || s->end_unit <= end || s->end_unit > m->n_units)
			return ftp_error_set(err, EINVAL,
				"stages[%u]: expected units from %u on, and at least one", i, end);
		end = s->end_unit;
	}
	if (end != m->n_units)
		return ftp_error_set(err, EINVAL, "stages: expected all %u units", m->n_units);
	return 0;
}

static int check_members(const struct ftp_plan *m, struct ftp_error *err)
{
	uint32_t n = m->n_stages + m->n_leaving;

	if (n > FTP_CONFIG_MAX_NODES)
		return ftp_error_set(
			err, EINVAL, "leaving: expected at most %d members", FTP_CONFIG_MAX_NODES);
	for (uint32_t i = 0; i < n; i++)
		if (ftp_plan_member(m, i)->node >= FTP_CONFIG_MAX_NODES)
			return ftp_error_set(err, EINVAL, "%s.node: expected a node of the config",
				i < m->n_stages ? "stages" : "leaving");
	for (uint32_t u = 0; u < m->n_units; u++)
		if (m->holder[u] >= n && m->holder[u] != FTP_PLAN_INITIAL)
			return ftp_error_set(
				err, EINVAL, "holder[%u]: expected one of %u members", u, n);
	return 0;
}

int ftp_plan_decode(struct ftp_plan *m, const json_t *j, struct ftp_error *err)
{
	int rc;

	memset(m, 0, sizeof(*m));
	rc = ftp_protocol_fields_decode(ftp_plan_fields, m, j, err);
	if (!rc && !m->last_step)
		rc = ftp_error_set(err, EINVAL, "last_step: expected a step");
	if (!rc)
		rc = check_stages(m, err);
	return rc ? rc : check_members(m, err);
}

static const struct ftp_field ftp_probe_fields[] = {
	FIELD(ftp_probe, run, FTP_FIELD_HEX64),
	FIELD(ftp_probe, term, FTP_FIELD_U64),
	OBJECTS(ftp_probe, nodes, n_nodes, plan_stage_fields),
	{.name = NULL},
};
MESSAGE(ftp_probe)

static const struct ftp_field ftp_links_fields[] = {
	VALUES(ftp_links, peer, n_peers, FTP_FIELD_U32),
	BOUNDED_VALUES(ftp_links, rtt_ns, n_peers, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	BOUNDED_VALUES(ftp_links, bytes_per_s, n_peers, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	{.name = NULL},
};
MESSAGE(ftp_links)

static const struct ftp_field ftp_hold_fields[] = {
	FIELD(ftp_hold, term, FTP_FIELD_U64),
	FIELD(ftp_hold, step, FTP_FIELD_U64),
	{.name = NULL},
};
MESSAGE(ftp_hold)

static const struct ftp_field ftp_held_fields[] = {
	FIELD(ftp_held, term, FTP_FIELD_U64),
	FIELD(ftp_held, step, FTP_FIELD_U64),
	VALUES(ftp_held, unit, n_units, FTP_FIELD_U32),
	VALUES(ftp_held, digest, n_units, FTP_FIELD_DIGEST),
	{.name = NULL},
};
MESSAGE(ftp_held)

static const struct ftp_field ftp_transfer_fields[] = {
	FIELD(ftp_transfer, term, FTP_FIELD_U64),
	FIELD(ftp_transfer, step, FTP_FIELD_U64),
	VALUES(ftp_transfer, unit, n_units, FTP_FIELD_U32),
	VALUES(ftp_transfer, digest, n_units, FTP_FIELD_DIGEST),
	{.name = NULL},
};
MESSAGE(ftp_transfer)

static const struct ftp_field ftp_transferred_fields[] = {
	FIELD(ftp_transferred, term, FTP_FIELD_U64),
	BOUNDED(ftp_transferred, bytes, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	FIELD(ftp_transferred, receive_ns, FTP_FIELD_U64),
	FIELD(ftp_transferred, import_ns, FTP_FIELD_U64),
	{.name = NULL},
};
MESSAGE(ftp_transferred)

static const struct ftp_field ftp_abandon_fields[] = {
	FIELD(ftp_abandon, term, FTP_FIELD_U64),
	TEXT(ftp_abandon, reason),
	{.name = NULL},
};
MESSAGE(ftp_abandon)

static const struct ftp_field ftp_stored_fields[] = {
	FIELD(ftp_stored, term, FTP_FIELD_U64),
	FIELD(ftp_stored, step, FTP_FIELD_U64),
	FIELD(ftp_stored, at, FTP_FIELD_U64),
	VALUES(ftp_stored, unit, n_units, FTP_FIELD_U32),
	VALUES(ftp_stored, digest, n_units, FTP_FIELD_DIGEST),
	BOUNDED(ftp_stored, cost_ns, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	{.name = NULL},
};
MESSAGE(ftp_stored)

static const struct ftp_field ftp_halt_fields[] = {
	FIELD(ftp_halt, term, FTP_FIELD_U64),
	TEXT(ftp_halt, reason),
	{.name = NULL},
};
MESSAGE(ftp_halt)

static const struct ftp_field ftp_inventory_fields[] = {
	VALUES(ftp_inventory, unit, n, FTP_FIELD_U32),
	VALUES(ftp_inventory, step, n, FTP_FIELD_U64),
	VALUES(ftp_inventory, term, n, FTP_FIELD_U64),
	VALUES(ftp_inventory, digest, n, FTP_FIELD_DIGEST),
	{.name = NULL},
};
MESSAGE(ftp_inventory)

static const struct ftp_field ftp_lost_fields[] = {
	FIELD(ftp_lost, term, FTP_FIELD_U64),
	FIELD(ftp_lost, node, FTP_FIELD_U32),
	FIELD(ftp_lost, silence_ns, FTP_FIELD_U64),
	TEXT(ftp_lost, text),
	{.name = NULL},
};
MESSAGE(ftp_lost)

static const struct ftp_field ftp_retain_fields[] = {
	FIELD(ftp_retain, term, FTP_FIELD_U64),
	VALUES(ftp_retain, step, n_steps, FTP_FIELD_U64),
	FIELD(ftp_retain, next, FTP_FIELD_U64),
	FIELD(ftp_retain, global, FTP_FIELD_U32),
	FIELD(ftp_retain, disk, FTP_FIELD_U64),
	FIELD(ftp_retain, durable, FTP_FIELD_U64),
	{.name = NULL},
};
MESSAGE(ftp_retain)

static const struct ftp_field ftp_persisted_fields[] = {
	FIELD(ftp_persisted, term, FTP_FIELD_U64),
	FIELD(ftp_persisted, step, FTP_FIELD_U64),
	FIELD(ftp_persisted, ok, FTP_FIELD_U32),
	VALUES(ftp_persisted, unit, n_units, FTP_FIELD_U32),
	TEXT(ftp_persisted, text),
	{.name = NULL},
};
MESSAGE(ftp_persisted)

static const struct ftp_field ftp_emulate_fields[] = {
	FIELD(ftp_emulate, slowdown, FTP_FIELD_SECONDS),
	FIELD(ftp_emulate, loss, FTP_FIELD_SECONDS),
	FIELD(ftp_emulate, bandwidth_bytes, FTP_FIELD_U64),
	FIELD(ftp_emulate, delay_ns, FTP_FIELD_U64),
	{.name = NULL},
};
MESSAGE(ftp_emulate)

static const struct ftp_field ftp_trace_fields[] = {
	FIELD(ftp_trace, term, FTP_FIELD_U64),
	VALUES(ftp_trace, task, n_spans, FTP_FIELD_U32),
	VALUES(ftp_trace, micro, n_spans, FTP_FIELD_U32),
	VALUES(ftp_trace, step, n_spans, FTP_FIELD_U64),
	VALUES(ftp_trace, begin_ns, n_spans, FTP_FIELD_U64),
	VALUES(ftp_trace, end_ns, n_spans, FTP_FIELD_U64),
	{.name = NULL},
};
MESSAGE(ftp_trace)

static const struct ftp_field ftp_repartition_fields[] = {
	TEXT(ftp_repartition, cuts),
	TEXT(ftp_repartition, nodes),
	FIELD(ftp_repartition, force, FTP_FIELD_U32),
	{.name = NULL},
};
MESSAGE(ftp_repartition)

static const struct ftp_field ftp_named_fields[] = {
	TEXT(ftp_named, name),
	{.name = NULL},
};
MESSAGE(ftp_named)

static const struct ftp_field ftp_toggle_fields[] = {
	FIELD(ftp_toggle, on, FTP_FIELD_U32),
	{.name = NULL},
};
MESSAGE(ftp_toggle)

static const struct ftp_field ftp_recover_fields[] = {
	FIELD(ftp_recover, from_beginning, FTP_FIELD_U32),
	{.name = NULL},
};
MESSAGE(ftp_recover)

static const struct ftp_field ftp_emulate_ask_fields[] = {
	TEXT(ftp_emulate_ask, name),
	TEXT(ftp_emulate_ask, settings),
	{.name = NULL},
};
MESSAGE(ftp_emulate_ask)

static const struct ftp_field ftp_fail_fields[] = {
	TEXT(ftp_fail, how),
	{.name = NULL},
};
MESSAGE(ftp_fail)

static const struct ftp_field ftp_fail_ask_fields[] = {
	TEXT(ftp_fail_ask, name),
	TEXT(ftp_fail_ask, how),
	{.name = NULL},
};
MESSAGE(ftp_fail_ask)

static const struct ftp_field ftp_prepared_fields[] = {
	FIELD(ftp_prepared, term, FTP_FIELD_U64),
	BOUNDED(ftp_prepared, memory_bytes, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	{.name = NULL},
};
MESSAGE(ftp_prepared)

static const struct ftp_field ftp_commit_fields[] = {
	FIELD(ftp_commit, term, FTP_FIELD_U64),
	{.name = NULL},
};
MESSAGE(ftp_commit)

static const struct ftp_field ftp_stop_fields[] = {
	TEXT(ftp_stop, reason),
	{.name = NULL},
};
MESSAGE(ftp_stop)

static const struct ftp_field ftp_progress_fields[] = {
	FIELD(ftp_progress, term, FTP_FIELD_U64),
	FIELD(ftp_progress, step, FTP_FIELD_U64),
	BOUNDED(ftp_progress, samples, FTP_FIELD_U64, FTP_PROTOCOL_MAX_COUNT),
	FIELD(ftp_progress, now_ns, FTP_FIELD_U64),
	BOUNDED(ftp_progress, compute_s, FTP_FIELD_SECONDS, FTP_PROTOCOL_MAX_SECONDS),
	BOUNDED(ftp_progress, wait_s, FTP_FIELD_SECONDS, FTP_PROTOCOL_MAX_SECONDS),
	BOUNDED(ftp_progress, poll_s, FTP_FIELD_SECONDS, FTP_PROTOCOL_MAX_SECONDS),
	BOUNDED_VALUES(ftp_progress, step_compute_ns, n_steps, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	VALUES(ftp_progress, link_peer, n_links, FTP_FIELD_U32),
	BOUNDED_VALUES(ftp_progress, link_rtt_ns, n_links, FTP_FIELD_U64, FTP_PROTOCOL_MAX_NS),
	VALUES(ftp_progress, link_tx_bytes, n_links, FTP_FIELD_U64),
	VALUES(ftp_progress, link_rx_bytes, n_links, FTP_FIELD_U64),
	VALUES(ftp_progress, row_step, n_rows, FTP_FIELD_U64),
	VALUES(ftp_progress, row_loss, n_rows, FTP_FIELD_LOSS),
	{.name = NULL},
};
MESSAGE(ftp_progress)

static const struct ftp_field ftp_evaluated_fields[] = {
	FIELD(ftp_evaluated, term, FTP_FIELD_U64),
	FIELD(ftp_evaluated, step, FTP_FIELD_U64),
	FIELD(ftp_evaluated, n_correct, FTP_FIELD_U64),
	FIELD(ftp_evaluated, n_samples, FTP_FIELD_U64),
	FIELD(ftp_evaluated, loss, FTP_FIELD_LOSS),
	{.name = NULL},
};
MESSAGE(ftp_evaluated)

static const struct ftp_field ftp_finished_fields[] = {
	FIELD(ftp_finished, term, FTP_FIELD_U64),
	FIELD(ftp_finished, step, FTP_FIELD_U64),
	TEXT(ftp_finished, params_digest),
	BOUNDED(ftp_finished, train_s, FTP_FIELD_SECONDS, FTP_PROTOCOL_MAX_SECONDS),
	{.name = NULL},
};
MESSAGE(ftp_finished)

static const struct ftp_field ftp_failed_fields[] = {
	TEXT(ftp_failed, reason),
	{.name = NULL},
};
MESSAGE(ftp_failed)

static const struct ftp_field ftp_exited_fields[] = {
	TEXT(ftp_exited, who),
	FIELD(ftp_exited, pid, FTP_FIELD_I64),
	FIELD(ftp_exited, code, FTP_FIELD_U32),
	FIELD(ftp_exited, signal, FTP_FIELD_U32),
	TEXT(ftp_exited, reason),
	{.name = NULL},
};
MESSAGE(ftp_exited)
