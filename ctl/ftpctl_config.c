#include <stdlib.h>

#include "ctl/ftpctl.h"

static void digest_hex(const struct ftp_config *c, char hex[FTP_DIGEST_HEX])
{
	ftp_digest_hex(ftp_config_digest(c), hex);
}

int ftp_ftpctl_config_check(const struct ftp_options *o)
{
	struct ftp_config *c;
	char hex[FTP_DIGEST_HEX];
	int rc = ftp_ftpctl_load(&c, o);

	if (rc)
		return rc;
	digest_hex(c, hex);
	if (o->json)
		ftp_ftpctl_print_json(
			json_pack("{s:b, s:s, s:s, s:s, s:i}", "ok", 1, "file", c->file, "digest",
				hex, "model", c->training.model, "nodes", (int)c->n_nodes));
	else
		printf("%s: ok: %s, %u node%s, digest %s\n", c->file, c->training.model, c->n_nodes,
			c->n_nodes == 1 ? "" : "s", hex);
	ftp_config_free(c);
	return FTP_EXIT_OK;
}

int ftp_ftpctl_config_dump(const struct ftp_options *o)
{
	struct ftp_config *c;
	char hex[FTP_DIGEST_HEX], *yaml;
	int rc = ftp_ftpctl_load(&c, o);

	if (rc)
		return rc;
	yaml = ftp_config_dump(c);
	digest_hex(c, hex);
	if (o->json)
		ftp_ftpctl_print_json(json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "file", c->file,
			"digest", hex, "yaml", yaml));
	else
		fputs(yaml, stdout);
	free(yaml);
	ftp_config_free(c);
	return FTP_EXIT_OK;
}
