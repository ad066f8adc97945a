#include "ctl/options.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "ctl/drill.h"
#include "ctl/units.h"

enum kind { FLAG, TEXT, LIST, DURATION };

static const struct option {
	enum ftp_option_bit bit; /* 0: every verb */
	const char *name;
	const char *letter;
	enum kind kind;
	size_t offset; /* of struct ftp_options */
	const char *value, *help;
} options[] = {
	{FTP_OPTION_CONFIG, "--config", "-c", TEXT, offsetof(struct ftp_options, config), "FILE",
		"the cluster's configuration (default: ./" FTP_OPTIONS_DEFAULT_CONFIG ")"},
	{FTP_OPTION_SET, "--set", NULL, LIST, offsetof(struct ftp_options, sets), "KEY=VALUE",
		"override a key, e.g. training.steps=20 or nodes.n1.memory=4GiB"},
	{FTP_OPTION_NODE, "--node", NULL, TEXT, offsetof(struct ftp_options, node), "NAME",
		"only this node of the configuration"},
	{FTP_OPTION_FOLLOW, "--follow", NULL, FLAG, offsetof(struct ftp_options, follow), NULL,
		"show progress until the run has ended"},
	{FTP_OPTION_DATA_DIR, "--data-dir", NULL, TEXT, offsetof(struct ftp_options, data_dir),
		"DIR", "the run's data directory, instead of the configuration's"},
	{FTP_OPTION_TIMEOUT, "--timeout", NULL, DURATION, offsetof(struct ftp_options, timeout_ns),
		"DURATION", "how long to wait, e.g. 30s"},
	{FTP_OPTION_DRILL, "--drill", NULL, FLAG, offsetof(struct ftp_options, drill), NULL,
		"a rehearsal: allow the verbs that make nodes fail or slow, or links bad"},
	{FTP_OPTION_DRY_RUN, "--dry-run", NULL, FLAG, offsetof(struct ftp_options, dry_run), NULL,
		"change nothing; a plan never does, ftpctl repartition does"},
	{FTP_OPTION_CUTS, "--cuts", NULL, TEXT, offsetof(struct ftp_options, cuts), "LIST",
		"first unit of each stage but the first, e.g. 3,9"},
	{FTP_OPTION_NODES, "--nodes", NULL, TEXT, offsetof(struct ftp_options, nodes), "LIST",
		"these nodes, e.g. n1,n3"},
	{FTP_OPTION_FORCE, "--force", NULL, FLAG, offsetof(struct ftp_options, force), NULL,
		"even if it does not pay"},
	{FTP_OPTION_PROFILE, "--profile", NULL, TEXT, offsetof(struct ftp_options, profile), "FILE",
		"unit times and links as ftpctl profile --json printed them"},
	{FTP_OPTION_NEW, "--new", NULL, FLAG, offsetof(struct ftp_options, is_new), NULL,
		"begin a new run, even if the last one could be resumed"},
	{FTP_OPTION_RESUME, "--resume", NULL, FLAG, offsetof(struct ftp_options, resume), NULL,
		"go on with the last run, even if it failed or was stopped"},
	{FTP_OPTION_ONCE, "--once", NULL, FLAG, offsetof(struct ftp_options, once), NULL,
		"one picture"},
	{FTP_OPTION_BEGINNING, "--from-beginning", NULL, FLAG,
		offsetof(struct ftp_options, from_beginning), NULL,
		"give up the unit states that the run waits for"},
	{FTP_OPTION_OUTPUT, "--output", "-o", TEXT, offsetof(struct ftp_options, output), "FILE",
		"where to write it"},
	{FTP_OPTION_HOW, "--how", NULL, TEXT, offsetof(struct ftp_options, how), "WAY",
		FTP_DRILL_HOWS " (default: " FTP_DRILL_DEFAULT ")"},
	{FTP_OPTION_FLIGHT, "--flight", NULL, TEXT, offsetof(struct ftp_options, flight), "NODE",
		"all that its flight recorder holds; NODE.old: of the process before"},
	{FTP_OPTION_JSON, "--json", NULL, FLAG, offsetof(struct ftp_options, json), NULL,
		"one JSON document on stdout"},
	{0, "--help", "-h", FLAG, offsetof(struct ftp_options, help), NULL, "this text"},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

const struct ftp_verb *ftp_options_find_verb(
	const struct ftp_verb *verbs, int argc, char *const *argv, int *n_words)
{
	for (int words = 2; words >= 1; words--) {
		for (const struct ftp_verb *v = verbs; v->name && argc >= words; v++) {
			size_t n = strlen(argv[0]);
			const char *rest = v->name + n;

			if (strncmp(v->name, argv[0], n))
				continue;
			if (words == 1 ? *rest : *rest != ' ' || strcmp(rest + 1, argv[1]))
				continue;
			*n_words = words;
			return v;
		}
	}
	return NULL;
}

/* The option that arg names; *value is what follows its "=", or NULL. */
static const struct option *find_option(
	const struct ftp_verb *verb, const char *arg, const char **value)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &options[i];
		size_t n = strlen(o->name);

		if (o->bit && !(verb->accepts & o->bit))
			continue;
		*value = !strncmp(arg, o->name, n) && arg[n] == '=' ? arg + n + 1 : NULL;
		if (*value || !strcmp(arg, o->name) || (o->letter && !strcmp(arg, o->letter)))
			return o;
	}
	return NULL;
}

static int store(
	struct ftp_options *all, const struct option *o, const char *value, struct ftp_error *err)
{
	void *field = (char *)all + o->offset;

	switch (o->kind) {
	case FLAG:
		*(bool *)field = true;
		return 0;
	case TEXT:
		*(const char **)field = value;
		return 0;
	case LIST:
		if (all->n_sets == FTP_OPTIONS_MAX_SETS)
			return ftp_error_set(err, EINVAL, "%s: expected at most %d", o->name,
				FTP_OPTIONS_MAX_SETS);
		((const char **)field)[all->n_sets++] = value;
		return 0;
	case DURATION:
		if (!ftp_units_parse(FTP_UNITS_DURATION, value, field) && *(uint64_t *)field)
			return 0;
		return ftp_error_set(err, EINVAL, "%s: expected %s, got '%.64s'", o->name,
			ftp_units_expected(FTP_UNITS_DURATION), value);
	}
	return 0;
}

/* true: arg, which is no option, is one of the verb's operands. */
static bool take_operand(struct ftp_options *o, const struct ftp_verb *verb, const char *arg)
{
	if (!verb->operands || arg[0] == '-' || o->n_operands == verb->operands->max)
		return false;
	ftp_assert(o->n_operands < FTP_OPTIONS_MAX_OPERANDS);
	o->operands[o->n_operands++] = arg;
	return true;
}

int ftp_options_parse(struct ftp_options *o, const struct ftp_verb *verb, int argc,
	char *const *argv, struct ftp_error *err)
{
	*o = (struct ftp_options){.n_sets = 0};
	for (int i = 0; i < argc; i++) {
		const char *value;
		const struct option *found = find_option(verb, argv[i], &value);
		int rc;

		if (!found && take_operand(o, verb, argv[i]))
			continue;
		if (!found)
			return ftp_error_set(err, EINVAL,
				"unexpected argument '%.64s'; see ftpctl %s --help", argv[i],
				verb->name);
		if (found->kind == FLAG && value)
			return ftp_error_set(err, EINVAL, "%s takes no value", found->name);
		if (found->kind != FLAG && !value) {
			if (i + 1 == argc)
				return ftp_error_set(err, EINVAL, "%s: expected %s after it",
					found->name, found->value);
			value = argv[++i];
		}
		rc = store(o, found, value, err);
		if (rc)
			return rc;
	}
	if (!o->help && verb->operands && o->n_operands < verb->operands->min)
		return ftp_error_set(err, EINVAL, "ftpctl %s: expected %s after it", verb->name,
			verb->operands->what);
	return 0;
}

void ftp_options_print_verb(FILE *out, const struct ftp_verb *verb)
{
	fprintf(out, "Example: %s\n\n%s\n\nftpctl %s%s%s [OPTIONS]\n", verb->example, verb->help,
		verb->name, verb->operands ? " " : "", verb->operands ? verb->operands->what : "");
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &options[i];
		char left[48];

		if (o->bit && !(verb->accepts & o->bit))
			continue;
		snprintf(left, sizeof(left), "%s%s%s%s%s", o->letter ? o->letter : "",
			o->letter ? ", " : "", o->name, o->value ? " " : "",
			o->value ? o->value : "");
		fprintf(out, "  %-22s  %s\n", left, o->help);
	}
}

void ftp_options_print_verbs(FILE *out, const struct ftp_verb *verbs)
{
	fprintf(out, "Example: ftpctl start -c examples/local-3.yaml --follow\n\n"
		     "ftpctl VERB [OPTIONS], where VERB is one of\n");
	for (const struct ftp_verb *v = verbs; v->name; v++)
		fprintf(out, "  %-14s  %s\n", v->name, v->help);
	fprintf(out, "\nftpctl VERB --help shows a verb's options. Exit codes: 0 ok, 1 failure, 2 "
		     "usage,\n"
		     "3 not running, 4 degraded, 5 timed out, 69 unavailable, 77 permission,\n"
		     "78 configuration.\n");
}

const char *ftp_options_config(const struct ftp_options *o)
{
	return o->config ? o->config : FTP_OPTIONS_DEFAULT_CONFIG;
}

int ftp_options_exit(int code)
{
	static const struct {
		int errnum;
		enum ftp_exit exit;
	} rows[] = {
		{0, FTP_EXIT_OK},
		{EACCES, FTP_EXIT_PERMISSION},
		{EPERM, FTP_EXIT_PERMISSION},
		{EADDRINUSE, FTP_EXIT_UNAVAILABLE},
		{EADDRNOTAVAIL, FTP_EXIT_UNAVAILABLE},
		{ENOMEM, FTP_EXIT_UNAVAILABLE},
		{ECONNREFUSED, FTP_EXIT_NOT_RUNNING},
		{ETIMEDOUT, FTP_EXIT_TIMED_OUT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].errnum == -code)
			return rows[i].exit;
	}
	return FTP_EXIT_FAILURE;
}
