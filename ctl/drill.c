#include "ctl/drill.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

int ftp_drill_signal(const char *how)
{
	static const struct {
		const char *how;
		int signal;
	} rows[] = {
		{"kill", SIGKILL},
		{"stop", SIGSTOP}, /* it lives, and says nothing any more */
		{"abort", SIGABRT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcmp(rows[i].how, how))
			return rows[i].signal;
	return 0;
}
