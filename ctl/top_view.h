/* What a run is doing right now, as lines for a terminal: from status documents
 * (ctl/coordinator_report.c) and events (ctl/events.h). Pure. */
#ifndef FTP_CTL_TOP_VIEW_H
#define FTP_CTL_TOP_VIEW_H

#include <jansson.h>

#include "ctl/config.h"
#include "ctl/terminal.h"

#define FTP_TOP_EVENTS	  8
#define FTP_TOP_LINE	  200 /* bytes of one */
#define FTP_TOP_MAX_LINES (16 + 3 * FTP_CONFIG_MAX_NODES)

struct ftp_top_line {
	char text[FTP_TOP_LINE];
	enum ftp_terminal_colour colour;
};

struct ftp_top_frame {
	struct ftp_top_line lines[FTP_TOP_MAX_LINES];
	uint32_t n;
};

/* Zeroed at the beginning: shares and rates are of the time since the frame before, of the first
 * frame since the node's start. */
struct ftp_top_view {
	char events[FTP_TOP_EVENTS][FTP_TOP_LINE]; /* oldest first */
	uint32_t n_events;
	struct ftp_top_busy {
		char node[33];
		double busy_s[3]; /* computing, waiting, polling */
	} before[FTP_CONFIG_MAX_NODES];
	uint32_t n_before;
};

void ftp_top_view_event(struct ftp_top_view *v, const json_t *event);
void ftp_top_view_frame(struct ftp_top_view *v, const json_t *status, struct ftp_top_frame *frame);

#endif
