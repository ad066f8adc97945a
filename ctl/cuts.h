/* Cut lists: "3,9" cuts a model before its units 3 and 9 into three stages. Pure; any thread. */
#ifndef FTP_CTL_CUTS_H
#define FTP_CTL_CUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/error.h"

/* "auto" and "equal" follow from measured unit times; all else is a list, "" the empty one. */
bool ftp_cuts_measured(const char *text);

/* Ascending unit indices from 1, at most max of them. -EINVAL with the expected form. */
int ftp_cuts_parse(
	const char *text, uint32_t *cuts, uint32_t max, uint32_t *n_cuts, struct ftp_error *err);

/* Do they cut n_units units into n_stages stages? -EINVAL says what is wrong. */
int ftp_cuts_check(const uint32_t *cuts, uint32_t n_cuts, uint32_t n_units, uint32_t n_stages,
	struct ftp_error *err);

#endif
