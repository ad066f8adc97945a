#include "runtime/base/exporter.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/address.h"

struct ftp_exporter {
	struct MHD_Daemon *http;
	struct ftp_metrics *metrics;
};

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type,
	char *body, size_t bytes, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(bytes, body, mode);
	enum MHD_Result rc;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_bytes,
	void **state)
{
	static char not_found[] = "try /metrics\n";
	struct ftp_exporter *e = arg;
	size_t bytes;
	char *page;

	(void)version;
	(void)upload;
	(void)upload_bytes;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) || strcmp(url, "/metrics"))
		return answer(c, MHD_HTTP_NOT_FOUND, "text/plain", not_found, sizeof(not_found) - 1,
			MHD_RESPMEM_PERSISTENT);
	page = ftp_metrics_render(e->metrics, &bytes);
	return answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", page, bytes,
		MHD_RESPMEM_MUST_FREE);
}

/* Binds by hand: libmicrohttpd does not say why a bind failed. */
static int listen_on(const char *listen_text, struct ftp_error *err)
{
	struct sockaddr_storage addr;
	socklen_t bytes;
	int fd, rc, on = 1;

	rc = ftp_address_parse(listen_text, &addr, &bytes, err);
	if (rc)
		return ftp_error_prefix(err, rc, "metrics.listen");
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ftp_error_set(err, errno, "metrics socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, bytes) || listen(fd, 16)) {
		rc = errno;
		close(fd);
		return ftp_error_set(err, rc,
			"cannot serve metrics on %s: %s; choose another metrics.listen or end the "
			"program that holds it",
			listen_text, strerror(rc));
	}
	return fd;
}

int ftp_exporter_start(struct ftp_exporter **out, const char *listen_text, struct ftp_metrics *m,
	struct ftp_error *err)
{
	struct ftp_exporter *e;
	int fd = listen_on(listen_text, err);

	if (fd < 0)
		return fd;
	e = calloc(1, sizeof(*e));
	ftp_assert(e);
	e->metrics = m;
	e->http = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL,
		on_request, e, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, 16u,
		MHD_OPTION_CONNECTION_TIMEOUT, 5u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)(16 << 10), MHD_OPTION_END);
	if (!e->http) {
		close(fd);
		free(e);
		return ftp_error_set(err, EIO, "cannot serve metrics on %s", listen_text);
	}
	*out = e;
	return 0;
}

void ftp_exporter_stop(struct ftp_exporter *e)
{
	if (!e)
		return;
	MHD_stop_daemon(e->http);
	free(e);
}
