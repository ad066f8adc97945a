"""kill -9 of the coordinator, and of everything: training goes on, or is gone on with, and its result
does not know of it."""
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
             "snapshot.every": 10, "snapshot.global_every": 30, "checkpoint.every": 20}


class Durable(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        print(f"FTP_SEED={SEED}")
        cls.random = random.Random(SEED)
        with Cluster(3, MOBILENET) as c:
            cls.expected = (c.train()["params_digest"], c.loss().decode())

    def check_end(self, c):
        c.followers[-1][0].wait(timeout=120)
        self.assertEqual(c.followers[-1][0].returncode, 0, c.said()[-3000:])
        self.assertEqual((c.summary()["params_digest"], c.loss().decode()), self.expected)
        c.assert_nothing_left()

    def kill_all(self, c):
        def nobody_is_left():
            pids = c.pids_of("everything")
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not pids
        wait_for("the end of everything", nobody_is_left, 10)
        c.followers[-1][0].wait(timeout=10)
        self.assertFalse(os.path.exists(c.latest("summary.json")))

    def test_coordinator(self):
        """Three times at random moments; nothing halts for it, no step is done twice."""
        with Cluster(3, MOBILENET) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(1, 60))
            for _ in range(3):
                pid = wait_for("a coordinator", lambda: c.pids_of("coordinator"), 10)[0]
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.5 * self.random.random())
            self.check_end(c)
            self.assertEqual([e["how"] for e in c.events("resume")].count("goes back"), 0)
            self.assertEqual(c.events("recovery"), [])
            self.assertEqual(len(c.events("plan")), 1)

    def test_coordinator_and_a_node(self):
        with Cluster(3, MOBILENET) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(20, 60))
            for name in ("coordinator", "n2"):
                os.kill(c.pids_of(name)[0], signal.SIGKILL)
            self.check_end(c)
            self.assertEqual(len(c.summary()["recoveries"]), 1)

    def start_again(self, c, sets=None):
        run = os.readlink(os.path.dirname(c.latest("")))
        c.follow(sets)
        self.check_end(c)
        self.assertIn("resumed", c.said())
        self.assertEqual(os.readlink(os.path.dirname(c.latest(""))), run)
        resumed = c.events("resume")
        print(json.dumps(resumed), json.dumps(c.events("recovery")))
        return c.events("recovery")[-1]

    def test_everything(self):
        """A power cut, as far as processes can see: the disks have what the run goes on from."""
        with Cluster(3, MOBILENET) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(60, 120))
            wait_for("a snapshot on disk", lambda: c.events("checkpoint"), 20)
            self.kill_all(c)
            self.assertGreaterEqual(self.start_again(c)["step"], 20)

    def test_everything_but_the_journal(self):
        """It is wiped, or damaged: what the nodes hold is believed."""
        for text in (None, "{\"version\": 1"):
            with Cluster(3, MOBILENET) as c:
                c.follow()
                c.wait_for_steps(self.random.randrange(60, 120))
                wait_for("a snapshot on disk", lambda: c.events("checkpoint"), 20)
                self.kill_all(c)
                os.unlink(c.latest("journal.json"))
                if text:
                    with open(c.latest("journal.json"), "w", encoding="utf-8") as f:
                        f.write(text)
                event = self.start_again(c)
                self.assertGreaterEqual(event["step"], 20)
                self.assertGreaterEqual(event["term"], 1 << 32)

    def test_stopped(self):
        """Only if it is asked for; a new run otherwise."""
        with Cluster(3, MOBILENET) as c:
            c.follow()
            c.wait_for_steps(30)
            c.run("stop")
            c.followers[-1][0].wait(timeout=20)
            run = os.readlink(os.path.dirname(c.latest("")))
            c.follow(None, "--resume")
            self.check_end(c)
            self.assertEqual(os.readlink(os.path.dirname(c.latest(""))), run)


if __name__ == "__main__":
    unittest.main(verbosity=2)
