#include "ctl/jsonrpc.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/base/check.h"

static int echo(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	(void)arg, (void)peer, (void)call, (void)err;
	*result = json_deep_copy(params);
	return 0;
}

static int refuse(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	(void)arg, (void)peer, (void)call, (void)params, (void)result;
	ftp_error_set(err, EINVAL, "not now");
	return FTP_JSONRPC_STATE;
}

static const struct ftp_jsonrpc_method methods[] = {
	{"echo", echo}, {"refuse", refuse}, {NULL, NULL}};

static void connect__says_why_not(void **state)
{
	struct ftp_error err;
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[199] = 0;
	assert_int_equal(ftp_jsonrpc_connect(path, 0, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "too long"));
	assert_int_equal(ftp_jsonrpc_connect("/nonexistent/x.sock", 0, &err), -ENOENT);
	assert_int_equal(ftp_jsonrpc_connect("localhost", 0, &err), -EINVAL);
}

struct server {
	int fd;
	bool silent;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	struct ftp_jsonrpc *peer = ftp_jsonrpc_new(fd, methods, NULL);
	char byte;

	while (!s->silent && !ftp_jsonrpc_turn(peer, 1, NULL))
		;
	if (s->silent)
		while (recv(fd, &byte, 1, 0) != 0)
			;
	ftp_jsonrpc_free(peer);
	return NULL;
}

static int ask_server(bool silent, const char *method, json_t **result, struct ftp_error *err)
{
	struct server s = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), silent};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/test_jsonrpc.XXXXXX", path[600];
	pthread_t thread;
	int rc;

	assert_non_null(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	/* The same place by a name longer than a socket's may be. */
	snprintf(path, sizeof(path), "%s", dir);
	while (strlen(path) < 300)
		strcat(path, "/.");
	strcat(path, "/s");
	assert_int_equal(bind(s.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s.fd, 1), 0);
	pthread_create(&thread, NULL, serve, &s);
	rc = ftp_jsonrpc_ask(path, method, json_pack("[i]", 3),
		ftp_clock_now_ns() + (silent ? 20 * FTP_NS_PER_MS : 20 * FTP_NS_PER_S), result,
		err);
	pthread_join(thread, NULL);
	close(s.fd);
	unlink(addr.sun_path);
	rmdir(dir);
	return rc;
}

static void ask__answer_error_and_silence(void **state)
{
	struct ftp_error err;
	json_t *result;

	(void)state;
	assert_int_equal(ask_server(false, "echo", &result, &err), 0);
	assert_int_equal(json_integer_value(json_array_get(result, 0)), 3);
	json_decref(result);
	assert_int_equal(ask_server(false, "refuse", &result, &err), -EPROTO);
	assert_non_null(strstr(err.text, "not now"));
	assert_int_equal(ask_server(true, "echo", &result, &err), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect__says_why_not),
		cmocka_unit_test(ask__answer_error_and_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
