/* The command line of ftpctl: one table of verbs, one of options, parsed the same way for every
 * verb. Pure but for what --help prints; main thread only. */
#ifndef FTP_CTL_OPTIONS_H
#define FTP_CTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/error.h"

/* What scripts may rely on. */
enum ftp_exit {
	FTP_EXIT_OK = 0,
	FTP_EXIT_FAILURE = 1,
	FTP_EXIT_USAGE = 2,
	FTP_EXIT_NOT_RUNNING = 3,
	FTP_EXIT_DEGRADED = 4,
	FTP_EXIT_TIMED_OUT = 5,
	FTP_EXIT_UNAVAILABLE = 69,
	FTP_EXIT_PERMISSION = 77,
	FTP_EXIT_CONFIG = 78,
};

/* Bits of ftp_verb.accepts. --help is accepted by all. */
enum ftp_option_bit {
	FTP_OPTION_CONFIG = 1 << 0,	/* -c, --config FILE */
	FTP_OPTION_SET = 1 << 1,	/* --set KEY=VALUE, may be repeated */
	FTP_OPTION_JSON = 1 << 2,	/* --json */
	FTP_OPTION_FOLLOW = 1 << 3,	/* --follow */
	FTP_OPTION_NODE = 1 << 4,	/* --node NAME */
	FTP_OPTION_DATA_DIR = 1 << 5,	/* --data-dir DIR */
	FTP_OPTION_TIMEOUT = 1 << 6,	/* --timeout DURATION */
	FTP_OPTION_DRILL = 1 << 7,	/* --drill */
	FTP_OPTION_DRY_RUN = 1 << 8,	/* --dry-run */
	FTP_OPTION_CUTS = 1 << 9,	/* --cuts LIST */
	FTP_OPTION_NODES = 1 << 10,	/* --nodes LIST */
	FTP_OPTION_FORCE = 1 << 11,	/* --force */
	FTP_OPTION_PROFILE = 1 << 12,	/* --profile FILE */
	FTP_OPTION_ONCE = 1 << 13,	/* --once */
	FTP_OPTION_OUTPUT = 1 << 14,	/* -o, --output FILE */
	FTP_OPTION_HOW = 1 << 15,	/* --how WAY */
	FTP_OPTION_FLIGHT = 1 << 16,	/* --flight NODE */
	FTP_OPTION_BEGINNING = 1 << 18, /* --from-beginning */
	FTP_OPTION_NEW = 1 << 19,	/* --new */
	FTP_OPTION_RESUME = 1 << 20,	/* --resume */
};

#define FTP_OPTIONS_MAX_SETS	 256
#define FTP_OPTIONS_MAX_OPERANDS 8

struct ftp_options {
	const char *config; /* NULL: not given */
	const char *sets[FTP_OPTIONS_MAX_SETS];
	int n_sets;
	bool is_new, resume;
	bool json, follow, help, drill, dry_run, force, once, from_beginning;
	const char *node;					    /* NULL: not given */
	const char *data_dir;					    /* NULL: not given */
	uint64_t timeout_ns;					    /* 0: not given */
	const char *cuts, *nodes, *profile, *output, *how, *flight; /* NULL: not given */
	const char *operands[FTP_OPTIONS_MAX_OPERANDS];
	int n_operands;
};

struct ftp_operands {
	const char *what; /* for people: "NODE KEY=VALUE..." */
	int min, max;
};

struct ftp_verb {
	const char *name; /* "start", "config check" */
	const char *help; /* one line */
	const char *example;
	unsigned accepts;
	int (*run)(const struct ftp_options *o); /* returns an ftp_exit */
	const struct ftp_operands *operands;	 /* what follows the verb; NULL: nothing */
};

/* verbs ends with a NULL name. Both words of "config check" are matched before "config". *n_words
 * gets how many of argv the verb takes. NULL: there is none of that name. */
const struct ftp_verb *ftp_options_find_verb(
	const struct ftp_verb *verbs, int argc, char *const *argv, int *n_words);

/* argv holds what follows the verb; its strings are lent. Long options may be written --key=value.
 * -EINVAL names the argument and the verb's options. */
int ftp_options_parse(struct ftp_options *o, const struct ftp_verb *verb, int argc,
	char *const *argv, struct ftp_error *err);

/* The example first, then the options. */
void ftp_options_print_verb(FILE *out, const struct ftp_verb *verb);
void ftp_options_print_verbs(FILE *out, const struct ftp_verb *verbs);

#define FTP_OPTIONS_DEFAULT_CONFIG "ftpipe.yaml" /* in the working directory */

/* -c FILE, or ftpipe.yaml of the working directory. */
const char *ftp_options_config(const struct ftp_options *o);

/* The exit code of a negative errno: permission, unavailable, timed out, not running, or failure.
 */
int ftp_options_exit(int code);

#endif
