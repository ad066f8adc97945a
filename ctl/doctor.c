#include "ctl/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/doctor_checks.h"

static const struct {
	const char *name;
	bool needs_config;
	ftp_doctor_check *check;
} checks[] = {
	{"cpu", false, ftp_doctor_cpu},
	{"cores", false, ftp_doctor_cores},
	{"openmp", false, ftp_doctor_openmp},
	{"memory", false, ftp_doctor_memory},
	{"hugepages", false, ftp_doctor_hugepages},
	{"memlock", false, ftp_doctor_memlock},
	{"dpdk", false, ftp_doctor_dpdk},
	{"ports", true, ftp_doctor_ports},
	{"data", true, ftp_doctor_data},
	{"data_dir", true, ftp_doctor_data_dir},
};

#define N_CHECKS (sizeof(checks) / sizeof(checks[0]))
_Static_assert(N_CHECKS <= FTP_DOCTOR_MAX_RESULTS, "a check has no room for its result");

void ftp_doctor_run(const struct ftp_config *config, struct ftp_doctor_report *report)
{
	*report = (struct ftp_doctor_report){.ok = true};
	for (size_t i = 0; i < N_CHECKS; i++) {
		struct ftp_doctor_result *r = &report->results[report->n_results];

		if (checks[i].needs_config && !config)
			continue;
		r->name = checks[i].name;
		checks[i].check(config, r);
		report->ok &= r->state != FTP_DOCTOR_FAIL;
		report->n_results++;
	}
}

const char *ftp_doctor_state_name(enum ftp_doctor_state state)
{
	static const char *const names[] = {
		[FTP_DOCTOR_OK] = "ok",
		[FTP_DOCTOR_NOTE] = "note",
		[FTP_DOCTOR_FAIL] = "fail",
	};

	return names[state];
}

long long ftp_doctor_read_number(const char *file, const char *key)
{
	size_t n = strlen(key);
	long long value = -1;
	char line[256];
	FILE *f = fopen(file, "re");

	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f)) {
		const char *digits = line + n + strspn(line + strnlen(line, n), " \t:");

		if (strncmp(line, key, n) || *digits < '0' || *digits > '9')
			continue;
		value = strtoll(digits, NULL, 10);
	}
	fclose(f);
	return value;
}
