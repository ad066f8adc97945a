"""kill -9 of nodes at random moments: training goes on, and its result does not know of it."""
import json
import os
import random
import signal
import time
import unittest

from cluster import Cluster, wait_for

SEED = int(os.environ.get("FTP_SEED", "0")) or random.randrange(1 << 30)
MOBILENET = {"training.model": "mobilenetv2", "training.width": 0.25, "training.batch": 32,
             "training.micro_batches": 4, "training.cuts": "6,13", "training.steps": 500,
             "snapshot.every": 10, "snapshot.global_every": 30}
SECONDS = 3  # from the kill to the first new step, on a machine whose two cores do other work too


class Recovery(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        print(f"FTP_SEED={SEED}")
        cls.random = random.Random(SEED)
        with Cluster(3, MOBILENET) as c:
            cls.expected = (c.train()["params_digest"], c.loss().decode())

    def kill(self, c, names):
        pids = [pid for name in names for pid in c.pids_of(name)]
        self.assertEqual(len(pids), len(names))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    def wait_for_recovery(self, c, n, begin):
        events = wait_for(f"recovery {n}", lambda: len(c.events("recovery")) >= n and c.events("recovery"),
                          20)
        print(json.dumps(events[n - 1]), f"{time.monotonic() - begin:.3f} s by the test's clock")
        return events[n - 1]

    def check_end(self, c):
        c.followers[-1][0].wait(timeout=120)
        self.assertEqual(c.followers[-1][0].returncode, 0, c.said()[-3000:])
        self.assertEqual((c.summary()["params_digest"], c.loss().decode()), self.expected)
        c.assert_nothing_left()

    def kill_in_turn(self, rounds):
        """rounds: lists of nodes that are killed at the same moment."""
        with Cluster(3, MOBILENET) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(1, 60))
            for i, names in enumerate(rounds):
                time.sleep(self.random.random())
                begin = self.kill(c, names)
                event = self.wait_for_recovery(c, i + 1, begin)
                self.assertEqual(event["lost"], names)
                self.assertLess(event["total_s"], SECONDS)
                for name in names:
                    self.assertIn(f"{name} (pid", event["why"])
                self.assertLessEqual(event["lost_steps"], event["from_step"])
            with open(c.latest("log"), encoding="utf-8") as f:
                self.assertEqual(f.read().count("recovered: "), len(rounds))
            self.check_end(c)
            self.assertEqual(len(c.summary()["recoveries"]), len(rounds))

    def test_middle_node(self):
        self.kill_in_turn([["n2"]])

    def test_last_node(self):
        self.kill_in_turn([["n3"]])

    def test_killed_node_comes_back(self):
        sets = {**MOBILENET, "training.steps": 600}
        with Cluster(3, sets) as c:
            expected = (c.train()["params_digest"], c.loss().decode())
        with Cluster(3, {**sets, "nodes.n2.restart": "on-failure"}) as c:
            c.follow()
            c.wait_for_steps(20)
            self.wait_for_recovery(c, 1, self.kill(c, ["n2"]))
            wait_for("a plan with n2 again",
                     lambda: "n2" in [s["node"] for s in c.events("plan")[-1]["stages"]], 20)
            self.assertEqual(len(c.events("plan")), 3)
            c.followers[-1][0].wait(timeout=120)
            self.assertEqual((c.summary()["params_digest"], c.loss().decode()), expected)

    def test_two_at_once(self):
        self.kill_in_turn([["n2", "n3"]])

    def test_stopped_node(self):
        """It is as good as dead, and found by its silence; the run's end ends it."""
        with Cluster(3, MOBILENET) as c:
            c.follow()
            c.wait_for_steps(60)
            begin = time.monotonic()
            os.kill(c.pids_of("n2")[0], signal.SIGSTOP)
            event = self.wait_for_recovery(c, 1, begin)
            self.assertEqual(event["lost"], ["n2"])
            self.assertIn("silent", event["why"])
            self.check_end(c)

    def test_one_after_the_other(self):
        self.kill_in_turn([["n3"], ["n2"]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
