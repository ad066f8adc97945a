#include "ctl/ftpctl.h"

#include <errno.h>
#include <string.h>

static int run_help(const struct ftp_options *o);

/* How a verb is told which run it is about. */
#define RUN_OPTIONS (FTP_OPTION_CONFIG | FTP_OPTION_SET | FTP_OPTION_DATA_DIR | FTP_OPTION_JSON)

static const struct ftp_operands one_dir = {"DIR", 1, 1};
static const struct ftp_operands one_node = {"NODE", 1, 1};
static const struct ftp_operands on_or_off = {"on|off", 1, 1};
static const struct ftp_operands settings = {"NODE KEY=VALUE...", 2, FTP_OPTIONS_MAX_OPERANDS};

static const struct ftp_operands maybe_node = {"[NODE]", 0, 1};
static const struct ftp_operands maybe_run = {"[RUN]", 0, 1};

static const struct ftp_verb verbs[] = {
	{"config check", "Read a configuration and say whether it is right.",
		"ftpctl config check -c examples/local-3.yaml",
		FTP_OPTION_CONFIG | FTP_OPTION_SET | FTP_OPTION_JSON, ftp_ftpctl_config_check,
		NULL},
	{"config dump", "Print the whole effective configuration, defaults and overrides included.",
		"ftpctl config dump -c examples/local-3.yaml --set training.steps=20",
		FTP_OPTION_CONFIG | FTP_OPTION_SET | FTP_OPTION_JSON, ftp_ftpctl_config_dump, NULL},
	{"doctor", "Check this machine against what a run needs: need, have, fix.",
		"ftpctl doctor -c examples/local-3.yaml",
		FTP_OPTION_CONFIG | FTP_OPTION_SET | FTP_OPTION_JSON, ftp_ftpctl_doctor, NULL},
	{"start", "Start a run here, or go on with one that was killed; return when it trains.",
		"ftpctl start -c examples/local-3.yaml --follow",
		FTP_OPTION_CONFIG | FTP_OPTION_SET | FTP_OPTION_FOLLOW | FTP_OPTION_NODE |
			FTP_OPTION_DRILL | FTP_OPTION_JSON | FTP_OPTION_NEW | FTP_OPTION_RESUME,
		ftp_ftpctl_start, NULL},
	{"status", "Show the run that is going on; exit code 3 if there is none.",
		"ftpctl status --json", RUN_OPTIONS, ftp_ftpctl_status, NULL},
	{"follow", "Watch the run that is going on; Ctrl-C only stops watching.",
		"ftpctl follow -c examples/local-3.yaml", RUN_OPTIONS, ftp_ftpctl_follow, NULL},
	{"top", "Show what every stage and link is doing; q or Ctrl-C leaves.",
		"ftpctl top -c examples/local-3.yaml", RUN_OPTIONS | FTP_OPTION_ONCE,
		ftp_ftpctl_top, NULL},
	{"stop", "Stop the run that is going on.", "ftpctl stop --timeout 10s",
		RUN_OPTIONS | FTP_OPTION_TIMEOUT, ftp_ftpctl_stop, NULL},
	{"plan", "Show how the planner would cut the model, and why there; changes nothing.",
		"ftpctl plan --dry-run -c examples/local-3.yaml",
		RUN_OPTIONS | FTP_OPTION_DRY_RUN | FTP_OPTION_NODES | FTP_OPTION_PROFILE,
		ftp_ftpctl_plan, NULL},
	{"profile", "Show how long each unit takes on each node: of the run, or measured now.",
		"ftpctl profile -c examples/local-3.yaml n1", RUN_OPTIONS, ftp_ftpctl_profile,
		&maybe_node},
	{"repartition",
		"Move units between nodes while they train: to the best plan, or to this one.",
		"ftpctl repartition --cuts 3,9 --nodes n1,n3,n2",
		RUN_OPTIONS | FTP_OPTION_CUTS | FTP_OPTION_NODES | FTP_OPTION_FORCE |
			FTP_OPTION_TIMEOUT,
		ftp_ftpctl_repartition, NULL},
	{"drain", "Take a node out of the run: its units move to the others, its process ends.",
		"ftpctl drain n3", RUN_OPTIONS | FTP_OPTION_TIMEOUT, ftp_ftpctl_drain, &one_node},
	{"join", "Start a node's process into the run that is going on.", "ftpctl join n3",
		RUN_OPTIONS | FTP_OPTION_TIMEOUT, ftp_ftpctl_join, &one_node},
	{"recover",
		"Let a run that waits try again, or begin anew where unit states are lost for "
		"good.",
		"ftpctl recover --from-beginning",
		RUN_OPTIONS | FTP_OPTION_BEGINNING | FTP_OPTION_TIMEOUT, ftp_ftpctl_recover, NULL},
	{"snapshots", "Take no more snapshots for a while, or take them again.",
		"ftpctl snapshots off", RUN_OPTIONS | FTP_OPTION_TIMEOUT, ftp_ftpctl_snapshots,
		&on_or_off},
	{"emulate", "Make a node slow or its links bad, in a run started with --drill.",
		"ftpctl emulate n3 slowdown=5 delay=2ms", RUN_OPTIONS | FTP_OPTION_TIMEOUT,
		ftp_ftpctl_emulate, &settings},
	{"fail", "Make a node, or the coordinator, fail, in a run started with --drill.",
		"ftpctl fail n2 --how stop", RUN_OPTIONS | FTP_OPTION_TIMEOUT | FTP_OPTION_HOW,
		ftp_ftpctl_fail_node, &one_node},
	{"report", "Write a run's report: one HTML page. RUN: an id, a directory, or the latest.",
		"ftpctl report latest -o run.html", RUN_OPTIONS | FTP_OPTION_OUTPUT,
		ftp_ftpctl_report, &maybe_run},
	{"why", "Tell what happened to a run: what failed, when, what was done, and how it ended.",
		"ftpctl why", RUN_OPTIONS | FTP_OPTION_FLIGHT, ftp_ftpctl_why, &maybe_run},
	{"export", "Write the newest snapshot that a run's checkpoints hold whole, as safetensors.",
		"ftpctl export latest -o model.safetensors", RUN_OPTIONS | FTP_OPTION_OUTPUT,
		ftp_ftpctl_export, &maybe_run},
	{"ckpt list", "Show what a checkpoint directory holds, by its manifest and headers.",
		"ftpctl ckpt list DIR", FTP_OPTION_JSON, ftp_ftpctl_ckpt_list, &one_dir},
	{"ckpt verify",
		"Read a whole checkpoint and compare every digest; exit code 4 if it is damaged.",
		"ftpctl ckpt verify DIR", FTP_OPTION_JSON, ftp_ftpctl_ckpt_verify, &one_dir},
	{"ckpt gc", "Remove a checkpoint's segments that hold nothing; no node may be using it.",
		"ftpctl ckpt gc DIR", FTP_OPTION_JSON, ftp_ftpctl_ckpt_gc, &one_dir},
	{"version", "Print the versions of ftpipe and of what it is built on.", "ftpctl version",
		FTP_OPTION_JSON, ftp_ftpctl_version, NULL},
	{"help", "Print this list.", "ftpctl help", 0, run_help, NULL},
	{.name = NULL},
};

static int run_help(const struct ftp_options *o)
{
	(void)o;
	ftp_options_print_verbs(stdout, verbs);
	return FTP_EXIT_OK;
}

int ftp_ftpctl_fail(const struct ftp_options *o, enum ftp_exit code, const char *text)
{
	fprintf(stderr, "ftpctl: %s\n", text);
	if (o->json)
		ftp_ftpctl_print_json(
			json_pack("{s:b, s:s%}", "ok", 0, "error", text, strlen(text)));
	return code;
}

void ftp_ftpctl_print_json(json_t *document)
{
	ftp_assert(document);
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	putchar('\n');
	json_decref(document);
}

int ftp_ftpctl_load(struct ftp_config **out, const struct ftp_options *o)
{
	struct ftp_error err;
	int rc = ftp_config_load(out, ftp_options_config(o), o->sets, o->n_sets, &err);

	if (!rc)
		return 0;
	return ftp_ftpctl_fail(
		o, rc == -EACCES || rc == -EPERM ? FTP_EXIT_PERMISSION : FTP_EXIT_CONFIG, err.text);
}

static int unknown_verb(int argc, char *const *argv)
{
	size_t n = strlen(argv[0]);

	fprintf(stderr, "ftpctl: unknown verb '%.64s%s%.64s'; expected one of", argv[0],
		argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	for (int near = 1, said = 0; near >= 0 && !said; near--) {
		for (const struct ftp_verb *v = verbs; v->name; v++) {
			if (near && strncmp(v->name, argv[0], n))
				continue;
			fprintf(stderr, "%s %s", said++ ? "," : "", v->name);
		}
	}
	fputc('\n', stderr);
	return FTP_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const char *const aliases[][2] = {
		{"--help", "help"}, {"-h", "help"}, {"--version", "version"}};
	struct ftp_options options;
	struct ftp_error err;
	const struct ftp_verb *verb;
	int n_words;

	if (argc < 2) {
		ftp_options_print_verbs(stderr, verbs);
		return FTP_EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (!strcmp(argv[1], aliases[i][0]))
			argv[1] = (char *)aliases[i][1];
	}
	verb = ftp_options_find_verb(verbs, argc - 1, argv + 1, &n_words);
	if (!verb)
		return unknown_verb(argc - 1, argv + 1);
	if (ftp_options_parse(&options, verb, argc - 1 - n_words, argv + 1 + n_words, &err)) {
		fprintf(stderr, "ftpctl: %s\n", err.text);
		return FTP_EXIT_USAGE;
	}
	if (options.help) {
		ftp_options_print_verb(stdout, verb);
		return FTP_EXIT_OK;
	}
	return verb->run(&options);
}
