#include "ctl/cuts.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool ftp_cuts_measured(const char *text)
{
	return !strcmp(text, "auto") || !strcmp(text, "equal");
}

int ftp_cuts_parse(
	const char *text, uint32_t *cuts, uint32_t max, uint32_t *n_cuts, struct ftp_error *err)
{
	const char *at = text;
	uint32_t n = 0, last = 0;

	*n_cuts = 0;
	if (!*text)
		return 0;
	do {
		char *end = (char *)at;
		unsigned long cut = isdigit((unsigned char)*at) ? strtoul(at, &end, 10) : 0;

		if (cut <= last || cut > UINT32_MAX || (*end && *end != ','))
			return ftp_error_set(err, EINVAL,
				"expected auto, equal or ascending unit numbers from 1, e.g. "
				"\"3,9\", got '%s'",
				text);
		if (n == max)
			return ftp_error_set(
				err, EINVAL, "expected at most %u cuts, got '%s'", max, text);
		cuts[n++] = last = (uint32_t)cut;
		at = end;
	} while (*at++ == ',');
	*n_cuts = n;
	return 0;
}

int ftp_cuts_check(const uint32_t *cuts, uint32_t n_cuts, uint32_t n_units, uint32_t n_stages,
	struct ftp_error *err)
{
	if (n_cuts + 1 != n_stages)
		return ftp_error_set(err, EINVAL,
			"expected %u cut%s for %u node%s, got %u; change the cuts or the nodes",
			n_stages - 1, n_stages == 2 ? "" : "s", n_stages, n_stages == 1 ? "" : "s",
			n_cuts);
	if (n_cuts && cuts[n_cuts - 1] >= n_units)
		return ftp_error_set(err, EINVAL,
			"expected cuts from 1 to %u, as the model has %u units, got %u",
			n_units - 1, n_units, cuts[n_cuts - 1]);
	return 0;
}
