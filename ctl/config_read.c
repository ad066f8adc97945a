/* Tree to struct and back through libcyaml, whose log is captured and put in our words: it knows
 * the path of an error, our tree knows the place. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/config_schema.h"

#define MAX_STEPS 8

/* What libcyaml 1.3.1 logs for one error, in this order: "Load: REASON", "Load: Backtrace:", then
 * from the inside out "  in mapping field 'KEY' (line...", "  in mapping (line..." or
 * "  in sequence entry 'COUNT' (line...", where COUNT is 1 for the first entry. */
struct trace {
	char reason[256];
	int n_steps;
	struct step {
		char key[64];	/* "": an entry or a whole mapping */
		unsigned count; /* 0: not an entry */
	} steps[MAX_STEPS];
};

static void on_log(cyaml_log_t level, void *arg, const char *fmt, va_list ap)
{
	struct trace *t = arg;
	struct step s = {.count = 0};
	char line[256];

	(void)level;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = 0;
	if (!strncmp(line, "Load: ", 6)) {
		if (!t->reason[0])
			snprintf(t->reason, sizeof(t->reason), "%s", line + 6);
		return;
	}
	if (sscanf(line, "  in mapping field '%63[^']", s.key) != 1 &&
		sscanf(line, "  in sequence entry '%u'", &s.count) != 1 &&
		strncmp(line, "  in mapping ", 13))
		return;
	if (t->n_steps < MAX_STEPS)
		t->steps[t->n_steps++] = s;
}

static cyaml_config_t with_trace(struct trace *t)
{
	return (cyaml_config_t){
		.log_fn = on_log,
		.log_ctx = t,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_WARNING,
		.flags = CYAML_CFG_NO_ALIAS | CYAML_CFG_STYLE_BLOCK,
	};
}

/* Where an error is: the value, its path and the schema's view of it. */
struct spot {
	const struct ftp_yaml *y;
	const cyaml_schema_value_t *schema;
	char path[FTP_YAML_MAX_PATH];
};

static bool descend_key(struct spot *s, const char *key)
{
	const cyaml_schema_field_t *f;
	struct ftp_yaml *child = ftp_yaml_child(s->y, key);

	if (!child || s->schema->type != CYAML_MAPPING)
		return false;
	for (f = s->schema->mapping.fields; f->key && strcmp(f->key, key); f++)
		;
	if (!f->key)
		return false;
	s->y = child;
	s->schema = &f->value;
	ftp_yaml_path_add(s->path, child, 0);
	return true;
}

static bool descend_entry(struct spot *s, unsigned count)
{
	const struct ftp_yaml *child = s->y->first;

	if (!count || s->schema->type != CYAML_SEQUENCE)
		return false;
	for (unsigned i = 1; child && i < count; i++)
		child = child->next;
	if (!child)
		return false;
	s->y = child;
	s->schema = s->schema->sequence.entry;
	ftp_yaml_path_add(s->path, child, count - 1);
	return true;
}

/* The steps are stored from the inside out; the innermost `skip` are left out. */
static struct spot locate(const struct trace *t, const struct ftp_yaml *root, int skip)
{
	struct spot s = {.y = root, .schema = &ftp_config_schema};

	for (int i = t->n_steps - 1; i >= skip; i--) {
		const struct step *step = &t->steps[i];

		if (step->key[0] ? !descend_key(&s, step->key) : !descend_entry(&s, step->count))
			break;
	}
	return s;
}

static void list_keys(const cyaml_schema_value_t *schema, char *text, size_t bytes)
{
	size_t n = 0;

	text[0] = 0;
	if (schema->type != CYAML_MAPPING)
		return;
	for (const cyaml_schema_field_t *f = schema->mapping.fields; f->key && n < bytes; f++)
		n += (size_t)snprintf(text + n, bytes - n, "%s%s", n ? ", " : "", f->key);
}

static int refuse(const struct spot *s, struct ftp_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct spot *s, struct ftp_error *err, const char *fmt, ...)
{
	char place[FTP_YAML_MAX_PATH + 256], text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ftp_yaml_place(s->y, s->path, place, sizeof(place));
	return ftp_error_set(err, EINVAL, "%s%s%s", place, place[0] ? ": " : "", text);
}

static int unknown_key(const struct trace *t, const struct ftp_yaml *root, struct ftp_error *err)
{
	struct spot s = locate(t, root, 0);
	char keys[384], key[64] = "";
	struct ftp_yaml *child;

	sscanf(t->reason, "Unexpected key: %63[^\n]", key);
	list_keys(s.schema, keys, sizeof(keys));
	child = ftp_yaml_child(s.y, key);
	if (child) {
		s.y = child;
		ftp_yaml_path_add(s.path, child, 0);
	}
	return refuse(&s, err, "unknown key; expected one of %s", keys);
}

static int missing_key(const struct trace *t, const struct ftp_yaml *root, struct ftp_error *err)
{
	/* The key that was read last stands innermost. */
	bool named = t->n_steps && t->steps[0].key[0];
	struct spot s = locate(t, root, named ? 1 : 0);
	char key[64] = "";
	size_t n = strlen(s.path);

	sscanf(t->reason, "Missing required mapping field: %63s", key);
	snprintf(s.path + n, sizeof(s.path) - n, "%s%s", n ? "." : "", key);
	return refuse(&s, err, "expected a value, got nothing; add `%s: ...`", key);
}

static const char *kind_word(enum ftp_yaml_kind kind)
{
	static const char *const words[] = {
		[FTP_YAML_SCALAR] = "a plain value",
		[FTP_YAML_SEQUENCE] = "a list",
		[FTP_YAML_MAPPING] = "a mapping",
	};

	return words[kind];
}

static int wrong_kind(const struct trace *t, const struct ftp_yaml *root, struct ftp_error *err)
{
	struct spot s = locate(t, root, 0);
	char keys[384];

	list_keys(s.schema, keys, sizeof(keys));
	if (s.schema->type == CYAML_MAPPING)
		return refuse(
			&s, err, "expected a mapping of %s, got %s", keys, kind_word(s.y->kind));
	return refuse(&s, err, "expected %s, got %s",
		s.schema->type == CYAML_SEQUENCE ? "a list" : "a plain value",
		kind_word(s.y->kind));
}

static int wrong_count(const struct trace *t, const struct ftp_yaml *root, struct ftp_error *err)
{
	struct spot s = locate(t, root, 1);

	return refuse(&s, err, "expected a list of %u to %u entries", s.schema->sequence.min,
		s.schema->sequence.max);
}

static int explain(
	cyaml_err_t code, const struct trace *t, const struct ftp_yaml *root, struct ftp_error *err)
{
	struct spot s;

	if (code == CYAML_ERR_INVALID_KEY)
		return unknown_key(t, root, err);
	if (code == CYAML_ERR_MAPPING_FIELD_MISSING)
		return missing_key(t, root, err);
	if (code == CYAML_ERR_SEQUENCE_ENTRIES_MIN || code == CYAML_ERR_SEQUENCE_ENTRIES_MAX)
		return wrong_count(t, root, err);
	if (!strncmp(t->reason, "Expecting ", 10))
		return wrong_kind(t, root, err);
	s = locate(t, root, 0);
	return refuse(&s, err, "%s", t->reason[0] ? t->reason : cyaml_strerror(code));
}

int ftp_config_read(struct ftp_config **out, const struct ftp_yaml *root, struct ftp_error *err)
{
	struct trace trace = {.n_steps = 0};
	cyaml_config_t cyaml = with_trace(&trace);
	size_t bytes;
	char *text = ftp_yaml_print(root, &bytes);
	cyaml_err_t code = cyaml_load_data((const uint8_t *)text, bytes, &cyaml, &ftp_config_schema,
		(cyaml_data_t **)out, NULL);

	free(text);
	return code == CYAML_OK ? 0 : explain(code, &trace, root, err);
}

/* The struct has no nulls: a text that reads like one is a text. */
static void quote_nulls(struct ftp_yaml *y)
{
	for (struct ftp_yaml *c = y->first; c; c = c->next)
		quote_nulls(c);
	if (ftp_yaml_is_null(y))
		y->quoted = true;
}

struct ftp_yaml *ftp_config_write(const struct ftp_config *c)
{
	struct trace trace = {.n_steps = 0};
	cyaml_config_t cyaml = with_trace(&trace);
	struct ftp_yaml *root = NULL;
	struct ftp_error err;
	char *text = NULL;
	size_t bytes = 0;

	ftp_assert(cyaml_save_data(&text, &bytes, &cyaml, &ftp_config_schema, c, 0) == CYAML_OK);
	ftp_assert(!ftp_yaml_parse(&root, text, bytes, NULL, false, &err));
	free(text);
	quote_nulls(root);
	return root;
}

void ftp_config_release(struct ftp_config *c)
{
	struct trace trace = {.n_steps = 0};
	cyaml_config_t cyaml = with_trace(&trace);

	cyaml_free(&cyaml, &ftp_config_schema, c, 0);
}
