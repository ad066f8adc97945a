#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/config_schema.h"

struct place {
	const char *path; /* as the user writes it */
	char text[FTP_YAML_MAX_PATH + 256];
};

static int note_place(void *arg, const char *path, struct ftp_yaml *y)
{
	struct place *p = arg;

	if (strcmp(p->path, path))
		return 0;
	ftp_yaml_place(y, path, p->text, sizeof(p->text));
	return 1;
}

int ftp_config_refuse_entry(
	struct ftp_yaml *root, const char *pattern, const char *path, struct ftp_error *err)
{
	struct place p = {.path = path};

	snprintf(p.text, sizeof(p.text), "%s", path);
	ftp_yaml_each(root, pattern, note_place, &p);
	return ftp_error_prefix(err, -EINVAL, "%s", p.text);
}

int ftp_config_refuse(struct ftp_yaml *root, const char *path, struct ftp_error *err)
{
	return ftp_config_refuse_entry(root, path, path, err);
}
