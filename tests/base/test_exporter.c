#include "runtime/base/exporter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/base/check.h"

static const struct ftp_metric_family families[] = {
	{"ftp_a_total", FTP_METRIC_COUNTER, "First."},
};

/* A port that is free now. */
static uint16_t free_port(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, bytes), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &bytes), 0);
	close(fd);
	return ntohs(addr.sin_port);
}

/* The whole answer to one request. */
static void ask(uint16_t port, const char *request, char *answer, size_t bytes)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval deadline = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t n = 0;
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while ((got = read(fd, answer + n, bytes - 1 - n)) > 0)
		n += (size_t)got;
	assert_int_equal(got, 0);
	answer[n] = 0;
	close(fd);
}

static struct ftp_exporter *start_on(uint16_t port, struct ftp_metrics *m)
{
	struct ftp_exporter *e;
	struct ftp_error err;
	char listen[32];

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	if (ftp_exporter_start(&e, listen, m, &err))
		fail_msg("%s", err.text);
	return e;
}

static void start__serves_metrics_and_nothing_else(void **state)
{
	struct ftp_metrics *m = ftp_metrics_new(families, 1);
	uint16_t port = free_port();
	struct ftp_exporter *e = start_on(port, m);
	char answer[4096];

	(void)state;
	ftp_metric_set(ftp_metrics_series(m, 0, ""), 42);
	ask(port, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
		sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
	assert_non_null(strstr(answer, "\nftp_a_total 42\n"));
	ask(port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 404", 12);
	assert_non_null(strstr(answer, "try /metrics"));
	ask(port, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
		sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 404", 12);
	ftp_exporter_stop(e);
	e = start_on(port, m); /* the port is free again */
	ftp_exporter_stop(e);
	ftp_metrics_free(m);
}

static void start__survives_nonsense(void **state)
{
	struct ftp_metrics *m = ftp_metrics_new(families, 1);
	uint16_t port = free_port();
	struct ftp_exporter *e = start_on(port, m);
	char request[40000], answer[65536];

	(void)state;
	memset(request, 'a', sizeof(request) - 1);
	request[sizeof(request) - 1] = 0;
	memcpy(request, "GET /", 5);
	memcpy(request + sizeof(request) - 5, "\r\n\r\n", 4);
	ask(port, "\r\n\r\nnonsense\r\n\r\n", answer, sizeof(answer));
	ask(port, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
		sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	ftp_exporter_stop(e);
	ftp_metrics_free(m);
}

static void start__explains_what_is_wrong(void **state)
{
	struct ftp_metrics *m = ftp_metrics_new(families, 1);
	uint16_t port = free_port();
	struct ftp_exporter *e = start_on(port, m), *other;
	struct ftp_error err;
	char listen[32];

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	assert_int_equal(ftp_exporter_start(&other, listen, m, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, listen));
	assert_non_null(strstr(err.text, "metrics.listen"));
	assert_int_equal(ftp_exporter_start(&other, "nowhere", m, &err), -EINVAL);
	assert_non_null(strstr(err.text, "metrics.listen"));
	ftp_exporter_stop(e);
	ftp_metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start__serves_metrics_and_nothing_else),
		cmocka_unit_test(start__survives_nonsense),
		cmocka_unit_test(start__explains_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
