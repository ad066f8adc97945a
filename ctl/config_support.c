/* Keys of the configuration's contract that later versions bring. They are refused by name: a run
 * that silently went without its checkpoints would be worse than no run. */
#include <errno.h>
#include <string.h>

#include "ctl/config_schema.h"

struct later {
	const char *path;
	const char *value; /* NULL: the key itself */
};

static const struct later later[] = {
	{"cluster.key_file", NULL},
	{"training.optimizer.kind", "adamw"},
	{"net.protect", "auth"},
	{"net.protect", "encrypt"},
	{"net.wire", "bf16"},
};

struct visit {
	const struct later *later;
	struct ftp_error *err;
};

static int refuse(void *arg, const char *path, struct ftp_yaml *y)
{
	const struct visit *v = arg;
	const char *value = v->later->value;
	char place[FTP_YAML_MAX_PATH + 256];

	if (value && (y->kind != FTP_YAML_SCALAR || strcmp(y->text, value)))
		return 0;
	ftp_yaml_place(y, path, place, sizeof(place));
	return ftp_error_set(v->err, EINVAL, "%s: %s%s%snot supported by this version; remove it",
		place, value ? "'" : "", value ? value : "", value ? "' is " : "");
}

int ftp_config_support_check(struct ftp_yaml *root, struct ftp_error *err)
{
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		struct visit v = {.later = &later[i], .err = err};
		int rc = ftp_yaml_each(root, later[i].path, refuse, &v);

		if (rc)
			return rc;
	}
	return 0;
}
