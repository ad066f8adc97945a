#include "runtime/base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log_writer.h"

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

/* Bytes of the UTF-8 sequence that p begins with; 0 when it is none (RFC 3629, section 4). */
static int utf8_bytes(const unsigned char *p)
{
	static const struct {
		unsigned char lead_mask, lead;
		uint32_t least;
	} forms[] = {
		{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (int n = 0; n < 4; n++) {
		uint32_t value = p[0] & (unsigned char)~forms[n].lead_mask;

		if ((p[0] & forms[n].lead_mask) != forms[n].lead)
			continue;
		for (int i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			value = value << 6 | (p[i] & 0x3f);
		}
		if (value < forms[n].least || value > 0x10ffff ||
			(value >= 0xd800 && value < 0xe000))
			return 0;
		return n + 1;
	}
	return 0;
}

/* Copies text as the inside of a JSON string; returns the length written. */
static size_t json_escape(char *out, size_t room, const char *text)
{
	size_t n = 0;

	while (*text && n + 8 < room) {
		unsigned char c = (unsigned char)*text;
		int bytes = utf8_bytes((const unsigned char *)text);

		if (c == '"' || c == '\\')
			n += (size_t)snprintf(out + n, room - n, "\\%c", c);
		else if (c < 0x20 || !bytes)
			n += (size_t)snprintf(out + n, room - n, "\\u%04x", bytes ? c : 0xfffd);
		else
			n += (size_t)snprintf(out + n, room - n, "%.*s", bytes, text);
		text += bytes ? bytes : 1;
	}
	out[n] = 0;
	return n;
}

/* A line stays a line, whatever a peer's text holds. */
static void blank_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

static int format(char line[FTP_LOG_LINE_BYTES], enum ftp_log_level level, char *text)
{
	char wall[40], escaped[2200];
	int n;

	ftp_clock_wall_text(wall, sizeof(wall));
	if (config.format == FTP_LOG_JSON) {
		json_escape(escaped, sizeof(escaped), text);
		n = snprintf(line, FTP_LOG_LINE_BYTES,
			"{\"time\":\"%s\",\"level\":\"%s\",\"who\":\"%s\",\"text\":\"%s\"}\n", wall,
			level_name(level), config.who, escaped);
	} else {
		blank_controls(text);
		n = snprintf(
			line, FTP_LOG_LINE_BYTES, "<%d>%s %s: %s\n", level, wall, config.who, text);
	}
	return n < FTP_LOG_LINE_BYTES ? n : FTP_LOG_LINE_BYTES - 1;
}

static int notice(char line[FTP_LOG_LINE_BYTES], uint64_t n_dropped)
{
	char text[128];

	snprintf(text, sizeof(text), "%llu lines were dropped: the log could not be written",
		(unsigned long long)n_dropped);
	return format(line, FTP_LOG_WARNING, text);
}

void ftp_log(enum ftp_log_level level, const char *fmt, ...)
{
	char text[1024], line[FTP_LOG_LINE_BYTES];
	va_list ap;

	if (level > config.level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ftp_log_writer_put(line, (size_t)format(line, level, text), notice);
}
