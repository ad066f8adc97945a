#include "ctl/cores.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits at *text, below CPU_SETSIZE; moves *text past them. -1: none. */
static int read_core(const char **text)
{
	char *end;
	long core;

	if (!isdigit((unsigned char)**text))
		return -1;
	core = strtol(*text, &end, 10);
	*text = end;
	return core < CPU_SETSIZE ? (int)core : -1;
}

int ftp_cores_parse(const char *text, cpu_set_t *set, struct ftp_error *err)
{
	const char *at = text;
	int last = -1;

	CPU_ZERO(set);
	do {
		int first = read_core(&at), end = first;

		if (*at == '-') {
			at++;
			end = read_core(&at);
		}
		if (first <= last || end < first || (*at && *at != ','))
			return ftp_error_set(err, EINVAL,
				"expected ascending core numbers, e.g. 0-3,6, got '%s'", text);
		for (int core = first; core <= end; core++)
			CPU_SET(core, set);
		last = end;
	} while (*at++ == ',');
	return 0;
}

void ftp_cores_print(const cpu_set_t *set, char *text, size_t bytes)
{
	size_t n = 0;

	text[0] = 0;
	for (int core = 0; core < CPU_SETSIZE && n < bytes; core++) {
		int first = core;

		if (!CPU_ISSET(core, set))
			continue;
		while (core + 1 < CPU_SETSIZE && CPU_ISSET(core + 1, set))
			core++;
		n += (size_t)snprintf(text + n, bytes - n, core > first ? "%s%d-%d" : "%s%d",
			n ? "," : "", first, core);
	}
}

void ftp_cores_available(cpu_set_t *set)
{
	CPU_ZERO(set);
	ftp_assert(!sched_getaffinity(0, sizeof(*set), set));
}
