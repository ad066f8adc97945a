#include "ctl/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ftp_terminal_has_colour(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(stream)) && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

const char *ftp_terminal_colour(FILE *stream, enum ftp_terminal_colour colour)
{
	static const char *const sequences[] = {
		[FTP_TERMINAL_PLAIN] = "\033[0m",
		[FTP_TERMINAL_RED] = "\033[31m",
		[FTP_TERMINAL_GREEN] = "\033[32m",
		[FTP_TERMINAL_YELLOW] = "\033[33m",
	};

	return ftp_terminal_has_colour(stream) ? sequences[colour] : "";
}
