#include "runtime/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

void ftp_cpu_name(char *text, size_t bytes)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256], *value;

	snprintf(text, bytes, "unknown");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		value = strchr(line, ':');
		if (strncmp(line, "model name", 10) || !value)
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(text, bytes, "%s", value + 2);
		break;
	}
	fclose(f);
}

uint32_t ftp_cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	return (uint32_t)CPU_COUNT(&set);
}
