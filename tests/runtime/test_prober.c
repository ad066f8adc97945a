/* Three nodes as threads of one process, over kernel UDP on loopback. */
#include "tests/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "net/udp.h"
#include "runtime/base/clock.h"
#include "runtime/prober.h"

#define N 3

static const _Atomic bool never = false;

struct node {
	pthread_t thread;
	struct ftp_prober_spec spec;
	struct ftp_waker waker;
	struct ftp_links links;
	int rc, udp_fd;
	struct ftp_error err;
};

struct fixture {
	struct ftp_config config;
	struct ftp_config_node config_nodes[N];
	struct ftp_probe probe;
	struct node nodes[N];
};

static void set_up(struct fixture *f)
{
	struct ftp_error err;

	memset(f, 0, sizeof(*f));
	f->config = (struct ftp_config){.nodes = f->config_nodes, .n_nodes = N};
	f->config.net.port = FTP_NET_UDP;
	f->probe = (struct ftp_probe){.run = 1, .term = 1, .n_nodes = N};
	for (int i = 0; i < N; i++) {
		struct ftp_plan_stage *s = &f->probe.nodes[i];
		struct node *n = &f->nodes[i];

		s->node = (uint32_t)i;
		s->incarnation = 100 + (uint64_t)i;
		snprintf(s->name, sizeof(s->name), "n%d", i + 1);
		snprintf(s->host, sizeof(s->host), "127.0.0.1");
		n->udp_fd = ftp_udp_reserve(s->host, &s->udp_port, &err);
		assert_true(n->udp_fd >= 0);
		assert_int_equal(ftp_waker_init(&n->waker, &err), 0);
		n->spec = (struct ftp_prober_spec){.config = &f->config,
			.probe = &f->probe,
			.node = i,
			.net_core = -1,
			.waker = &n->waker,
			.stop = &never};
	}
}

static void tear_down(struct fixture *f)
{
	for (int i = 0; i < N; i++) {
		close(f->nodes[i].udp_fd);
		ftp_waker_deinit(&f->nodes[i].waker);
	}
}

static void *node_main(void *arg)
{
	struct node *n = arg;

	n->rc = ftp_prober_measure(&n->links, &n->spec, &n->err);
	return NULL;
}

static void run(struct fixture *f, int first, int end)
{
	for (int i = first; i < end; i++)
		assert_int_equal(
			pthread_create(&f->nodes[i].thread, NULL, node_main, &f->nodes[i]), 0);
	for (int i = first; i < end; i++)
		pthread_join(f->nodes[i].thread, NULL);
}

static void assert_measured(const struct node *n)
{
	if (n->rc)
		print_message("%s\n", n->err.text);
	assert_int_equal(n->rc, 0);
	assert_int_equal(n->links.n_peers, N - 1);
	for (uint32_t k = 0; k < N - 1; k++) {
		assert_int_not_equal(n->links.peer[k], n->spec.node);
		assert_in_range(n->links.rtt_ns[k], 1000, FTP_NS_PER_S);
		assert_in_range(n->links.bytes_per_s[k], 100000, 1000000000000);
		print_message("%d-%u: %.1f us, %.1f MB/s\n", n->spec.node, n->links.peer[k],
			(double)n->links.rtt_ns[k] * 1e-3, (double)n->links.bytes_per_s[k] * 1e-6);
	}
}

static void prober_measure__three_nodes(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	run(&f, 0, N);
	for (int i = 0; i < N; i++)
		assert_measured(&f.nodes[i]);
	tear_down(&f);
}

/* A slow node's links are slow, the link between the two others is not: twice, as terms differ. */
static void prober_measure__one_emulated(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	for (uint64_t term = 2; term < 4; term++) {
		f.probe.term = term;
		f.nodes[2].spec.impair = (struct ftp_impair){
			.bandwidth_bytes_per_s = 4000000, .delay_ns = 3 * FTP_NS_PER_MS};
		run(&f, 0, N);
		for (int i = 0; i < N; i++)
			assert_measured(&f.nodes[i]);
		for (uint32_t k = 0; k < 2; k++) {
			assert_true(f.nodes[k].links.peer[1] == 2);
			assert_true(f.nodes[k].links.rtt_ns[1] >= 6 * FTP_NS_PER_MS);
			assert_true(f.nodes[k].links.bytes_per_s[1] < 6000000);
			assert_true(f.nodes[2].links.bytes_per_s[k] < 6000000);
		}
	}
	tear_down(&f);
}

static void prober_measure__not_a_member(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	f.probe.n_nodes = 2;
	run(&f, 2, 3);
	assert_int_equal(f.nodes[2].rc, -EINVAL);
	f.probe.nodes[0].node = N;
	run(&f, 1, 2);
	assert_int_equal(f.nodes[1].rc, -EINVAL);
	tear_down(&f);
}

static void prober_measure__stopped(void **state)
{
	const _Atomic bool now = true;
	struct fixture f;

	(void)state;
	set_up(&f);
	f.nodes[0].spec.stop = &now;
	run(&f, 0, 1);
	assert_int_equal(f.nodes[0].rc, -ECANCELED);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prober_measure__three_nodes),
		cmocka_unit_test(prober_measure__one_emulated),
		cmocka_unit_test(prober_measure__not_a_member),
		cmocka_unit_test(prober_measure__stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
