#include "runtime/states.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ftp_states {
	struct ftp_states_spec spec;
	uint64_t step;
	int n_open;			      /* messages posted or lent */
	unsigned char *memory;		      /* of every unit that is here */
	void *states[FTP_PROTOCOL_MAX_UNITS]; /* NULL: not here */
	struct ftp_buffer buffers[FTP_PROTOCOL_MAX_UNITS];
};

static uint32_t n_units(const struct ftp_states *s)
{
	return (uint32_t)s->spec.model->n_units;
}

static size_t bytes_of(const struct ftp_states *s, uint32_t unit)
{
	return s->spec.model->units[unit].state_bytes;
}

static bool is_here(const struct ftp_states *s, uint32_t unit)
{
	return s->spec.from[unit] == s->spec.self || s->spec.to[unit] == s->spec.self;
}

bool ftp_states_sends(const struct ftp_states *s, uint32_t unit)
{
	return s->spec.from[unit] == s->spec.self && s->spec.to[unit] != s->spec.self;
}

bool ftp_states_takes(const struct ftp_states *s, uint32_t unit)
{
	return s->spec.to[unit] == s->spec.self && s->spec.from[unit] != s->spec.self;
}

int ftp_states_new(
	struct ftp_states **out, const struct ftp_states_spec *spec, struct ftp_error *err)
{
	struct ftp_states *s = calloc(1, sizeof(*s));
	size_t bytes = 0;

	ftp_assert(s && spec->model->n_units <= FTP_PROTOCOL_MAX_UNITS);
	s->spec = *spec;
	for (uint32_t u = 0; u < n_units(s); u++)
		bytes += is_here(s, u) ? bytes_of(s, u) : 0;
	s->memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
	if (!s->memory) {
		free(s);
		return ftp_error_set(err, ENOMEM, "no memory for %zu bytes of unit states", bytes);
	}
	memset(s->memory, 0, bytes);
	bytes = 0;
	for (uint32_t u = 0; u < n_units(s); u++) {
		if (!is_here(s, u))
			continue;
		s->states[u] = s->memory + bytes;
		ftp_buffer_init(&s->buffers[u], s->states[u], (uint32_t)bytes_of(s, u));
		bytes += bytes_of(s, u);
	}
	*out = s;
	return 0;
}

void ftp_states_free(struct ftp_states *s)
{
	if (!s)
		return;
	free(s->memory);
	free(s);
}

static struct ftp_message_id id_of(uint32_t unit, uint64_t step)
{
	return (struct ftp_message_id){
		.kind = FTP_MESSAGE_UNIT_STATE, .cut = (uint16_t)unit, .step = step};
}

void ftp_states_post(struct ftp_states *s, struct ftp_netloop *net, uint64_t step)
{
	s->step = step;
	for (uint32_t u = 0; u < n_units(s); u++) {
		const struct ftp_message_id id = id_of(u, s->step);

		if (!ftp_states_takes(s, u) || !bytes_of(s, u))
			continue;
		s->n_open++;
		ftp_netloop_post(net, s->spec.from[u], &id, s->states[u], (uint32_t)bytes_of(s, u));
	}
}

void ftp_states_fill(struct ftp_states *s, uint32_t unit, const void *state)
{
	memcpy(s->states[unit], state, bytes_of(s, unit));
}

void ftp_states_send(
	struct ftp_states *s, struct ftp_stage *stage, struct ftp_netloop *net, uint64_t now_ns)
{
	for (uint32_t u = 0; u < n_units(s); u++) {
		const struct ftp_message_id id = id_of(u, s->step);

		if (s->spec.from[u] != s->spec.self)
			continue;
		if (stage)
			ftp_stage_export(stage, (int)u, s->states[u]);
		if (!ftp_states_sends(s, u) || !bytes_of(s, u))
			continue;
		s->n_open++;
		ftp_netloop_send(net, s->spec.to[u], &id, FTP_CLASS_BULK, &s->buffers[u], now_ns);
		ftp_netloop_turn(net, now_ns);
	}
}

bool ftp_states_event(struct ftp_states *s, const struct ftp_netloop_event *e, int *unit)
{
	if (e->event.id.kind != FTP_MESSAGE_UNIT_STATE || e->event.id.step != s->step)
		return false;
	if (e->event.kind != FTP_CONNECTION_RECEIVED && e->event.kind != FTP_CONNECTION_SENT)
		return false;
	ftp_assert(s->n_open > 0);
	s->n_open--;
	*unit = e->event.kind == FTP_CONNECTION_RECEIVED ? e->event.id.cut : -1;
	return true;
}

bool ftp_states_is_idle(const struct ftp_states *s)
{
	return s->n_open == 0;
}

const void *ftp_states_data(const struct ftp_states *s, uint32_t unit)
{
	return s->states[unit];
}

struct ftp_digest ftp_states_digest(const struct ftp_states *s, uint32_t unit)
{
	return ftp_digest_of(s->states[unit], bytes_of(s, unit));
}
