#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"

struct ftp_action *ftp_actions_add(struct ftp_actions *a, enum ftp_action_kind kind)
{
	if (a->n == a->room) {
		a->room = a->room ? 2 * a->room : 16;
		a->items = realloc(a->items, a->room * sizeof(*a->items));
		ftp_assert(a->items);
	}
	memset(&a->items[a->n], 0, sizeof(*a->items));
	a->items[a->n].kind = kind;
	return &a->items[a->n++];
}

void ftp_actions_clear(struct ftp_actions *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		json_decref(a->items[i].body);
		free(a->items[i].text);
	}
	a->n = 0;
}

void ftp_actions_free(struct ftp_actions *a)
{
	ftp_actions_clear(a);
	free(a->items);
	memset(a, 0, sizeof(*a));
}

void ftp_actions_log(struct ftp_actions *a, enum ftp_log_level level, const char *fmt, ...)
{
	struct ftp_action *action = ftp_actions_add(a, FTP_ACTION_LOG);
	va_list ap;

	action->level = level;
	va_start(ap, fmt);
	if (vasprintf(&action->text, fmt, ap) < 0)
		action->text = NULL;
	va_end(ap);
	ftp_assert(action->text);
}

void ftp_actions_call(struct ftp_actions *a, uint32_t conn, const char *method, json_t *body,
	uint64_t term, uint64_t deadline_ns)
{
	struct ftp_action *action = ftp_actions_add(a, FTP_ACTION_CALL);

	action->conn = conn;
	action->method = method;
	action->body = body;
	action->term = term;
	action->deadline_ns = deadline_ns;
}

void ftp_actions_reply(struct ftp_actions *a, json_t *body)
{
	ftp_actions_add(a, FTP_ACTION_REPLY)->body = body;
}

void ftp_actions_refuse(struct ftp_actions *a, int code, const char *text)
{
	struct ftp_action *action = ftp_actions_add(a, FTP_ACTION_REPLY);

	action->code = code;
	action->text = strdup(text);
	ftp_assert(action->text);
}

void ftp_coordinator_one_line(char *text)
{
	json_t *whole = json_string(text); /* NULL: not UTF-8, perhaps cut in a character */

	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = ' ';
		else if (!whole && *text & 0x80)
			*text = '?';
	}
	json_decref(whole);
}
