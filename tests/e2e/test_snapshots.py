"""Snapshots and replicas: they come about while a run trains, and its result does not know of them."""
import re
import time
import unittest

from cluster import Cluster, wait_for

MOBILENET = {"training.model": "mobilenetv2", "training.width": 0.25, "training.batch": 32,
             "training.micro_batches": 4, "training.cuts": "6,13", "training.steps": 120}
ASYNCHRONOUS = {**MOBILENET, "training.schedule": "1f1b", "training.micro_batches": 1}
SNAPSHOTS = {"snapshot.every": 10, "snapshot.global_every": 30}
RATE = 20e6  # bytes per second, from one node to another
AUTO = {"snapshot.every": "auto", "snapshot.global_every": "auto", "snapshot.max_bandwidth": "20MB/s"}


class Snapshots(unittest.TestCase):
    maxDiff = None

    def result(self, sets):
        with Cluster(3, sets) as c:
            digest = c.train()["params_digest"]
            stable = [e["step"] for e in c.events("snapshot")]
            return digest, c.loss().decode(), stable

    def compare(self, sets, snapshots):
        *without, none = self.result({**sets, "snapshot.every": 0})
        *having, stable = self.result({**sets, **snapshots})
        self.assertEqual(having, without)
        self.assertEqual(none, [])
        self.assertTrue(stable)  # every unit with two nodes
        return stable

    def test_the_result_is_the_same(self):
        self.compare(MOBILENET, AUTO)

    def test_the_result_is_the_same_without_a_flush(self):
        stable = self.compare(ASYNCHRONOUS, SNAPSHOTS)
        self.assertEqual([step % 8 for step in stable], [0] * len(stable))  # 10, and 2 stages ahead

    def test_they_stay_fresh(self):
        sets = {**MOBILENET, **AUTO, "training.steps": 10000000, "training.cuts": "auto",
                "training.repartition.min_gain": 10}  # only when it is asked for
        with Cluster(3, sets) as c:
            c.follow()
            c.wait_for_steps(80)
            self.check_fresh(c, 0)
            self.check_memory(c)
            self.check_rate(c)
            done = c.run("drain", "n3")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_fresh(c, c.status()["step"])
            self.assertEqual(c.run("stop").returncode, 0)

    def check_fresh(self, c, after):
        """The newest stable snapshot follows the training, and the central node's too."""
        def fresh():
            s = c.status()["snapshot"]
            return s["stable_step"] > after and s["global_step"] > after and s["age_steps"] <= 40
        wait_for(f"fresh snapshots after step {after}", fresh, 20)

    def check_rate(self, c):
        """Nobody sends more than the limit to another, but for one unit's state that is on its way."""
        def sent():
            pages = [c.scrape(c.port + 1 + i) for i in (1, 2, 3)]
            pattern = r'^ftp_replica_bytes_total\{node="n\d",dir="tx"\} (\S+)$'
            found = [re.search(pattern, p, re.MULTILINE) for p in pages]
            return time.monotonic(), [float(f[1]) if f else 0 for f in found]
        begin_s, before = sent()
        time.sleep(1)
        end_s, after = sent()
        self.assertGreater(sum(after), sum(before))  # a node may have no stage
        for a, b in zip(before, after):
            self.assertLess(b - a, 2 * (RATE * (end_s - begin_s) + 2e6))  # to two others at most

    def check_memory(self, c):
        """The planner knows what they take, to a percent or two."""
        said = c.events("plan")[-1]["plan"]["stages"]
        taken = c.events("plan")[-1]["stages"]
        for a, b in zip(said, taken):
            self.assertLess(abs(a["memory_bytes"] / b["memory_bytes"] - 1), 0.02, (a, b))


if __name__ == "__main__":
    unittest.main(verbosity=2)
