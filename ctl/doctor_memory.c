#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "ctl/doctor_checks.h"
#include "ctl/units.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Whole MiB are enough for people. */
static void print_size(uint64_t bytes, char *text, size_t room)
{
	ftp_units_print(FTP_UNITS_SIZE, bytes >> 20 << 20, text, room);
}

/* The tightest limit from a group up to the root of its hierarchy; -1: none. */
static long long group_limit(const char *mount, char *group, const char *file)
{
	long long least = -1, limit;
	char path[640], *slash;

	for (;;) {
		snprintf(path, sizeof(path), "%s%s/%s", mount, group, file);
		limit = ftp_doctor_read_number(path, "");
		if (limit >= 0 && (least < 0 || limit < least))
			least = limit;
		slash = strrchr(group, '/');
		if (!slash)
			return least;
		*slash = 0;
	}
}

/* Of this process, by cgroup v2 ("0::/GROUP") or v1 ("4:memory:/GROUP"); -1: none. */
static long long memory_limit(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	long long limit = -1;
	char line[512];

	while (f && limit < 0 && fgets(line, sizeof(line), f)) {
		char *group = strchr(line, '/');
		bool v2 = !strncmp(line, "0::", 3), v1 = strstr(line, ":memory:");

		if (!group || (!v1 && !v2))
			continue;
		group[strcspn(group, "\n")] = 0;
		limit = group_limit(v2 ? CGROUP_ROOT : CGROUP_ROOT "/memory", group,
			v2 ? "memory.max" : "memory.limit_in_bytes");
	}
	if (f)
		fclose(f);
	return limit;
}

void ftp_doctor_memory(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	long long available = ftp_doctor_read_number("/proc/meminfo", "MemAvailable"),
		  limit = memory_limit();
	uint64_t need = 0, have = available < 0 ? 0 : (uint64_t)available << 10;
	bool limited = limit >= 0 && (uint64_t)limit < have;
	char text[32];

	for (uint32_t i = 0; c && i < c->n_nodes; i++)
		need += c->nodes[i].memory_bytes;
	if (limited)
		have = (uint64_t)limit;
	print_size(need, text, sizeof(text));
	FTP_DOCTOR_SAY(r->need, "%s (sum of nodes[].memory)", text);
	print_size(have, text, sizeof(text));
	FTP_DOCTOR_SAY(r->have, "%s (%s)", text, limited ? "cgroup limit" : "MemAvailable");
	if (need <= have)
		return;
	r->state = FTP_DOCTOR_NOTE;
	FTP_DOCTOR_SAY(r->fix, "budgets are not reserved, so a small model still fits; lower "
			       "nodes[].memory so that "
			       "a node refuses a plan before the kernel kills it");
}

void ftp_doctor_hugepages(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	static const char file[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
	long long have = ftp_doctor_read_number(file, "");
	unsigned need = c && c->net.hugepages ? 128 * c->n_nodes : 0;

	FTP_DOCTOR_SAY(
		r->need, need ? "%u free pages of 2 MiB" : "none (net.hugepages is false)", need);
	FTP_DOCTOR_SAY(r->have, "%lld free", have < 0 ? 0 : have);
	if (!need || have >= (long long)need)
		return;
	r->state = FTP_DOCTOR_FAIL;
	FTP_DOCTOR_SAY(r->fix,
		"sudo sysctl vm.nr_hugepages=%u, or net.hugepages: false, which is as fast on one "
		"box",
		need);
}

void ftp_doctor_memlock(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	struct rlimit limit = {.rlim_cur = 0};
	char text[32];

	(void)c;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	FTP_DOCTOR_SAY(r->need, "nothing (this version locks no memory)");
	if (limit.rlim_cur == RLIM_INFINITY) {
		FTP_DOCTOR_SAY(r->have, "unlimited");
		return;
	}
	ftp_units_print(FTP_UNITS_SIZE, limit.rlim_cur, text, sizeof(text));
	FTP_DOCTOR_SAY(r->have, "%s", text);
}
