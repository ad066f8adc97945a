#include <stdio.h>
#include <string.h>

#include "ctl/cores.h"
#include "ctl/doctor_checks.h"
#include "kernels/isa.h"

static void cpu_model(char *text, size_t bytes)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(text, bytes, "unknown CPU");
	while (f && fgets(line, sizeof(line), f)) {
		const char *colon = strchr(line, ':');

		if (!colon || strncmp(line, "model name", 10))
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(text, bytes, "%s", colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

void ftp_doctor_cpu(const struct ftp_config *config, struct ftp_doctor_result *r)
{
	const char *wanted = config ? config->training.isa : "auto";
	enum ftp_isa best = ftp_isa_detect(), least = FTP_ISA_SSE41;
	char model[128];

	if (strcmp(wanted, "auto")) {
		while (strcmp(ftp_isa_name(least), wanted))
			least++;
	}
	cpu_model(model, sizeof(model));
	FTP_DOCTOR_SAY(r->need, "%s", ftp_isa_name(least));
	FTP_DOCTOR_SAY(r->have, "%s (%s)", ftp_isa_name(best), model);
	if (best < least) {
		r->state = FTP_DOCTOR_FAIL;
		FTP_DOCTOR_SAY(r->fix, "set training.isa to auto or %s", ftp_isa_name(best));
	}
}

/* A list of cores that the file names: do they exist, and are they enough? false: said in r. */
static bool check_named(const char *node, const char *key, const char *named, int threads,
	const cpu_set_t *have, struct ftp_doctor_result *r)
{
	cpu_set_t set, both;
	char list[128];

	if (!named[0] || !strcmp(named, FTP_CORES_AUTO) || ftp_cores_parse(named, &set, NULL))
		return true;
	CPU_AND(&both, &set, have);
	if (!CPU_EQUAL(&both, &set)) {
		ftp_cores_print(have, list, sizeof(list));
		r->state = FTP_DOCTOR_FAIL;
		FTP_DOCTOR_SAY(r->fix,
			"nodes.%s.%s names %s, but this process may only use %s: choose among "
			"those",
			node, key, named, list);
		return false;
	}
	if (CPU_COUNT(&set) < threads) {
		r->state = FTP_DOCTOR_NOTE;
		FTP_DOCTOR_SAY(r->fix,
			"nodes.%s.%s names fewer cores than training.threads (%d), which spin: "
			"name more, "
			"or lower the threads",
			node, key, threads);
		return false;
	}
	return true;
}

static bool check_all_named(
	const struct ftp_config *c, const cpu_set_t *have, struct ftp_doctor_result *r)
{
	int threads = (int)c->training.threads;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_config_node *n = &c->nodes[i];

		if (!check_named(n->name, "net_core", n->net_core, 1, have, r) ||
			!check_named(n->name, "cores", n->cores, threads, have, r))
			return false;
	}
	return true;
}

void ftp_doctor_cores(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	uint32_t n_nodes = c ? c->n_nodes : 1, threads = c ? c->training.threads : 1;
	uint32_t need = n_nodes * threads;
	cpu_set_t have;
	char list[128];
	int n;

	ftp_cores_available(&have);
	n = CPU_COUNT(&have);
	ftp_cores_print(&have, list, sizeof(list));
	FTP_DOCTOR_SAY(r->need, "%u (%u node%s x %u thread%s)", need, n_nodes,
		n_nodes == 1 ? "" : "s", threads, threads == 1 ? "" : "s");
	FTP_DOCTOR_SAY(r->have, "%d (%s)", n, list);
	if (c && !check_all_named(c, &have, r))
		return;
	if ((uint32_t)n >= need) {
		FTP_DOCTOR_SAY(r->fix,
			"`cores` only pins, `auto` gives every node %u of its own; "
			"training.threads, the "
			"OpenMP team of every stage, is part of the run's identity and never "
			"follows from "
			"cores",
			threads);
		return;
	}
	r->state = FTP_DOCTOR_NOTE;
	if (threads > 1)
		FTP_DOCTOR_SAY(r->fix,
			"set training.threads to 1: teams of several threads wait by spinning and "
			"starve "
			"each other where cores are short (it is part of the run's identity)");
	else
		FTP_DOCTOR_SAY(r->fix, "nodes share cores: `cores: auto` leaves them unpinned and "
				       "waiting nodes yield; "
				       "fewer nodes or more cores train faster");
}

void ftp_doctor_openmp(const struct ftp_config *config, struct ftp_doctor_result *r)
{
	struct ftp_error err;

	(void)config;
	FTP_DOCTOR_SAY(r->need, "no OpenMP variable under which oneDNN hangs");
	if (!ftp_isa_check_openmp(&err)) {
		FTP_DOCTOR_SAY(r->have, "none");
		return;
	}
	r->state = FTP_DOCTOR_FAIL;
	FTP_DOCTOR_SAY(r->have, "one is set");
	FTP_DOCTOR_SAY(r->fix, "%s", err.text);
}
