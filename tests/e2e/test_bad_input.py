"""What is wrong is said: where, what was expected, within seconds; and nothing is left behind."""
import gzip
import os
import shutil
import socket
import time
import unittest

from cluster import FASHION_MNIST, LENET5, Cluster

SECONDS = 25  # for any refusal: the longest wait is for a node that never joins
CONFIGURATION, PERMISSION, FAILURE = 78, 77, 1


class BadInput(unittest.TestCase):
    def refuse(self, cluster, code, *texts, sets=None, options=("--follow",)):
        """start fails in time with the exit code, and says all the texts."""
        begin = time.monotonic()
        done = cluster.run("start", *options, sets=sets, seconds=60)
        said = done.stdout + done.stderr
        if code is not None:
            self.assertEqual(done.returncode, code, said)
        else:
            self.assertNotEqual(done.returncode, 0, said)
        for text in texts:
            self.assertIn(text, said)
        self.assertLess(time.monotonic() - begin, SECONDS)
        cluster.assert_nothing_left()

    def test_configuration(self):
        cases = [
            ({"training.bogus": 1}, "training.bogus"),
            ({"bogus.key": 1}, "bogus"),
            ({"training.batch": "many"}, "training.batch"),
            ({"training.batch": -4}, "training.batch"),
            ({"training.batch": 10, "training.micro_batches": 4}, "training.batch"),
            ({"training.model": "resnet"}, "training.model"),
            ({"training.cuts": "3,2"}, "training.cuts"),
            ({"training.cuts": "1,99"}, "training.cuts"),
            ({"training.cuts": "1"}, "training.cuts"),
            ({"training.cuts": "0,2"}, "training.cuts"),
            ({"nodes.n9.emulate.loss": 0.1}, "n9"),
            ({"nodes.n1.emulate.loss": 1.5}, "nodes.n1.emulate.loss"),
            ({"nodes.n1.host": "somewhere"}, "host"),
            ({"nodes.n1.host": "192.0.2.1"}, "loopback"),
            ({"cluster.key_file": "/dev/null"}, "key_file"),
            ({"checkpoint.every": 10, "snapshot.every": 0}, "checkpoint"),
        ]
        with Cluster(3, LENET5) as c:
            for sets, text in cases:
                with self.subTest(sets=sets):
                    self.refuse(c, CONFIGURATION, text, sets=sets)

    def test_configuration_file(self):
        cases = [
            ("nodes: [\n", "bad.yaml"),
            ("nodes:\n  - {name: n1}\ntraining: {model: lenet5, batsh: 3}\n", "bad.yaml:3"),
            ("", "bad.yaml"),
        ]
        with Cluster(1) as c:
            c.config = os.path.join(c.dir, "bad.yaml")
            self.refuse(c, None, "bad.yaml")  # missing
            for text, expected in cases:
                with self.subTest(text=text):
                    with open(c.config, "w", encoding="utf-8") as f:
                        f.write(text)
                    self.refuse(c, CONFIGURATION, expected)

    def test_missing_data(self):
        with Cluster(2, LENET5) as c:
            self.refuse(c, None, "/nowhere/train-images", "No such file",
                        sets={"training.dataset.path": "/nowhere"})

    def test_damaged_data(self):
        with Cluster(2, LENET5) as c:
            for name, damage, text in (
                    ("train-images-idx3-ubyte.gz", lambda b: b[: len(b) // 2], "truncated"),
                    ("train-images-idx3-ubyte.gz", lambda b: b[:5000000] + b"?" + b[5000001:], ""),
                    ("t10k-labels-idx1-ubyte.gz", lambda b: b[:-1], "truncated"),
                    ("t10k-labels-idx1-ubyte.gz", lambda b: gzip.compress(gzip.decompress(b)[:-7]),
                     "truncated"),
                    ("train-labels-idx1-ubyte.gz",
                     lambda b: gzip.compress(gzip.decompress(b)[:-1] + b"\xc8", 1), "out of range"),
                    ("t10k-images-idx3-ubyte.gz", lambda b: b"PK" + b[2:], "magic number")):
                with self.subTest(name=name, text=text):
                    directory = os.path.join(c.dir, "data set")
                    shutil.rmtree(directory, ignore_errors=True)
                    shutil.copytree(FASHION_MNIST, directory)
                    path = os.path.join(directory, name)
                    with open(path, "rb") as f:
                        content = f.read()
                    with open(path, "wb") as f:
                        f.write(damage(content))
                    self.refuse(c, None, name, text, sets={"training.dataset.path": directory})

    def test_port_taken(self):
        with Cluster(2, LENET5) as c:
            for i, what in enumerate(("coordinator", "metrics", "metrics")):
                with self.subTest(port=c.port + i), socket.socket() as taken:
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    taken.bind(("127.0.0.1", c.port + i))
                    taken.listen(1)
                    self.refuse(c, None, f"127.0.0.1:{c.port + i}", what)

    def test_a_node_that_never_arrives(self):
        with Cluster(2, LENET5) as c:
            self.refuse(c, FAILURE, "n2 did not join", options=("--follow", "--node", "n1"))

    def test_second_start(self):
        with Cluster(1, {**LENET5, "training.steps": 1000000}) as c:
            c.follow()
            c.wait_for_steps(2)
            (supervisor,) = c.pids_of("supervisor")
            done = c.run("start")
            self.assertEqual(done.returncode, FAILURE, done.stderr)
            self.assertIn(str(supervisor), done.stderr)
            step = c.status()["step"]
            c.wait_for_steps(step + 5)  # undisturbed
            self.assertEqual(c.run("stop").returncode, 0)
            c.assert_nothing_left()

    @unittest.skipUnless(os.getuid() == 0 and shutil.which("setpriv"), "needs root to become nobody")
    def test_no_permission(self):
        with Cluster(1, LENET5, user="nobody") as c:
            os.mkdir(c.data_dir, 0o700)
            self.refuse(c, PERMISSION, c.data_dir)
            os.rmdir(c.data_dir)
            directory = os.path.join(c.dir, "secret")
            shutil.copytree(FASHION_MNIST, directory)
            os.chmod(directory, 0o700)
            self.refuse(c, None, directory, "Permission denied",
                        sets={"training.dataset.path": directory})

    @unittest.skipUnless(os.getuid() == 0 and shutil.which("setpriv"), "needs root to become nobody")
    def test_an_ordinary_user_can_train(self):
        with Cluster(3, {**LENET5, "training.steps": 4}, user="nobody") as c:
            ordinary = c.train()["params_digest"]
            c.assert_nothing_left()
        with Cluster(1, {**LENET5, "training.steps": 4}) as c:
            self.assertEqual(c.train()["params_digest"], ordinary)


if __name__ == "__main__":
    unittest.main(verbosity=2)
