/* The configuration's schema (libcyaml) and its defaults. For the config*.c files and the test that
 * holds docs/config.md to the schema. */
#ifndef FTP_CTL_CONFIG_SCHEMA_H
#define FTP_CTL_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>

#include "ctl/config.h"
#include "ctl/yaml_tree.h"
#include "runtime/base/error.h"

extern const cyaml_schema_value_t ftp_config_schema; /* of struct ftp_config */

/* YAML: what a file may leave out, and what an entry of nodes may. Not in it and required:
 * training.model, nodes, nodes[].name. */
extern const char ftp_config_defaults[];
extern const char ftp_config_node_defaults[];

/* config_read.c. Tree to struct; errors of libcyaml come back in the words of ctl/config.h. The
 * caller owns *out and frees it with ftp_config_free(). */
int ftp_config_read(struct ftp_config **out, const struct ftp_yaml *root, struct ftp_error *err);
/* Struct to tree; the caller owns it. */
struct ftp_yaml *ftp_config_write(const struct ftp_config *c);
/* What libcyaml allocated, the struct itself included. */
void ftp_config_release(struct ftp_config *c);

/* config_override.c. Lays "a.b.c=value" over root. origin ("--set a.b.c=value") is lent for root's
 * life. */
int ftp_config_override(
	struct ftp_yaml *root, const char *text, const char *origin, struct ftp_error *err);

/* config_support.c. -EINVAL for keys and values of the contract that this version cannot honour. */
int ftp_config_support_check(struct ftp_yaml *root, struct ftp_error *err);

/* config_rules.c. Every scalar by itself: form, range, unit. Sizes, durations and rates become
 * plain numbers. */
int ftp_config_rules_apply(struct ftp_yaml *root, struct ftp_error *err);
/* The reverse for people: plain numbers get their units, floats their shortest form. */
void ftp_config_rules_print(struct ftp_yaml *root);

/* config_check.c. What contradicts itself in the file, before defaults are laid under it. */
int ftp_config_check_given(struct ftp_yaml *root, bool *has_period, struct ftp_error *err);
/* Fills in what depends on other values: directories, the nodes' metrics, epochs,
 * and no checkpoints without snapshots. */
int ftp_config_check_fill(
	struct ftp_config *c, struct ftp_yaml *root, bool has_period, struct ftp_error *err);
/* What no single value shows: divisibility, unique names and ports. root gives the places. */
int ftp_config_check(const struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err);

/* config_model.c. The model's name and width, the number of nodes and the cuts against its units.
 */
int ftp_config_model_check(
	const struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err);

/* config_refuse.c. Puts the place of a key before the reason in err; returns -EINVAL. An entry's
 * key has a pattern ("nodes.*.name") and a path ("nodes.n1.name"). */
int ftp_config_refuse(struct ftp_yaml *root, const char *path, struct ftp_error *err);
int ftp_config_refuse_entry(
	struct ftp_yaml *root, const char *pattern, const char *path, struct ftp_error *err);

#endif
