/* ftpipe-node: one server's part in the training. Started by the supervisor; thin on purpose. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/config_model.h"
#include "kernels/isa.h"
#include "kernels/team.h"
#include "net/dpdk/eal.h"
#include "net/dpdk/memif.h"
#include "net/udp.h"
#include "runtime/affinity.h"
#include "runtime/base/exporter.h"
#include "runtime/base/log.h"
#include "runtime/base/log_writer.h"
#include "runtime/base/shm.h"
#include "runtime/control.h"
#include "runtime/cpu.h"
#include "runtime/export.h"
#include "runtime/mesh.h"
#include "runtime/profile.h"
#include "runtime/recipe.h"

#define EAL_BYTES (16u << 20) /* of its own */

struct arguments {
	const char *config, *node, *coordinator, *run_dir, *cores, *export;
	bool drill, measure;
};

struct node {
	struct arguments args;
	struct ftp_config *config;
	int index;
	const struct ftp_config_node *self;
	struct ftp_model *model;
	struct ftp_dataset *dataset;
	struct ftp_region *region;
	struct ftp_node_metrics metrics;
	struct ftp_exporter *exporter;
	struct ftp_recorder *recorder; /* NULL: it cannot record */
	struct ftp_worker *worker;
	struct ftp_join join;
	int udp_fd[2], stop_fd;
};

static const char usage[] =
	"usage: ftpipe-node --config FILE --node NAME --coordinator ADDRESS:PORT --run-dir DIR\n"
	"                   [--cores LIST] [--drill]\n"
	"       ftpipe-node --measure --config FILE --node NAME [--cores LIST]\n"
	"       ftpipe-node --export FILE --config FILE --node NAME --run-dir DIR\n"
	"Started by `ftpctl start`; see `ftpctl help`.\n";

static int parse(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"node", required_argument, NULL, 'n'},
		{"coordinator", required_argument, NULL, 'a'},
		{"run-dir", required_argument, NULL, 'r'},
		{"cores", required_argument, NULL, 'p'},
		{"drill", no_argument, NULL, 'd'},
		{"measure", no_argument, NULL, 'm'},
		{"export", required_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int o;

	*a = (struct arguments){.cores = ""};
	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			a->config = optarg;
			break;
		case 'n':
			a->node = optarg;
			break;
		case 'a':
			a->coordinator = optarg;
			break;
		case 'r':
			a->run_dir = optarg;
			break;
		case 'p':
			a->cores = optarg;
			break;
		case 'd':
			a->drill = true;
			break;
		case 'm':
			a->measure = true;
			break;
		case 'e':
			a->export = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	}
	if (!a->config || !a->node)
		return -EINVAL;
	return a->measure || (a->run_dir && (a->export || a->coordinator)) ? 0 : -EINVAL;
}

static int load_config(struct node *n, struct ftp_error *err)
{
	int rc = ftp_config_load(&n->config, n->args.config, NULL, 0, err);

	if (rc)
		return rc;
	n->index = ftp_config_find_node(n->config, n->args.node);
	if (n->index < 0)
		return ftp_error_set(err, EINVAL, "%s: nodes: there is no node '%s'",
			n->args.config, n->args.node);
	n->self = &n->config->nodes[n->index];
	return 0;
}

static void start_log(struct node *n)
{
	static const enum ftp_log_level levels[] = {
		[FTP_CONFIG_LOG_ERROR] = FTP_LOG_ERROR,
		[FTP_CONFIG_LOG_WARNING] = FTP_LOG_WARNING,
		[FTP_CONFIG_LOG_INFO] = FTP_LOG_INFO,
		[FTP_CONFIG_LOG_DEBUG] = FTP_LOG_DEBUG,
	};

	ftp_log_init(n->self->name, levels[n->config->log_level],
		n->config->log_format == FTP_CONFIG_LOG_JSON ? FTP_LOG_JSON : FTP_LOG_TEXT);
}

/* SIGTERM and SIGINT end the node through its control thread; blocked before any thread starts. */
static int catch_signals(struct node *n, struct ftp_error *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	n->stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (n->stop_fd < 0)
		return ftp_error_set(err, errno, "signalfd: %s", strerror(errno));
	return 0;
}

static int pin(struct node *n, struct ftp_error *err)
{
	return ftp_affinity_pin(n->args.cores, err);
}

/* Pinned like the others that follow: an idle core of the net loop, say, is not for logs. */
static int start_log_writer(struct node *n, struct ftp_error *err)
{
	(void)n;
	(void)err;
	ftp_log_writer_start();
	return 0;
}

static int check_openmp(struct node *n, struct ftp_error *err)
{
	(void)n;
	return ftp_isa_check_openmp(err);
}

static int build_model(struct node *n, struct ftp_error *err)
{
	const struct ftp_model_spec spec = ftp_config_model_spec(n->config);
	int rc = ftp_model_new(&n->model, &spec, err);

	return rc ? rc : ftp_region_new(&n->region, n->self->memory_bytes, err);
}

/* Kept in memory: who runs stage 0 may be lost at any moment, and reading it takes longer than all
 * the rest of a recovery. Whether the run can do without it, the coordinator knows. */
static int open_dataset(struct node *n, struct ftp_error *err)
{
	if (n->self->dataset &&
		ftp_dataset_open(&n->dataset, n->config->training.dataset.path, err)) {
		ftp_log_warn("%s", err->text);
		snprintf(n->join.no_data, sizeof(n->join.no_data), "%.255s", err->text);
	}
	return 0;
}

static int reserve_udp(struct node *n, struct ftp_error *err)
{
	for (int i = 0; i < 2; i++) {
		n->udp_fd[i] = ftp_udp_reserve(n->self->host, &n->join.udp_port[i], err);
		if (n->udp_fd[i] < 0)
			return n->udp_fd[i];
	}
	return 0;
}

static int start_eal(struct node *n, struct ftp_error *err)
{
	char prefix[64];
	const struct ftp_eal_params params = {.prefix = prefix,
		/* The plan in force, and the next one beside it. */
		.memory_bytes = EAL_BYTES + 2 * n->config->n_nodes * (size_t)FTP_MEMIF_PORT_BYTES,
		.hugepages = n->config->net.hugepages,
		.extra = n->config->net.eal,
		.directory = n->args.run_dir};

	if (!ftp_mesh_needs_memif(n->config, n->index))
		return 0;
	snprintf(prefix, sizeof(prefix), "ftpipe-%016" PRIx64, n->join.incarnation);
	return ftp_eal_start(&params, err);
}

static int start_metrics(struct node *n, struct ftp_error *err)
{
	ftp_node_metrics_init(&n->metrics, n->self->name, n->join.isa);
	ftp_metric_set(n->metrics.region_limit, (double)ftp_region_budget_bytes(n->region));
	if (!n->join.metrics[0])
		return 0;
	return ftp_exporter_start(&n->exporter, n->join.metrics, n->metrics.registry, err);
}

static int introduce(struct node *n, struct ftp_error *err)
{
	struct ftp_join *j = &n->join;

	j->protocol = FTP_PROTOCOL_VERSION;
	snprintf(j->name, sizeof(j->name), "%s", n->self->name);
	if (getrandom(&j->incarnation, sizeof(j->incarnation), 0) != sizeof(j->incarnation))
		return ftp_error_set(err, EIO, "no random numbers for an incarnation");
	j->pid = getpid();
	snprintf(j->version, sizeof(j->version), "%s", FTP_VERSION);
	snprintf(j->isa, sizeof(j->isa), "%s", ftp_isa_name(ftp_isa_detect()));
	ftp_cpu_name(j->cpu, sizeof(j->cpu));
	j->n_cores = ftp_cpu_count();
	j->config = ftp_config_digest(n->config);
	if (strcmp(n->self->metrics, FTP_CONFIG_OFF))
		snprintf(j->metrics, sizeof(j->metrics), "%s", n->self->metrics);
	if (n->dataset) {
		j->dataset = n->dataset->digest;
		j->n_train = n->dataset->train.n;
		j->n_test = n->dataset->test.n;
	}
	return 0;
}

/* A full disk is no reason not to train. */
static int start_recorder(struct node *n, struct ftp_error *err)
{
	int rc = ftp_recorder_open(&n->recorder, FTP_SHM_HOME, n->args.run_dir, n->self->name, err);

	if (rc < 0)
		ftp_log_warn("no flight recorder: %s", err->text);
	else if (rc == FTP_RECORDER_ON_DISK)
		ftp_log_warn("the flight recorder is on the run directory's disk, and this node "
			     "hangs if that does: %s",
			err->text);
	return 0;
}

static int start_worker(struct node *n, struct ftp_error *err)
{
	const struct ftp_worker_params params = {.config = n->config,
		.node = n->index,
		.model = n->model,
		.dataset = n->dataset,
		.region = n->region,
		.metrics = &n->metrics,
		.run_dir = n->args.run_dir,
		.net_core = n->self->net_core[0] ? atoi(n->self->net_core) : -1,
		.is_drill = n->args.drill,
		.recorder = n->recorder};

	return ftp_worker_start(&n->worker, &params, err);
}

static int run(struct node *n, struct ftp_error *err)
{
	const struct ftp_control_params params = {.coordinator = n->args.coordinator,
		.join = &n->join,
		.worker = n->worker,
		.metrics = &n->metrics,
		.is_drill = n->args.drill,
		.recorder = n->recorder};

	return ftp_control_run(&params, n->stop_fd, err);
}

/* On one line of stdout; j is taken. */
static void print_document(json_t *j)
{
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

/* Prints what node.profile would answer, on one line of stdout. */
static int measure(struct node *n, struct ftp_error *err)
{
	const char *isa = n->config->training.isa;
	const struct ftp_profile_spec spec = {
		.stage = ftp_recipe_stage(n->config, n->model, n->region),
		.slowdown = n->self->emulate.slowdown};
	struct ftp_profile *profile = calloc(1, sizeof(*profile));
	int rc = 0;

	ftp_assert(profile);
	ftp_team_set((int)n->config->training.threads);
	if (strcmp(isa, "auto"))
		rc = ftp_recipe_use_isa(isa, err);
	if (!rc)
		rc = ftp_profile_measure(profile, &spec, err);
	if (!rc)
		print_document(ftp_profile_encode(profile));
	free(profile);
	return rc;
}

static int export(struct node *n, struct ftp_error *err)
{
	const struct ftp_export_spec spec = {.model = n->model,
		.run_dir = n->args.run_dir,
		.path = n->args.export,
		.dataset = n->config->training.dataset.path};
	json_t *document;
	int rc = ftp_export_newest(&document, &spec, err);

	if (!rc)
		print_document(document);
	return rc;
}

typedef int step_function(struct node *, struct ftp_error *);

/* In order; each needs the ones before it. */
static step_function *const measuring[] = {check_openmp, pin, build_model, measure, NULL};

static step_function *const exporting[] = {build_model, export, NULL};

static step_function *const training[] = {
	catch_signals,
	check_openmp,
	pin,
	start_log_writer,
	build_model,
	open_dataset,
	introduce,
	reserve_udp,
	start_eal,
	start_metrics,
	start_recorder,
	start_worker,
	run,
	NULL,
};

static step_function *const *steps_of(const struct arguments *a)
{
	return a->measure ? measuring : a->export ? exporting : training;
}

static void tear_down(struct node *n)
{
	ftp_worker_stop(n->worker);
	ftp_exporter_stop(n->exporter);
	ftp_node_metrics_deinit(&n->metrics);
	ftp_eal_stop();
	for (int i = 0; i < 2; i++)
		if (n->udp_fd[i] >= 0)
			close(n->udp_fd[i]);
	ftp_dataset_close(n->dataset);
	if (n->region)
		ftp_region_free(n->region);
	ftp_model_free(n->model);
	ftp_config_free(n->config);
}

int main(int argc, char **argv)
{
	struct node n = {.udp_fd = {-1, -1}, .stop_fd = -1};
	struct ftp_error err;
	int rc;

	if (parse(&n.args, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	ftp_log_init(n.args.node, FTP_LOG_INFO, FTP_LOG_TEXT);
	rc = load_config(&n, &err);
	if (rc) {
		ftp_log_error("%s", err.text);
		return 78;
	}
	start_log(&n);
	for (step_function *const *step = steps_of(&n.args); !rc && *step; step++)
		rc = (*step)(&n, &err);
	if (rc)
		ftp_log_error("%s", err.text);
	tear_down(&n);
	ftp_recorder_close(n.recorder, !rc);
	return rc ? 1 : 0;
}
