#include "ctl/pinning.h"

#include <stdio.h>
#include <string.h>

#include "ctl/cores.h"

static void take_out(cpu_set_t *from, const char *list)
{
	cpu_set_t set, kept;

	if (!list[0] || ftp_cores_parse(list, &set, NULL))
		return;
	CPU_ZERO(&kept);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, from) && !CPU_ISSET(i, &set))
			CPU_SET(i, &kept);
	*from = kept;
}

/* Moves the first n cores of `from` into a list. */
static void give(cpu_set_t *from, int n, char *list)
{
	cpu_set_t own;

	CPU_ZERO(&own);
	for (int i = 0; i < CPU_SETSIZE && n; i++) {
		if (CPU_ISSET(i, from)) {
			CPU_CLR(i, from);
			CPU_SET(i, &own);
			n--;
		}
	}
	ftp_cores_print(&own, list, FTP_PINNING_LIST_BYTES);
}

void ftp_pinning_choose(const struct ftp_config *c, const bool *local, const cpu_set_t *available,
	char list[][FTP_PINNING_LIST_BYTES])
{
	cpu_set_t left = *available;
	uint64_t n_auto = 0, n_each = c->training.threads;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (!local[i])
			continue;
		if (!strcmp(c->nodes[i].cores, FTP_CORES_AUTO))
			n_auto++;
		else
			take_out(&left, c->nodes[i].cores);
		take_out(&left, c->nodes[i].net_core);
	}
	if (n_auto * (n_each + 1) <= (uint64_t)CPU_COUNT(&left))
		n_each++;
	else if (n_auto * n_each > (uint64_t)CPU_COUNT(&left))
		n_each = 0;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (local[i] && !strcmp(c->nodes[i].cores, FTP_CORES_AUTO))
			give(&left, (int)n_each, list[i]);
		else
			snprintf(list[i], FTP_PINNING_LIST_BYTES, "%s", c->nodes[i].cores);
	}
}
