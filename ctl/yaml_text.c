/* The libyaml side of ctl/yaml_tree.h: text to tree and back. */
#include "ctl/yaml_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one, owned */
	const char *origin;
	bool with_places;
	struct ftp_error *err;
};

static int refuse_at(struct reader *r, size_t line, size_t column, const char *text)
{
	if (r->with_places)
		return ftp_error_set(
			r->err, EINVAL, "%s:%zu:%zu: %s", r->origin, line + 1, column + 1, text);
	return ftp_error_set(r->err, EINVAL, "%s: %s", r->origin, text);
}

static int refuse(struct reader *r, const char *text)
{
	return refuse_at(r, r->event.start_mark.line, r->event.start_mark.column, text);
}

static int refuse_syntax(struct reader *r)
{
	char text[256];
	const yaml_parser_t *p = &r->parser;

	snprintf(text, sizeof(text), "not YAML: %s%s%s; expected `key: value` lines",
		p->problem ? p->problem : "unreadable", p->context ? " " : "",
		p->context ? p->context : "");
	return refuse_at(r, p->problem_mark.line, p->problem_mark.column, text);
}

static int advance(struct reader *r)
{
	yaml_event_delete(&r->event);
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		memset(&r->event, 0, sizeof(r->event));
		return refuse_syntax(r);
	}
	return 0;
}

static struct ftp_yaml *new_value(const struct reader *r, enum ftp_yaml_kind kind)
{
	struct ftp_yaml *y = calloc(1, sizeof(*y));

	ftp_assert(y);
	y->kind = kind;
	y->origin = r->origin;
	if (r->with_places) {
		y->line = r->event.start_mark.line + 1;
		y->column = r->event.start_mark.column + 1;
	}
	return y;
}

/* A scalar's text; NULL when it holds a zero byte, which no C string can. */
static char *scalar_text(const yaml_event_t *e)
{
	const char *value = (const char *)e->data.scalar.value;
	char *text;

	if (memchr(value, 0, e->data.scalar.length))
		return NULL;
	text = strdup(value);
	ftp_assert(text);
	return text;
}

static int read_value(struct reader *r, int depth, struct ftp_yaml **out);

static int read_key(struct reader *r, const struct ftp_yaml *mapping, char **key)
{
	char text[192];

	if (r->event.type != YAML_SCALAR_EVENT)
		return refuse(r, "a key must be a word");
	*key = scalar_text(&r->event);
	if (!*key)
		return refuse(r, "a key must not hold a zero byte");
	if (!ftp_yaml_child(mapping, *key))
		return 0;
	snprintf(text, sizeof(text), "key '%.64s' is given twice; remove one of them", *key);
	free(*key);
	*key = NULL;
	return refuse(r, text);
}

/* The event that opened y is current; on return the one that closes it is. */
static int read_children(struct reader *r, int depth, struct ftp_yaml *y)
{
	yaml_event_type_t end =
		y->kind == FTP_YAML_MAPPING ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	struct ftp_yaml **last = &y->first;
	int rc;

	if (depth >= FTP_YAML_MAX_DEPTH)
		return refuse(r, "nested too deep");
	for (;;) {
		char *key = NULL;

		rc = advance(r);
		if (rc || r->event.type == end)
			return rc;
		if (y->kind == FTP_YAML_MAPPING) {
			rc = read_key(r, y, &key);
			if (!rc)
				rc = advance(r);
		}
		if (!rc)
			rc = read_value(r, depth + 1, last);
		if (rc) {
			free(key);
			return rc;
		}
		(*last)->key = key;
		last = &(*last)->next;
	}
}

/* The value's first event is current. On failure *out is NULL. */
static int read_value(struct reader *r, int depth, struct ftp_yaml **out)
{
	struct ftp_yaml *y;
	int rc;

	*out = NULL;
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		if (r->event.data.scalar.anchor)
			return refuse(r, "anchors (&) are not accepted; write the value out");
		y = new_value(r, FTP_YAML_SCALAR);
		y->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		y->text = scalar_text(&r->event);
		rc = y->text ? 0 : refuse(r, "a value must not hold a zero byte");
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (r->event.data.mapping_start.anchor)
			return refuse(r, "anchors (&) are not accepted; write the value out");
		y = new_value(r, r->event.type == YAML_MAPPING_START_EVENT ? FTP_YAML_MAPPING
									   : FTP_YAML_SEQUENCE);
		rc = read_children(r, depth, y);
		break;
	default:
		return refuse(r, "aliases (*) are not accepted; write the value out");
	}
	if (rc)
		ftp_yaml_free(y);
	else
		*out = y;
	return rc;
}

static int read_document(struct reader *r, struct ftp_yaml **out)
{
	int rc = advance(r); /* stream start */

	if (!rc)
		rc = advance(r);
	if (rc)
		return rc;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		*out = new_value(r, FTP_YAML_MAPPING);
		return 0;
	}
	rc = advance(r); /* past document start */
	if (!rc)
		rc = read_value(r, 0, out);
	if (!rc)
		rc = advance(r); /* document end */
	if (!rc)
		rc = advance(r);
	if (!rc && r->event.type != YAML_STREAM_END_EVENT)
		rc = refuse(r, "a second document; expected one");
	return rc;
}

int ftp_yaml_parse(struct ftp_yaml **out, const char *text, size_t bytes, const char *origin,
	bool with_places, struct ftp_error *err)
{
	struct reader r = {.origin = origin, .with_places = with_places, .err = err};
	struct ftp_yaml *y = NULL;
	int rc, ok = yaml_parser_initialize(&r.parser);

	ftp_assert(ok);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, bytes);
	rc = read_document(&r, &y);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	if (rc) {
		ftp_yaml_free(y);
		return rc;
	}
	*out = y;
	return 0;
}

static void emit(yaml_emitter_t *e, yaml_event_t *event)
{
	int ok = yaml_emitter_emit(e, event);

	ftp_assert(ok);
}

static void emit_scalar(yaml_emitter_t *e, const char *text, bool quoted)
{
	yaml_event_t event;
	/* Debian's libyaml would print an empty plain scalar as nothing, which reads as null. */
	yaml_scalar_style_t style =
		quoted || !*text ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE;

	yaml_scalar_event_initialize(
		&event, NULL, NULL, (yaml_char_t *)text, (int)strlen(text), 1, 1, style);
	emit(e, &event);
}

static void emit_value(yaml_emitter_t *e, const struct ftp_yaml *y)
{
	yaml_event_t event;

	switch (y->kind) {
	case FTP_YAML_SCALAR:
		emit_scalar(e, y->text, y->quoted);
		return;
	case FTP_YAML_SEQUENCE:
		yaml_sequence_start_event_initialize(
			&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
		emit(e, &event);
		for (const struct ftp_yaml *c = y->first; c; c = c->next)
			emit_value(e, c);
		yaml_sequence_end_event_initialize(&event);
		break;
	case FTP_YAML_MAPPING:
		yaml_mapping_start_event_initialize(
			&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
		emit(e, &event);
		for (const struct ftp_yaml *c = y->first; c; c = c->next) {
			emit_scalar(e, c->key, false);
			emit_value(e, c);
		}
		yaml_mapping_end_event_initialize(&event);
		break;
	}
	emit(e, &event);
}

static int append(void *arg, unsigned char *data, size_t bytes)
{
	return fwrite(data, 1, bytes, arg) == bytes;
}

char *ftp_yaml_print(const struct ftp_yaml *y, size_t *bytes)
{
	yaml_emitter_t e;
	yaml_event_t event;
	char *text = NULL;
	FILE *f = open_memstream(&text, bytes);
	int ok = yaml_emitter_initialize(&e);

	ftp_assert(f && ok);
	yaml_emitter_set_output(&e, append, f);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
	emit(&e, &event);
	yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
	emit(&e, &event);
	emit_value(&e, y);
	yaml_document_end_event_initialize(&event, 1);
	emit(&e, &event);
	yaml_stream_end_event_initialize(&event);
	emit(&e, &event);
	yaml_emitter_delete(&e);
	fclose(f);
	return text;
}
