/* Whether a stream is a terminal that wants colour, and the sequences for it. Any thread. */
#ifndef FTP_CTL_TERMINAL_H
#define FTP_CTL_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

enum ftp_terminal_colour {
	FTP_TERMINAL_PLAIN,
	FTP_TERMINAL_RED,
	FTP_TERMINAL_GREEN,
	FTP_TERMINAL_YELLOW,
};

/* A terminal, NO_COLOR unset or empty, TERM not "dumb" (no-color.org). */
bool ftp_terminal_has_colour(FILE *stream);

/* The escape sequence, or "" where the stream has no colour. */
const char *ftp_terminal_colour(FILE *stream, enum ftp_terminal_colour colour);

#endif
