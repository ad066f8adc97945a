#include "ctl/ftpctl.h"
#include "ctl/protocol.h"
#include "net/wire.h"

/* Versions of the libraries come from the build: ftpctl links none of them just to ask. */
static const struct {
	const char *name, *version;
} rows[] = {
	{"ftpipe", FTP_VERSION},
	{"dpdk", FTP_BUILT_DPDK},
	{"onednn", FTP_BUILT_ONEDNN},
	{"jansson", FTP_BUILT_JANSSON},
	{"libcyaml", FTP_BUILT_LIBCYAML},
	{"libmicrohttpd", FTP_BUILT_LIBMICROHTTPD},
	{"compiler", FTP_BUILT_COMPILER},
};

int ftp_ftpctl_version(const struct ftp_options *o)
{
	const size_t n = sizeof(rows) / sizeof(rows[0]);
	json_t *document = json_object();

	for (size_t i = 0; i < n; i++) {
		json_object_set_new(document, rows[i].name, json_string(rows[i].version));
		if (!o->json)
			printf("%-14s %s\n", rows[i].name, rows[i].version);
	}
	json_object_set_new(document, "protocol", json_integer(FTP_PROTOCOL_VERSION));
	json_object_set_new(document, "wire", json_integer(FTP_WIRE_VERSION));
	if (o->json) {
		ftp_ftpctl_print_json(document);
		return FTP_EXIT_OK;
	}
	printf("%-14s %d\n%-14s %d\n", "protocol", FTP_PROTOCOL_VERSION, "wire", FTP_WIRE_VERSION);
	json_decref(document);
	return FTP_EXIT_OK;
}
