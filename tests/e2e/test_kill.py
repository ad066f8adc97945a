"""kill -9 of any process that the run cannot do without, without snapshots of any, ends the run
within seconds, saying who and why, and leaves nothing behind."""
import os
import signal
import time
import unittest

from cluster import LENET5, Cluster, kill_everything, wait_for

SECONDS = 10  # from the kill to the end of everything
ENDLESS = {**LENET5, "training.steps": 10000000}
WITHOUT = {"snapshot.every": 0}


class Kill(unittest.TestCase):
    def kill(self, kind, who, sets=None, how=signal.SIGKILL, starts_again=False):
        """Kills in mid-training; the follower's exit code and words. who: what must be named.
        starts_again: the next start finds nothing in its way."""
        with Cluster(3, {**ENDLESS, **(sets or {})}) as c:
            follower = c.follow()
            c.wait_for_steps(3)
            pids = c.pids_of(kind)
            self.assertTrue(pids)
            begin = time.monotonic()
            for pid in pids:
                if pid != follower.pid or kind == "everything":
                    os.kill(pid, how)
            follower.wait(timeout=SECONDS)
            self.assertLess(time.monotonic() - begin, SECONDS)
            killed = kind in ("everything", "supervisor")
            c.assert_nothing_left(supervisor_killed=killed)
            self.assertNotEqual(follower.returncode, 0)
            said = c.said()
            for text in who:
                self.assertIn(text, said)
            if not killed:
                summary = c.summary()
                self.assertEqual(summary["state"], "failed")
                for text in who:
                    self.assertIn(text, summary["reason"])
            if starts_again:
                self.assertEqual(c.train({"training.steps": 2})["steps"], 2)
                c.assert_nothing_left()

    def test_first_node(self):
        self.kill("n1", ["n1", "SIGKILL"], WITHOUT)

    def test_middle_node(self):
        self.kill("n2", ["n2", "SIGKILL"], WITHOUT, starts_again=True)

    def test_last_node_over_udp(self):
        self.kill("n3", ["n3", "SIGKILL"], {"net.port": "udp", **WITHOUT})

    def test_abort_of_a_node(self):
        self.kill("n2", ["n2", "SIGABRT"], WITHOUT, how=signal.SIGABRT)

    def test_supervisor(self):
        self.kill("supervisor", ["supervisor"], starts_again=True)

    def test_everything(self):
        self.kill("everything", [], starts_again=True)

    def test_everything_again_and_again(self):
        """At several moments of the start and the training: see what piles up."""
        with Cluster(3, ENDLESS) as c:
            for i in range(6):
                c.follow()
                wait_for("the first process", c.processes, SECONDS)
                time.sleep(0.25 * i)
                wait_for("the end of everything", lambda: kill_everything(c), SECONDS)
                c.followers[-1][0].wait(timeout=SECONDS)
                c.assert_nothing_left(supervisor_killed=True)
            self.assertEqual(c.train({"training.steps": 2})["steps"], 2)
            c.assert_nothing_left()


class Stop(unittest.TestCase):
    def test_stop(self):
        with Cluster(3, ENDLESS) as c:
            follower = c.follow()
            c.wait_for_steps(3)
            done = c.run("stop")
            self.assertEqual(done.returncode, 0, done.stderr)
            follower.wait(timeout=SECONDS)
            c.assert_nothing_left()
            self.assertEqual(c.summary()["state"], "stopped")
            self.assertEqual(c.run("status").returncode, 3)
            self.assertEqual(c.run("stop").returncode, 3)

    def test_ctrl_c(self):
        with Cluster(2, ENDLESS) as c:
            follower = c.follow()
            c.wait_for_steps(3)
            os.kill(follower.pid, signal.SIGINT)
            follower.wait(timeout=SECONDS)
            c.assert_nothing_left()
            self.assertEqual(c.summary()["state"], "stopped")

    def test_the_terminal_dies(self):
        with Cluster(2, ENDLESS) as c:
            follower = c.follow()
            status = c.wait_for_steps(3)
            os.kill(follower.pid, signal.SIGKILL)
            follower.wait(timeout=SECONDS)
            c.followers.pop()[1].close()
            c.wait_for_steps(status["step"] + 5)  # lives on
            self.assertEqual(c.run("stop").returncode, 0)
            c.assert_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
