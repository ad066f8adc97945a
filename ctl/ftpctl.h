/* What the verbs of ftpctl share. Main thread only. */
#ifndef FTP_CTL_FTPCTL_H
#define FTP_CTL_FTPCTL_H

#include <jansson.h>

#include "ctl/config.h"
#include "ctl/options.h"

/* The verbs' functions. */
int ftp_ftpctl_ckpt_gc(const struct ftp_options *o);
int ftp_ftpctl_ckpt_list(const struct ftp_options *o);
int ftp_ftpctl_ckpt_verify(const struct ftp_options *o);
int ftp_ftpctl_config_check(const struct ftp_options *o);
int ftp_ftpctl_config_dump(const struct ftp_options *o);
int ftp_ftpctl_doctor(const struct ftp_options *o);
int ftp_ftpctl_drain(const struct ftp_options *o);
int ftp_ftpctl_snapshots(const struct ftp_options *o);
int ftp_ftpctl_recover(const struct ftp_options *o);
int ftp_ftpctl_emulate(const struct ftp_options *o);
int ftp_ftpctl_fail_node(const struct ftp_options *o);
int ftp_ftpctl_follow(const struct ftp_options *o);
int ftp_ftpctl_join(const struct ftp_options *o);
int ftp_ftpctl_plan(const struct ftp_options *o);
int ftp_ftpctl_profile(const struct ftp_options *o);
int ftp_ftpctl_repartition(const struct ftp_options *o);
int ftp_ftpctl_export(const struct ftp_options *o);
int ftp_ftpctl_report(const struct ftp_options *o);
int ftp_ftpctl_start(const struct ftp_options *o);
int ftp_ftpctl_status(const struct ftp_options *o);
int ftp_ftpctl_stop(const struct ftp_options *o);
int ftp_ftpctl_top(const struct ftp_options *o);
int ftp_ftpctl_why(const struct ftp_options *o);
int ftp_ftpctl_version(const struct ftp_options *o);

/* Loads the configuration that the options name. 0, or an exit code when it has been said on stderr
 * (and on stdout with --json) why not. The caller owns *out. */
int ftp_ftpctl_load(struct ftp_config **out, const struct ftp_options *o);

/* "ftpctl: TEXT" on stderr; with --json also {"ok": false, "error": TEXT} on stdout. Returns code.
 */
int ftp_ftpctl_fail(const struct ftp_options *o, enum ftp_exit code, const char *text);

/* Prints document to stdout and takes it. */
void ftp_ftpctl_print_json(json_t *document);

#endif
