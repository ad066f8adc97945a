#include "runtime/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"

static struct {
	const char *who;
	enum ftp_log_level level;
	enum ftp_log_format format;
} config = {"ftpipe", FTP_LOG_INFO, FTP_LOG_TEXT};

void ftp_log_init(const char *who, enum ftp_log_level level, enum ftp_log_format format)
{
	config.who = who;
	config.level = level;
	config.format = format;
}

static const char *level_name(enum ftp_log_level level)
{
	switch (level) {
	case FTP_LOG_ERROR:
		return "error";
	case FTP_LOG_WARNING:
		return "warning";
	case FTP_LOG_INFO:
		return "info";
	case FTP_LOG_DEBUG:
		return "debug";
	}
	return "info";
}

/* Copies text with what JSON forbids inside a string escaped; returns the length written. */
static size_t json_escape(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text && n + 8 < room; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20) {
			n += (size_t)snprintf(out + n, room - n, "\\u%04x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = 0;
	return n;
}

void ftp_log(enum ftp_log_level level, const char *fmt, ...)
{
	char text[1024], line[2560], wall[40];
	va_list ap;
	int n;

	if (level > config.level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ftp_clock_wall_text(wall, sizeof(wall));
	if (config.format == FTP_LOG_JSON) {
		char escaped[2200];

		json_escape(escaped, sizeof(escaped), text);
		n = snprintf(line, sizeof(line),
			"{\"time\":\"%s\",\"level\":\"%s\",\"who\":\"%s\",\"text\":\"%s\"}\n", wall,
			level_name(level), config.who, escaped);
	} else {
		n = snprintf(line, sizeof(line), "<%d>%s %s: %s\n", level, wall, config.who, text);
	}
	if (n > (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 1;
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* stderr is gone: nobody is left to tell */
}
