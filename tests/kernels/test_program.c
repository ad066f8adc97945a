/* Whole nets: cuts must not matter, and the fast ops must agree with the reference. */
#include "tests/base/check.h"

#include <string.h>

#include "tests/kernels/net.h"

#define N_STEPS	  3
#define ZERO	  1e-5 /* mean square, of the largest tensor's: a true gradient of zero */
#define TOLERANCE 3e-5 /* both sides store f32 */

static uint64_t seed;

struct trace {
	struct ftp_digest params;
	double loss[N_STEPS];
};

static struct trace train(struct ftp_model *m, const int *cuts, int n_cuts)
{
	struct trace t;
	struct net net;

	net_init(&net, m, cuts, n_cuts, 8, 2, FTP_IMPL_ONEDNN, seed);
	for (int step = 0; step < N_STEPS; step++) {
		t.loss[step] = net_forward(&net, seed, (uint64_t)step);
		net_backward(&net);
		net_update(&net, 0.05f);
	}
	t.params = net_digest(&net);
	net_deinit(&net);
	return t;
}

static void expect_cuts_do_not_matter(
	struct ftp_model *m, const int cuts[][4], const int *n_cuts, size_t n_rows)
{
	struct trace whole = train(m, NULL, 0);

	assert_true(whole.loss[0] > 0 && whole.loss[N_STEPS - 1] < 1e6);
	for (size_t i = 0; i < n_rows; i++) {
		struct trace cut = train(m, cuts[i], n_cuts[i]);

		assert_memory_equal(&cut, &whole, sizeof(cut));
	}
	ftp_model_free(m);
}

static void plan__cuts_do_not_matter_lenet5(void **state)
{
	static const int cuts[][4] = {{1}, {3}, {1, 3}, {2, 4}, {1, 2, 3, 4}};
	static const int n_cuts[] = {1, 1, 2, 2, 4};

	(void)state;
	expect_cuts_do_not_matter(model_of("lenet5", 1, FTP_STRIDES_CIFAR, true), cuts, n_cuts, 5);
}

static void plan__cuts_do_not_matter_mlp(void **state)
{
	static const int cuts[][4] = {{1}, {2}, {1, 2}};
	static const int n_cuts[] = {1, 1, 2};

	(void)state;
	expect_cuts_do_not_matter(model_of("mlp", 1, FTP_STRIDES_CIFAR, true), cuts, n_cuts, 3);
}

static void plan__cuts_do_not_matter_mobilenetv2_cifar(void **state)
{
	static const int cuts[][4] = {{9}, {3, 9}, {1, 4, 10, 19}, {2, 7, 13, 17}};
	static const int n_cuts[] = {1, 2, 4, 4};

	(void)state;
	expect_cuts_do_not_matter(
		model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true), cuts, n_cuts, 4);
}

static void plan__cuts_do_not_matter_mobilenetv2_imagenet(void **state)
{
	static const int cuts[][4] = {{1}, {5, 18}, {3, 6, 15, 19}};
	static const int n_cuts[] = {1, 2, 4};

	(void)state;
	expect_cuts_do_not_matter(
		model_of("mobilenetv2", 0.25, FTP_STRIDES_IMAGENET, true), cuts, n_cuts, 3);
}

/* Gradients of the whole net against the reference, without activations: with them, a value at a
 * kink that rounds to the other side changes far more than rounding does. Tensors whose true
 * gradient is zero are left out: what is left of them is rounding. */
static void expect_reference_gradients(struct ftp_model *m, int n_micro)
{
	struct net fast, slow;
	double loss_fast, loss_slow, largest = 0, worst = 0;

	net_init(&fast, m, NULL, 0, 16, n_micro, FTP_IMPL_ONEDNN, seed);
	net_init(&slow, m, NULL, 0, 16, n_micro, FTP_IMPL_REFERENCE, seed);
	loss_fast = net_forward(&fast, seed, 0);
	loss_slow = net_forward(&slow, seed, 0);
	assert_true(loss_slow > 0);
	assert_true(loss_fast / loss_slow > 1 - 1e-5 && loss_fast / loss_slow < 1 + 1e-5);
	net_backward(&fast);
	net_backward(&slow);
	for (int pass = 0; pass < 2; pass++)
		for (int u = 0; u < m->n_units; u++)
			for (int t = 0; t < m->units[u].n_tensors; t++) {
				const struct ftp_tensor *tensor = &m->units[u].tensors[t];
				size_t n = tensor->n_elements;
				float *a = malloc(n * sizeof(*a)), *b = malloc(n * sizeof(*b));
				double norm = 0, error;

				if (!ftp_tensor_is_trained(tensor))
					goto next;
				ftp_stage_gradient(fast.stages[0], u, t, a);
				ftp_stage_gradient(slow.stages[0], u, t, b);
				for (size_t i = 0; i < n; i++)
					norm += (double)b[i] * (double)b[i] / (double)n;
				if (!pass) {
					largest = norm > largest ? norm : largest;
					goto next;
				}
				if (norm < ZERO * largest)
					goto next;
				error = relative_l2(a, b, n);
				worst = error > worst ? error : worst;
				if (error > TOLERANCE)
					fail_msg("%s: relative L2 %g", tensor->name, error);
			next:
				free(a);
				free(b);
			}
	printf("%s: worst relative L2 %.2g\n", m->name, worst);
	net_deinit(&fast);
	net_deinit(&slow);
	ftp_model_free(m);
}

static void plan__gradients_agree_with_reference_lenet5(void **state)
{
	(void)state;
	expect_reference_gradients(model_of("lenet5", 1, FTP_STRIDES_CIFAR, true), 2);
}

static void plan__gradients_agree_with_reference_mobilenetv2_cifar(void **state)
{
	(void)state;
	expect_reference_gradients(model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, false), 1);
}

static void plan__gradients_agree_with_reference_mobilenetv2_imagenet(void **state)
{
	(void)state;
	expect_reference_gradients(model_of("mobilenetv2", 0.25, FTP_STRIDES_IMAGENET, false), 1);
}

static int set_up(void **state)
{
	(void)state;
	seed = check_seed();
	return ftp_isa_cap(TEST_ISA, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan__cuts_do_not_matter_lenet5),
		cmocka_unit_test(plan__cuts_do_not_matter_mlp),
		cmocka_unit_test(plan__cuts_do_not_matter_mobilenetv2_cifar),
		cmocka_unit_test(plan__cuts_do_not_matter_mobilenetv2_imagenet),
		cmocka_unit_test(plan__gradients_agree_with_reference_lenet5),
		cmocka_unit_test(plan__gradients_agree_with_reference_mobilenetv2_cifar),
		cmocka_unit_test(plan__gradients_agree_with_reference_mobilenetv2_imagenet),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
