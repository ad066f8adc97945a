"""Servers of their own, whose links fall silent: nobody closes a connection, no process ends. Or one that is gone for good."""
import unittest

import servers
from cluster import DURABLE, Undisturbed, wait_for


@unittest.skipIf(servers.missing(), servers.missing())
class SilentLinks(Undisturbed):
    SETS = {**DURABLE, "training.steps": 150}

    def test_a_cable_is_cut(self):
        with servers.Servers(3, self.SETS) as c:
            c.follow()
            c.wait_for_steps(30)
            c.cut("n2")
            (event,) = wait_for("the recovery", lambda: c.events("recovery"), 20)
            self.assertEqual(event["lost"], ["n2"])
            self.check_silence(event)
            self.check_cost_of_one(event)
            c.end("n2")
            self.check_end(c, supervisor_killed=True)

    def test_two_nodes_are_parted(self):
        """Both answer the coordinator: training goes on without one of them, and the link is named."""
        with servers.Servers(3, self.SETS) as c:
            c.follow()
            c.wait_for_steps(30)
            c.part("n2", "n3")
            event = wait_for("the recovery", lambda: c.events("recovery"), 30)[0]
            self.assertIn("n2 (127.9.0.2) and n3 (127.9.0.3) do not reach each other", event["why"])
            self.assertTrue(any("it has been silent for" in e["why"] for e in c.events("failure")), c.events("failure"))
            self.assertEqual(len(c.events("plan")[-1]["stages"]), 2)
            self.check_end(c)


@unittest.skipIf(servers.missing(), servers.missing())
class NeverComesBack(unittest.TestCase):
    def test_the_only_server_with_the_data(self):
        """The run waits, says for whom wherever it is asked, and ends when the operator has enough."""
        sets = {**DURABLE, "training.steps": 10000000, "nodes.n1.dataset": "false",
                "nodes.n3.dataset": "false"}
        with servers.Servers(3, sets) as c:
            follower = c.follow()
            c.wait_for_steps(20)
            c.end("n2")
            status = wait_for("the wait", lambda: (s := c.status()) and s["state"] == "waiting" and s, 10)
            self.assertIn("nobody who is here has the data; n2 had it", status["waiting_for"])
            for verb in ("status", "why"):
                done = c.run(verb)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("n2 had it", done.stdout)
            wait_for("the follower to say so", lambda: "n2 had it" in c.said(), 10)
            self.assertEqual(c.run("stop").returncode, 0)
            self.assertEqual(follower.wait(timeout=10), 1)
            self.assertEqual(c.summary()["state"], "stopped")
            c.assert_nothing_left(supervisor_killed=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
