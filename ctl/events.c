#include "ctl/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/document.h"

uint64_t ftp_events_end(const struct ftp_rundir *d)
{
	char path[FTP_PATHS_MAX];
	struct stat st;

	ftp_rundir_file(d, FTP_RUNDIR_EVENTS, path);
	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

static void take_line(const char *line, size_t n, ftp_events_each *each, void *arg)
{
	json_t *event = json_loadb(line, n, 0, NULL);
	const char *kind = ftp_document_text(event, "kind");

	if (kind[0])
		each(arg, kind, event);
	json_decref(event);
}

uint64_t ftp_events_read(
	const struct ftp_rundir *d, uint64_t offset, ftp_events_each *each, void *arg)
{
	char path[FTP_PATHS_MAX], *line = malloc(FTP_EVENTS_MAX_LINE);
	uint64_t at = offset ? offset - 1 : 0;
	bool whole = !offset; /* line[] will hold a line from its beginning on */
	FILE *f;

	ftp_assert(line);
	ftp_rundir_file(d, FTP_RUNDIR_EVENTS, path);
	f = fopen(path, "re");
	if (f && !fseeko(f, (off_t)at, SEEK_SET)) {
		while (fgets(line, FTP_EVENTS_MAX_LINE, f)) {
			size_t n = strlen(line);

			at += n;
			if (!n || line[n - 1] != '\n') {
				whole = false;
				continue;
			}
			if (whole)
				take_line(line, n, each, arg);
			whole = true;
			offset = at;
		}
	}
	if (f)
		fclose(f);
	free(line);
	return offset;
}
