/* What the coordinator asks of a node: decoded within bounds, and handed to the worker. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/drill.h"
#include "runtime/base/clock.h"
#include "runtime/control_state.h"

#define MAX_DELAY_NS (60 * FTP_NS_PER_S)

/* Hands a command to the worker; the call that asked for it is answered when it is done. */
static int command(struct ftp_control *c, const struct ftp_command *cmd, uint64_t *open_call,
	uint64_t call, struct ftp_error *err)
{
	static const char *const names[] = {
		[FTP_COMMAND_PROFILE] = FTP_METHOD_PROFILE,
		[FTP_COMMAND_PROBE] = FTP_METHOD_PROBE,
		[FTP_COMMAND_INVENTORY] = FTP_METHOD_INVENTORY,
		[FTP_COMMAND_PREPARE] = FTP_METHOD_PREPARE,
		[FTP_COMMAND_HOLD] = FTP_METHOD_HOLD,
		[FTP_COMMAND_TRANSFER] = FTP_METHOD_TRANSFER,
		[FTP_COMMAND_COMMIT] = FTP_METHOD_COMMIT,
		[FTP_COMMAND_ABANDON] = FTP_METHOD_ABANDON,
		[FTP_COMMAND_HALT] = FTP_METHOD_HALT,
	};

	ftp_control_note(c, FTP_RECORD_CALL, names[cmd->kind], 0, 0);
	if (*open_call || ftp_worker_command(c->params->worker, cmd)) {
		free(cmd->plan);
		free(cmd->transfer);
		free(cmd->probe);
		ftp_error_set(err, EBUSY, "the node is busy with the call before");
		return FTP_JSONRPC_STATE;
	}
	*open_call = call;
	return 1;
}

static int handle_profile(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_PROFILE};
	struct ftp_profile_ask ask;
	struct ftp_control *c = arg;

	(void)peer;
	(void)result;
	if (ftp_profile_ask_decode(&ask, params, err))
		return FTP_JSONRPC_PARAMS;
	memcpy(cmd.isa, ask.isa, sizeof(cmd.isa));
	return command(c, &cmd, &c->standing.profile_call, call, err);
}

static int handle_probe(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_PROBE};
	struct ftp_control *c = arg;

	(void)peer;
	(void)result;
	cmd.probe = calloc(1, sizeof(*cmd.probe));
	ftp_assert(cmd.probe);
	if (ftp_probe_decode(cmd.probe, params, err)) {
		free(cmd.probe);
		return FTP_JSONRPC_PARAMS;
	}
	if (c->standing.term) {
		free(cmd.probe);
		ftp_error_set(err, EBUSY, "the node has a plan");
		return FTP_JSONRPC_STATE;
	}
	return command(c, &cmd, &c->standing.probe_call, call, err);
}

static int handle_prepare(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_PREPARE};
	struct ftp_control *c = arg;
	uint64_t term;
	int rc;

	(void)peer;
	(void)result;
	cmd.plan = calloc(1, sizeof(*cmd.plan));
	ftp_assert(cmd.plan);
	if (ftp_plan_decode(cmd.plan, params, err)) {
		free(cmd.plan);
		return FTP_JSONRPC_PARAMS;
	}
	term = cmd.plan->term;
	rc = command(c, &cmd, &c->standing.calls[FTP_CALL_PREPARE], call, err);
	if (rc == 1)
		ftp_standing_prepare(&c->standing, term);
	return rc;
}

static int handle_inventory(void *arg, struct ftp_jsonrpc *peer, uint64_t call,
	const json_t *params, json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_INVENTORY};
	struct ftp_control *c = arg;

	(void)peer;
	(void)params;
	(void)result;
	return command(c, &cmd, &c->standing.inventory_call, call, err);
}

static int handle_hold(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_HOLD};
	struct ftp_control *c = arg;
	struct ftp_hold m;

	(void)peer;
	(void)result;
	if (ftp_hold_decode(&m, params, err))
		return FTP_JSONRPC_PARAMS;
	cmd.term = m.term;
	cmd.step = m.step;
	return command(c, &cmd, &c->standing.calls[FTP_CALL_HOLD], call, err);
}

static int handle_transfer(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_TRANSFER};
	struct ftp_control *c = arg;

	(void)peer;
	(void)result;
	cmd.transfer = calloc(1, sizeof(*cmd.transfer));
	ftp_assert(cmd.transfer);
	if (ftp_transfer_decode(cmd.transfer, params, err)) {
		free(cmd.transfer);
		return FTP_JSONRPC_PARAMS;
	}
	return command(c, &cmd, &c->standing.calls[FTP_CALL_TRANSFER], call, err);
}

static int handle_commit(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_COMMIT};
	struct ftp_control *c = arg;
	struct ftp_commit m;

	(void)peer;
	(void)result;
	if (ftp_commit_decode(&m, params, err))
		return FTP_JSONRPC_PARAMS;
	cmd.term = m.term;
	return command(c, &cmd, &c->standing.calls[FTP_CALL_COMMIT], call, err);
}

static int handle_abandon(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_ABANDON};
	struct ftp_control *c = arg;
	struct ftp_abandon m;

	(void)peer;
	(void)result;
	if (ftp_abandon_decode(&m, params, err))
		return FTP_JSONRPC_PARAMS;
	cmd.term = m.term;
	return command(c, &cmd, &c->standing.calls[FTP_CALL_ABANDON], call, err);
}

static int handle_halt(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_HALT};
	struct ftp_control *c = arg;
	struct ftp_halt m;

	(void)peer;
	(void)result;
	if (ftp_halt_decode(&m, params, err))
		return FTP_JSONRPC_PARAMS;
	cmd.term = m.term;
	memcpy(cmd.reason, m.reason, sizeof(cmd.reason));
	ftp_standing_halt(&c->standing, m.term);
	return command(c, &cmd, &c->standing.calls[FTP_CALL_HALT], call, err);
}

static int handle_emulate(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_EMULATE};
	struct ftp_emulate *e = &cmd.emulate;
	struct ftp_control *c = arg;

	(void)peer;
	(void)call;
	(void)result;
	if (ftp_emulate_decode(e, params, err))
		return FTP_JSONRPC_PARAMS;
	if (!c->params->is_drill) {
		ftp_error_set(err, EPERM, "this run is not a drill");
		return FTP_JSONRPC_STATE;
	}
	if (!(e->slowdown >= 1 && e->slowdown <= 1000 && e->loss >= 0 && e->loss < 1 &&
		    e->delay_ns <= MAX_DELAY_NS)) {
		ftp_error_set(err, EINVAL,
			"slowdown is 1 to 1000, loss 0 to below 1, delay up to a minute");
		return FTP_JSONRPC_PARAMS;
	}
	if (ftp_worker_command(c->params->worker, &cmd)) {
		ftp_error_set(err, EBUSY, "the worker is busy");
		return FTP_JSONRPC_STATE;
	}
	return 0;
}

static int handle_retain(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_command cmd = {.kind = FTP_COMMAND_RETAIN};
	struct ftp_control *c = arg;

	(void)peer;
	(void)call;
	(void)result;
	if (ftp_retain_decode(&cmd.retain, params, err))
		return FTP_JSONRPC_PARAMS;
	if (ftp_worker_command(c->params->worker, &cmd)) {
		ftp_error_set(err, EBUSY, "the worker is busy");
		return FTP_JSONRPC_STATE;
	}
	return 0;
}

/* A drill: this process is gone, or stopped, before it answers. */
static int handle_fail(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_control *c = arg;
	struct ftp_fail m;

	(void)peer;
	(void)call;
	(void)result;
	if (ftp_fail_decode(&m, params, err))
		return FTP_JSONRPC_PARAMS;
	if (!c->params->is_drill) {
		ftp_error_set(err, EPERM, "this run is not a drill");
		return FTP_JSONRPC_STATE;
	}
	if (!ftp_drill_signal(m.how)) {
		ftp_error_set(err, EINVAL, "expected " FTP_DRILL_HOWS);
		return FTP_JSONRPC_PARAMS;
	}
	ftp_control_note(c, FTP_RECORD_CALL, FTP_METHOD_FAIL, 0, 0);
	raise(ftp_drill_signal(m.how));
	return 0;
}

static int handle_stop(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_control *c = arg;

	(void)peer;
	(void)call;
	(void)params;
	(void)result;
	(void)err;
	ftp_control_note(c, FTP_RECORD_CALL, FTP_METHOD_STOP, 0, 0);
	c->stop = true;
	return 0;
}

const struct ftp_jsonrpc_method ftp_control_methods[] = {
	{FTP_METHOD_PROFILE, handle_profile},
	{FTP_METHOD_PROBE, handle_probe},
	{FTP_METHOD_PREPARE, handle_prepare},
	{FTP_METHOD_HOLD, handle_hold},
	{FTP_METHOD_TRANSFER, handle_transfer},
	{FTP_METHOD_COMMIT, handle_commit},
	{FTP_METHOD_ABANDON, handle_abandon},
	{FTP_METHOD_HALT, handle_halt},
	{FTP_METHOD_RETAIN, handle_retain},
	{FTP_METHOD_INVENTORY, handle_inventory},
	{FTP_METHOD_EMULATE, handle_emulate},
	{FTP_METHOD_FAIL, handle_fail},
	{FTP_METHOD_STOP, handle_stop},
	{NULL, NULL},
};
