#include "ctl/ftpctl.h"
#include "ctl/versions.h"

int ftp_ftpctl_version(const struct ftp_options *o)
{
	json_t *versions = ftp_versions(), *value;
	const char *name;

	if (o->json) {
		ftp_ftpctl_print_json(versions);
		return FTP_EXIT_OK;
	}
	json_object_foreach (versions, name, value) {
		if (json_is_string(value))
			printf("%-14s %s\n", name, json_string_value(value));
		else
			printf("%-14s %d\n", name, (int)json_integer_value(value));
	}
	json_decref(versions);
	return FTP_EXIT_OK;
}
