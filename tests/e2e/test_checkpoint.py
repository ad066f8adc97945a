"""Checkpoints: snapshots on the nodes' disks. A run's result does not know of them; a node that starts again
brings back what is on its disk; a disk that is full, broken or wiped does not stop the training."""
import functools
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from cluster import FTPCTL, Cluster, wait_for

MOBILENET = {"training.model": "mobilenetv2", "training.width": 0.25, "training.batch": 32,
             "training.micro_batches": 4, "training.cuts": "6,13", "training.steps": 120,
             "snapshot.every": 10, "snapshot.global_every": 30, "checkpoint.every": 20}
# Time for a node to come back between two snapshots; n3 does not.
SLOW = {**MOBILENET, "training.steps": 250, "snapshot.every": 100, "snapshot.global_every": 0,
        "checkpoint.every": 100, "nodes.n1.emulate.slowdown": 6, "nodes.n3.restart": "never"}


def metric(page, name):
    """The value of the series that begins so."""
    values = re.findall(r"^" + re.escape(name) + r"\S* (\S+)$", page, re.MULTILINE)
    return float(values[0]) if values else None


class Checkpoints(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with Cluster(3, {**MOBILENET, "snapshot.every": 0, "checkpoint.every": 0}) as c:
            cls.expected = (c.train()["params_digest"], c.loss().decode())

    def directories(self, c):
        return sorted(glob.glob(os.path.join(c.latest("checkpoint"), "n*")))

    def test_the_result_is_the_same(self):
        with Cluster(3, MOBILENET) as c:
            result = (c.train()["params_digest"], c.loss().decode())
            self.assertEqual(result, self.expected)
            self.assertTrue(c.events("checkpoint"))
            self.assertEqual(c.events("checkpoint_failed"), [])
            self.assertEqual(len(self.directories(c)), 3)
            for path in self.directories(c):
                done = subprocess.run([FTPCTL, "ckpt", "verify", path, "--json"], text=True,
                                      stdout=subprocess.PIPE, check=False)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertTrue(json.loads(done.stdout)["records"])
            c.assert_nothing_left()

    def test_export(self):
        """What is on the disks of a run is what a run that ends there would have."""
        sets = {**MOBILENET, "training.steps": 70, "training.lr": "{kind: constant, base: 0.02}"}
        with Cluster(3, sets) as c:
            c.train()
            path = os.path.join(c.dir, "snapshot.safetensors")
            done = c.run("export", "-o", path, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            found = json.loads(done.stdout)
            self.assertIn(found["step"], (40, 60))
            with open(path, "rb") as f:
                header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        self.assertEqual(header["__metadata__"]["step"], str(found["step"]))
        self.assertEqual(header["__metadata__"]["params_digest"], found["params_digest"])
        self.assertEqual([p["term"] for p in json.loads(header["__metadata__"]["plans"])], [1])
        self.assertIn("input_mean", header["__metadata__"])
        with Cluster(3, {**sets, "training.steps": found["step"]}) as c:
            self.assertEqual(c.train()["params_digest"], found["params_digest"])

    def test_nothing_to_export(self):
        with Cluster(3, {**MOBILENET, "training.steps": 5}) as c:
            c.train()
            done = c.run("export", "--json")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("checkpoints are empty", json.loads(done.stdout)["error"])

    def test_no_room(self):
        """Each put fails; one line says why, metrics count them, and the training goes on."""
        sets = {**MOBILENET, "checkpoint.max_bytes": "64KiB", "training.steps": 10000000}
        with Cluster(3, sets) as c:
            c.follow()
            c.wait_for_steps(100)
            page = c.scrape(c.port + 2)
            self.assertGreater(metric(page, 'ftp_checkpoint_puts_total{node="n1",outcome="no_space"'), 1)
            self.assertEqual(metric(page, 'ftp_checkpoint_puts_total{node="n1",outcome="done"'), 0)
            self.assertGreater(metric(c.scrape(c.port + 1), 'ftp_checkpoints_total{outcome="failed"'), 1)
            self.assertEqual(c.status()["snapshot"]["disk"]["step"], 0)
            self.assertEqual(c.run("stop").returncode, 0)
            with open(c.latest("log"), encoding="utf-8") as f:
                lines = [line for line in f if "is not on" in line]
            self.assertEqual(len(lines), 4, lines)  # each node's and the coordinator's, once
            self.assertIn("above the limit of 65536 bytes", lines[0])

    def lose_n2_then_n3(self, c, before_the_first=None):
        """n2 comes back from its disk, and no other snapshot is taken; then n3 goes: what n2 had trained
        until the snapshot was on n2 and n3 alone."""
        c.follow()
        c.wait_for_steps(1)
        wait_for("a snapshot on the disks", lambda: c.status()["snapshot"]["disk"]["step"] == 100, 60)
        if before_the_first:
            before_the_first()
        self.assertEqual(c.run("snapshots", "off").returncode, 0)
        os.kill(c.pids_of("n2")[0], signal.SIGKILL)
        wait_for("n2 at work again", lambda: len(c.events("plan")) == 3, 20)
        self.assertEqual(c.status()["snapshot"]["stable_step"], 100)
        os.kill(c.pids_of("n3")[0], signal.SIGKILL)

    def second_recovery(self, c):
        wait_for("another recovery", lambda: len(c.events("recovery")) == 2, 20)
        return c.events("recovery")[1]

    @classmethod
    @functools.cache
    def undisturbed(cls):
        sets = {k: v for k, v in SLOW.items() if "slowdown" not in k}
        with Cluster(3, {**sets, "snapshot.every": 0, "checkpoint.every": 0}) as c:
            return c.train()["params_digest"], c.loss().decode()

    def check_end(self, c, expected):
        c.followers[-1][0].wait(timeout=120)
        self.assertEqual(c.followers[-1][0].returncode, 0, c.said()[-3000:])
        self.assertEqual((c.summary()["params_digest"], c.loss().decode()), expected)

    def test_killed_node_brings_its_disk(self):
        with Cluster(3, SLOW) as c:
            self.lose_n2_then_n3(c)
            self.assertEqual(self.second_recovery(c)["step"], 100)
            self.check_end(c, self.undisturbed())

    def test_damaged_disk(self):
        """n2's states are not what they were; n1 has global ones."""
        with Cluster(3, {**SLOW, "snapshot.global_every": 100}) as c:
            def damage():
                for path in glob.glob(os.path.join(c.latest("checkpoint/n2"), "segment-*")):
                    with open(path, "r+b") as f:
                        f.seek(300)
                        f.write(b"\xff" * 100)
            self.lose_n2_then_n3(c, damage)
            self.assertEqual(self.second_recovery(c)["step"], 100)
            with open(c.latest("log"), encoding="utf-8") as f:
                self.assertIn("unit states are damaged", f.read())
            self.check_end(c, self.undisturbed())

    def test_wiped_disk(self):
        """n2 comes back as new, and so what it had trained is nowhere but on the disk of n3."""
        with Cluster(3, SLOW) as c:
            self.lose_n2_then_n3(c, lambda: shutil.rmtree(c.latest("checkpoint/n2")))
            wait_for("the wait", lambda: (c.status() or {}).get("state") == "waiting", 10)
            self.assertIn("(n2, n3 had them) as of step 100; n2 came back without",
                          c.status()["waiting_for"])
            self.assertEqual(c.run("join", "n3").returncode, 0)
            self.assertEqual(self.second_recovery(c)["step"], 100)
            self.check_end(c, self.undisturbed())


if __name__ == "__main__":
    unittest.main(verbosity=2)
