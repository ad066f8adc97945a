/* One line per event on stderr, never on stdout. Text lines start with "<N>", the syslog priority
 * that journald reads; JSON lines carry time, level, who and text. Any thread: a line is one
 * write(2); of lines for which there is no room the next one tells how many they were. Not for the
 * compute path. Where training must not wait for a disk: ftp_log_writer_start(). */
#ifndef FTP_BASE_LOG_H
#define FTP_BASE_LOG_H

enum ftp_log_level { FTP_LOG_ERROR = 3, FTP_LOG_WARNING = 4, FTP_LOG_INFO = 6, FTP_LOG_DEBUG = 7 };
enum ftp_log_format { FTP_LOG_TEXT, FTP_LOG_JSON };

/* who ("n1", "coordinator") stands in each line; lent for the life of the process. */
void ftp_log_init(const char *who, enum ftp_log_level level, enum ftp_log_format format);

void ftp_log(enum ftp_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ftp_log_error(...) ftp_log(FTP_LOG_ERROR, __VA_ARGS__)
#define ftp_log_warn(...)  ftp_log(FTP_LOG_WARNING, __VA_ARGS__)
#define ftp_log_info(...)  ftp_log(FTP_LOG_INFO, __VA_ARGS__)
#define ftp_log_debug(...) ftp_log(FTP_LOG_DEBUG, __VA_ARGS__)

#endif
