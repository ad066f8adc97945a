/* A small YAML document as a tree that remembers where each value came from, so that defaults and
 * overrides can be laid over a file before the schema sees it, and an error can name file, line and
 * column, or the override. Parsing and printing are libyaml's.
 *
 * Refused: anchors and aliases (no alias bombs), a key given twice, a second document, keys that
 * are not plain text, more than FTP_YAML_MAX_DEPTH levels. One thread per tree.
 */
#ifndef FTP_CTL_YAML_TREE_H
#define FTP_CTL_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/error.h"

#define FTP_YAML_MAX_DEPTH 16
#define FTP_YAML_MAX_PATH  512 /* bytes of "nodes.n1.emulate.loss" and its final 0 */

enum ftp_yaml_kind { FTP_YAML_SCALAR, FTP_YAML_SEQUENCE, FTP_YAML_MAPPING };

struct ftp_yaml {
	enum ftp_yaml_kind kind;
	char *key;		/* within a mapping, else NULL */
	char *text;		/* scalars, else NULL */
	bool quoted;		/* a quoted scalar is a string even if it reads like a number */
	const char *origin;	/* lent: the file's name or "--set a.b=c" */
	size_t line, column;	/* from 1; 0: not known */
	struct ftp_yaml *first; /* children, in order */
	struct ftp_yaml *next;
};

/* origin is lent for the tree's life. with_places: remember lines and columns. An empty text gives
 * an empty mapping. -EINVAL with "ORIGIN:LINE:COLUMN: ..." in err. The caller owns *out. */
int ftp_yaml_parse(struct ftp_yaml **out, const char *text, size_t bytes, const char *origin,
	bool with_places, struct ftp_error *err);
void ftp_yaml_free(struct ftp_yaml *y);

struct ftp_yaml *ftp_yaml_scalar(const char *key, const char *text);
struct ftp_yaml *ftp_yaml_copy(const struct ftp_yaml *y);

/* true: not given: NULL, or a plain empty value, "~" or "null". */
bool ftp_yaml_is_null(const struct ftp_yaml *y);

struct ftp_yaml *ftp_yaml_child(const struct ftp_yaml *mapping, const char *key); /* or NULL */

/* Takes child (its key set) and puts it in the place of a child of the same key, or at the end. */
void ftp_yaml_put(struct ftp_yaml *mapping, struct ftp_yaml *child);
void ftp_yaml_remove(struct ftp_yaml *mapping, const char *key);
void ftp_yaml_set_text(struct ftp_yaml *scalar, const char *text);

/* Lays defaults under y: what y lacks, or has as null, is copied; its origin is y's, without a
 * line. */
void ftp_yaml_merge(struct ftp_yaml *y, const struct ftp_yaml *defaults);

/* Calls visit for every value that pattern names ("training.batch", "nodes.*.memory"), with its
 * path as a user would write it: entries of a sequence by their `name`, else by index. Stops at the
 * first non-zero result and returns it. */
typedef int ftp_yaml_visit(void *arg, const char *path, struct ftp_yaml *y);
int ftp_yaml_each(struct ftp_yaml *root, const char *pattern, ftp_yaml_visit *visit, void *arg);

/* Appends ".key", or of a sequence ".NAME" or "[i]", to path[FTP_YAML_MAX_PATH]. */
void ftp_yaml_path_add(char *path, const struct ftp_yaml *child, size_t index);

/* "FILE:3:8: training.batch", "--set training.batch=0: training.batch" or "training.batch". */
void ftp_yaml_place(const struct ftp_yaml *y, const char *path, char *text, size_t bytes);

/* YAML text in block style, free() it. */
char *ftp_yaml_print(const struct ftp_yaml *y, size_t *bytes);

#endif
