#include "ctl/versions.h"

#include "ctl/protocol.h"
#include "net/wire.h"

json_t *ftp_versions(void)
{
	/* Those of the libraries come from the build: the control plane links few of them. */
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "ftpipe", FTP_VERSION,
		"dpdk", FTP_BUILT_DPDK, "onednn", FTP_BUILT_ONEDNN, "jansson", FTP_BUILT_JANSSON,
		"libcyaml", FTP_BUILT_LIBCYAML, "libmicrohttpd", FTP_BUILT_LIBMICROHTTPD,
		"compiler", FTP_BUILT_COMPILER, "protocol", FTP_PROTOCOL_VERSION, "wire",
		FTP_WIRE_VERSION);
}
