#include "ctl/yaml_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ftp_yaml *new_node(enum ftp_yaml_kind kind)
{
	struct ftp_yaml *y = calloc(1, sizeof(*y));

	ftp_assert(y);
	y->kind = kind;
	return y;
}

static char *dup_text(const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	ftp_assert(copy || !text);
	return copy;
}

void ftp_yaml_free(struct ftp_yaml *y)
{
	struct ftp_yaml *next;

	for (; y; y = next) {
		next = y->next;
		ftp_yaml_free(y->first);
		free(y->key);
		free(y->text);
		free(y);
	}
}

struct ftp_yaml *ftp_yaml_scalar(const char *key, const char *text)
{
	struct ftp_yaml *y = new_node(FTP_YAML_SCALAR);

	y->key = dup_text(key);
	y->text = dup_text(text);
	return y;
}

struct ftp_yaml *ftp_yaml_copy(const struct ftp_yaml *y)
{
	struct ftp_yaml *copy = new_node(y->kind), **last = &copy->first;

	*copy = *y;
	copy->next = copy->first = NULL;
	copy->key = dup_text(y->key);
	copy->text = dup_text(y->text);
	for (const struct ftp_yaml *c = y->first; c; c = c->next) {
		*last = ftp_yaml_copy(c);
		last = &(*last)->next;
	}
	return copy;
}

bool ftp_yaml_is_null(const struct ftp_yaml *y)
{
	return !y || (y->kind == FTP_YAML_SCALAR && !y->quoted &&
			     (!y->text[0] || !strcmp(y->text, "~") || !strcmp(y->text, "null")));
}

static struct ftp_yaml **find(struct ftp_yaml *mapping, const char *key)
{
	struct ftp_yaml **at = &mapping->first;

	while (*at && strcmp((*at)->key, key))
		at = &(*at)->next;
	return at;
}

struct ftp_yaml *ftp_yaml_child(const struct ftp_yaml *mapping, const char *key)
{
	if (!mapping || mapping->kind != FTP_YAML_MAPPING)
		return NULL;
	return *find((struct ftp_yaml *)mapping, key);
}

void ftp_yaml_put(struct ftp_yaml *mapping, struct ftp_yaml *child)
{
	struct ftp_yaml **at = find(mapping, child->key);

	ftp_assert(mapping->kind == FTP_YAML_MAPPING && !child->next);
	if (*at) {
		child->next = (*at)->next;
		(*at)->next = NULL;
		ftp_yaml_free(*at);
	}
	*at = child;
}

void ftp_yaml_remove(struct ftp_yaml *mapping, const char *key)
{
	struct ftp_yaml **at, *gone;

	if (!ftp_yaml_child(mapping, key))
		return;
	at = find(mapping, key);
	gone = *at;
	*at = gone->next;
	gone->next = NULL;
	ftp_yaml_free(gone);
}

void ftp_yaml_set_text(struct ftp_yaml *scalar, const char *text)
{
	char *copy = dup_text(text);

	free(scalar->text);
	scalar->text = copy;
}

/* A default stands in the file or override that left it out, on no line of it. */
static void adopt(struct ftp_yaml *y, const char *origin)
{
	y->origin = origin;
	y->line = y->column = 0;
	for (struct ftp_yaml *c = y->first; c; c = c->next)
		adopt(c, origin);
}

void ftp_yaml_merge(struct ftp_yaml *y, const struct ftp_yaml *defaults)
{
	for (const struct ftp_yaml *d = defaults->first; d; d = d->next) {
		struct ftp_yaml *c = ftp_yaml_child(y, d->key);

		if (ftp_yaml_is_null(c)) {
			c = ftp_yaml_copy(d);
			adopt(c, y->origin);
			ftp_yaml_put(y, c);
		} else if (c->kind == FTP_YAML_MAPPING && d->kind == FTP_YAML_MAPPING) {
			ftp_yaml_merge(c, d);
		}
	}
}

void ftp_yaml_path_add(char *path, const struct ftp_yaml *child, size_t index)
{
	const struct ftp_yaml *name = ftp_yaml_child(child, "name");
	size_t n = strlen(path), room = FTP_YAML_MAX_PATH - n;
	const char *word = child->key;

	if (!word && name && name->kind == FTP_YAML_SCALAR && name->text[0])
		word = name->text;
	if (word)
		snprintf(path + n, room, "%s%s", n ? "." : "", word);
	else
		snprintf(path + n, room, "[%zu]", index);
}

/* path holds the way to y and is used as a stack. */
static int each(
	struct ftp_yaml *y, const char *pattern, char *path, ftp_yaml_visit *visit, void *arg)
{
	size_t n = strcspn(pattern, "."), length = strlen(path), index = 0;
	const char *rest = pattern + n + (pattern[n] == '.');

	if (!*pattern)
		return visit(arg, path, y);
	for (struct ftp_yaml *c = y->first, *next; c; c = next, index++) {
		bool any = n == 1 && *pattern == '*';
		int rc;

		next = c->next;
		if (!any && (!c->key || strlen(c->key) != n || memcmp(c->key, pattern, n)))
			continue;
		ftp_yaml_path_add(path, c, index);
		rc = each(c, rest, path, visit, arg);
		if (rc)
			return rc;
		path[length] = 0;
	}
	return 0;
}

int ftp_yaml_each(struct ftp_yaml *root, const char *pattern, ftp_yaml_visit *visit, void *arg)
{
	char path[FTP_YAML_MAX_PATH] = "";

	return each(root, pattern, path, visit, arg);
}

void ftp_yaml_place(const struct ftp_yaml *y, const char *path, char *text, size_t bytes)
{
	const char *colon = *path ? ": " : "";

	if (y && y->origin && y->line)
		snprintf(text, bytes, "%s:%zu:%zu%s%s", y->origin, y->line, y->column, colon, path);
	else if (y && y->origin)
		snprintf(text, bytes, "%s%s%s", y->origin, colon, path);
	else
		snprintf(text, bytes, "%s", path);
}
