"""P1: the loss does not depend on the number of stages, the cuts, the port, or lost packets."""
import os
import unittest

from cluster import LENET5, Cluster

MOBILENET = {"training.model": "mobilenetv2", "training.width": 0.25, "training.batch": 32,
             "training.micro_batches": 4, "training.steps": 3, "training.dataset.augment": "true"}

# Any two values of nodes, cuts, port and loss occur together at least once. lenet5 has 5 units:
# on 5 nodes there is one cut list.
LENET5_RUNS = [
    (2, "1", "memif", 0), (2, "3", "udp", 0.05),
    (3, "1,2", "udp", 0.05), (3, "2,4", "memif", 0),
    (5, "1,2,3,4", "memif", 0.05), (5, "equal", "udp", 0),
]
MOBILENET_RUNS = [
    (2, "7", "memif", 0), (2, "13", "udp", 0.05),
    (3, "4,11", "udp", 0.05), (3, "9,18", "memif", 0),
    (5, "2,5,9,16", "memif", 0.05), (5, "equal", "udp", 0),
]


def train(sets, nodes, cuts, port, loss):
    """(params_digest, loss.csv) of a run."""
    values = {**sets, "training.cuts": cuts, "net.port": port}
    if loss:
        values.update({f"nodes.n{i + 1}.emulate.loss": loss for i in range(nodes)})
    with Cluster(nodes, values) as c:
        summary = c.train()
        c.assert_nothing_left()
        return summary["params_digest"], c.loss()


class P1(unittest.TestCase):
    maxDiff = None

    def compare(self, sets, runs):
        digest, trace = train(sets, 1, "equal", "memif", 0)
        rows = trace.decode().splitlines()
        self.assertEqual(rows[0], "step,loss")
        self.assertEqual([r.split(",")[0] for r in rows[1:]],
                         [str(i + 1) for i in range(sets["training.steps"])])
        self.assertEqual(len({r.split(",")[1] for r in rows[1:]}), sets["training.steps"])
        self.assertRegex(digest, "^[0-9a-f]{32}$")
        for nodes, cuts, port, loss in runs:
            with self.subTest(nodes=nodes, cuts=cuts, port=port, loss=loss):
                other_digest, other_trace = train(sets, nodes, cuts, port, loss)
                self.assertEqual(trace.decode(), other_trace.decode())
                self.assertEqual(digest, other_digest)

    def test_lenet5(self):
        self.compare(LENET5, LENET5_RUNS)

    def test_mobilenetv2(self):
        self.compare(MOBILENET, MOBILENET_RUNS)

    def test_the_seed_matters(self):
        digests = {train({**LENET5, "training.steps": 2, "training.seed": seed}, 1, "equal",
                         "memif", 0)[0] for seed in (1, 2)}
        self.assertEqual(len(digests), 2)


if __name__ == "__main__":
    os.chdir("/")
    unittest.main(verbosity=2)
