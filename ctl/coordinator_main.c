/* ftpipe-coordinator: the control plane of one run. Started by the supervisor; thin on purpose. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/config_model.h"
#include "ctl/coordinator_server.h"
#include "ctl/options.h"
#include "ctl/protocol.h"

struct arguments {
	const char *config, *run_dir, *run;
	int ready_fd; /* -1: nobody waits */
	bool drill, resumes;
};

static const char usage[] =
	"usage: ftpipe-coordinator --config FILE --run-dir DIR --run HEX [--ready-fd N] "
	"[--drill] [--resume]\n"
	"Started by `ftpctl start`; see `ftpctl help`.\n";

static int parse(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 0},
		{"run-dir", required_argument, NULL, 1},
		{"run", required_argument, NULL, 2},
		{"ready-fd", required_argument, NULL, 3},
		{"drill", no_argument, NULL, 'd'},
		{"resume", no_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *ready = "-1", **values[] = {&a->config, &a->run_dir, &a->run, &ready};
	int o;

	*a = (struct arguments){.config = NULL};
	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (o == 'h') {
			fputs(usage, stdout);
			exit(0);
		}
		if (o == 'd')
			a->drill = true;
		else if (o == 'r')
			a->resumes = true;
		else if (o > 3)
			return -EINVAL;
		else
			*values[o] = optarg;
	}
	a->ready_fd = atoi(ready);
	return a->config && a->run_dir && a->run ? 0 : -EINVAL;
}

static void start_log(const struct ftp_config *c)
{
	static const enum ftp_log_level levels[] = {
		[FTP_CONFIG_LOG_ERROR] = FTP_LOG_ERROR,
		[FTP_CONFIG_LOG_WARNING] = FTP_LOG_WARNING,
		[FTP_CONFIG_LOG_INFO] = FTP_LOG_INFO,
		[FTP_CONFIG_LOG_DEBUG] = FTP_LOG_DEBUG,
	};

	ftp_log_init("coordinator", levels[c->log_level],
		c->log_format == FTP_CONFIG_LOG_JSON ? FTP_LOG_JSON : FTP_LOG_TEXT);
}

/* units has room for FTP_PROTOCOL_MAX_UNITS. */
static int describe_units(const struct ftp_config *c, struct ftp_coordinator_unit *units,
	uint32_t *n_units, struct ftp_error *err)
{
	const struct ftp_model_spec spec = ftp_config_model_spec(c);
	int micro = (int)(c->training.batch / c->training.micro_batches);
	struct ftp_model *m;
	int rc = ftp_model_new(&m, &spec, err);

	if (rc)
		return rc;
	ftp_assert(m->n_units <= FTP_PROTOCOL_MAX_UNITS);
	*n_units = (uint32_t)m->n_units;
	for (int i = 0; i < m->n_units; i++)
		units[i] = (struct ftp_coordinator_unit){
			.input_bytes = sizeof(float) * ftp_model_cut_floats(m, i, micro),
			.state_bytes = m->units[i].state_bytes,
			.flops = (uint64_t)m->units[i].flops};
	ftp_model_free(m);
	return 0;
}

static int catch_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* One line for who started us: an exit code, and the reason unless it is 0. */
static void tell_ready(int fd, int code, const char *text)
{
	if (fd < 0)
		return;
	dprintf(fd, "%d %s\n", code, text);
	close(fd);
}

static int serve(const struct arguments *a, struct ftp_server *s, int stop_fd)
{
	enum ftp_coordinator_outcome outcome;

	tell_ready(a->ready_fd, 0, "");
	outcome = ftp_server_run(s, stop_fd);
	ftp_server_free(s);
	return outcome == FTP_END_FAILED ? FTP_EXIT_FAILURE : FTP_EXIT_OK;
}

int main(int argc, char **argv)
{
	struct ftp_coordinator_unit units[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_coordinator_settings settings = {.units = units};
	struct ftp_server_params params = {.settings = &settings};
	struct ftp_config *config = NULL;
	struct ftp_rundir dir = {.path = ""};
	struct ftp_server *server;
	struct ftp_error err = {""};
	struct arguments a;
	int rc, stop_fd;

	if (parse(&a, argc, argv)) {
		fputs(usage, stderr);
		return FTP_EXIT_USAGE;
	}
	ftp_log_init("coordinator", FTP_LOG_INFO, FTP_LOG_TEXT);
	stop_fd = catch_signals();
	snprintf(dir.path, sizeof(dir.path), "%s", a.run_dir);
	snprintf(dir.id, sizeof(dir.id), "%s",
		strrchr(dir.path, '/') ? strrchr(dir.path, '/') + 1 : "");
	params.dir = &dir;
	params.resumes = a.resumes;
	rc = ftp_config_load(&config, a.config, NULL, 0, &err);
	if (!rc) {
		start_log(config);
		settings.config = config;
		settings.config_digest = ftp_config_digest(config);
		settings.run = strtoull(a.run, NULL, 16);
		settings.id = dir.id;
		settings.drill = a.drill;
		rc = describe_units(config, units, &settings.n_units, &err);
	}
	if (!rc)
		rc = ftp_server_new(&server, &params, &err);
	if (rc) {
		ftp_log_error("%s", err.text);
		tell_ready(a.ready_fd, config ? ftp_options_exit(rc) : FTP_EXIT_CONFIG, err.text);
		rc = config ? ftp_options_exit(rc) : FTP_EXIT_CONFIG;
	} else {
		rc = serve(&a, server, stop_fd);
	}
	ftp_config_free(config);
	close(stop_fd);
	return rc;
}
