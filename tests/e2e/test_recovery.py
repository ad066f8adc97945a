"""kill -9 of nodes at random moments: training goes on, and its result does not know of it."""
import json
import os
import re
import signal
import time
import unittest

from cluster import DURABLE, Cluster, Undisturbed, never, wait_for

STAY_DEAD = {**DURABLE, **never("n1", "n2", "n3")}
NO_CHECKPOINT = {"checkpoint.every": 0}
SECONDS = 3  # from the kill to the first new step, on a machine whose two cores do other work too


class Lossy(Undisturbed):
    def wait_for_recovery(self, c, n, begin):
        events = wait_for(f"recovery {n}", lambda: len(c.events("recovery")) >= n and c.events("recovery"),
                          20)
        print(json.dumps(events[n - 1]), f"{time.monotonic() - begin:.3f} s by the test's clock")
        return events[n - 1]

    def wait_for_holders(self, c, names):
        """Until others have what these nodes have: neighbours of a chain, where they go at once, only when
        all is on the central node; else the run would wait for them."""
        snapshot = "global_step" if len(names) > 1 else "stable_step"
        since = max([e["step"] for e in c.events("recovery")], default=0)
        wait_for("a snapshot", lambda: c.status()["snapshot"][snapshot] > since, 30)


class Recovery(Lossy):
    def kill_in_turn(self, rounds):
        """rounds: lists of nodes that are killed at the same moment."""
        with Cluster(3, STAY_DEAD) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(1, 60))
            for i, names in enumerate(rounds):
                self.wait_for_holders(c, names)
                time.sleep(0.2 * self.random.random())
                begin = self.kill(c, names)
                event = self.wait_for_recovery(c, i + 1, begin)
                self.assertEqual(event["lost"], names)
                self.assertLess(event["total_s"], SECONDS)
                for name in names:
                    self.assertIn(f"{name} (pid", event["why"])
                if len(names) == 1:
                    self.check_cost_of_one(event)
            with open(c.latest("log"), encoding="utf-8") as f:
                self.assertEqual(f.read().count("recovered: "), len(rounds))
            self.check_end(c)
            self.assertEqual(len(c.summary()["recoveries"]), len(rounds))

    def test_first_node_and_the_next(self):
        self.kill_in_turn([["n1"], ["n2"]])

    def test_last_node_and_the_one_before(self):
        self.kill_in_turn([["n3"], ["n2"]])

    def test_two_at_once(self):
        self.kill_in_turn([["n2", "n3"]])

    def test_central_node_and_its_neighbour_at_once(self):
        """What n1 had, only n2 had too: the run waits for them, and goes on with what is on their disks."""
        with Cluster(3, DURABLE) as c:
            c.follow()
            c.wait_for_steps(90)
            event = self.wait_for_recovery(c, 1, self.kill(c, ["n1", "n2"]))
            self.assertEqual(event["lost"], ["n1", "n2"])
            self.assertGreaterEqual(event["step"], 50)
            self.assertIn("(n1, n2 had them)", c.events("waiting")[0]["why"])
            self.check_end(c)

    def test_all_come_back_one_after_the_other(self):
        """Each is killed, is started again and gets its share: a middle one, the central node, the last."""
        with Cluster(3, {**DURABLE, "nodes.n3.emulate.slowdown": 5}) as c:
            c.follow()
            c.wait_for_steps(20)
            for i, name in enumerate(("n2", "n1", "n3")):
                self.check_cost_of_one(self.wait_for_recovery(c, i + 1, self.kill(c, [name])))
                wait_for(f"a plan with {name} again",
                         lambda: len(c.events("plan")[-1]["stages"]) == 3, 20)
                self.assertEqual(len(c.events("plan")), 1 + 2 * (i + 1))
                self.assertEqual([s["node"] for s in c.events("plan")[-1]["stages"]], ["n1", "n2", "n3"])
                self.wait_for_holders(c, [name])
            self.check_end(c)

    def test_waits_for_the_only_node_with_the_data(self):
        sets = {"nodes.n2.dataset": "false", "nodes.n3.dataset": "false"}
        with Cluster(3, {**STAY_DEAD, **sets}) as c:
            c.follow()
            c.wait_for_steps(20)
            self.kill(c, ["n1"])
            status = self.wait_until_it_waits(c)
            self.assertIn("nobody who is here has the data; n1 had it", status["waiting_for"])
            page = c.scrape(c.port + 1)
            self.assertIn('ftp_run_state{state="waiting"} 1', page)
            self.assertEqual(sorted(re.findall(r"(?m)^ftp_lost_nodes_total{.*} (.)$", page)), list("0001"))
            done = c.run("recover", "--from-beginning")
            self.assertEqual(done.returncode, 1)
            self.assertIn("gives up no snapshot: nobody who is here has the data", done.stderr)
            done = c.run("recover")
            self.assertEqual((done.returncode, done.stdout[:12]), (0, "tried again:"), done.stderr)
            self.assertEqual(c.run("join", "n1").returncode, 0)
            self.assertEqual(wait_for("the recovery", lambda: c.events("recovery"), 20)[0]["lost"], ["n1"])
            self.check_end(c)

    def test_waits_for_units_that_nobody_has(self):
        """Two neighbours die before any global snapshot; they come back without what they had."""
        with Cluster(3, {**STAY_DEAD, "snapshot.global_every": 0, **NO_CHECKPOINT}) as c:
            c.follow()
            c.wait_for_steps(30)
            self.kill(c, ["n2", "n3"])
            status = self.wait_until_it_waits(c)
            self.assertIn("nobody who is here has units 6-12 (n2, n3 had them)", status["waiting_for"])
            for name in ("n2", "n3"):
                self.assertEqual(c.run("join", name).returncode, 0)
            wait_for("the news", lambda: "n2, n3 came back without" in c.status()["waiting_for"], 10)
            done = c.run("recover", "--from-beginning")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_end(c)

    def test_waits_for_anybody(self):
        with Cluster(3, STAY_DEAD) as c:
            c.follow()
            c.wait_for_steps(20)
            self.kill(c, ["n1", "n2", "n3"])
            self.assertIn("no node is left", self.wait_until_it_waits(c)["waiting_for"])
            for flags in ([], ["--from-beginning"]):
                done = c.run("recover", *flags)
                self.assertEqual(done.returncode, 1)
                self.assertIn("the run waits for nodes: no node is left; start n1, n2, n3 again", done.stderr)
            self.assertEqual(c.run("stop").returncode, 0)
            self.assertEqual(c.summary()["state"], "stopped")
            c.assert_nothing_left()

    def test_stopped_node(self):
        """It is as good as dead, and found by its silence; the run's end ends it."""
        with Cluster(3, STAY_DEAD) as c:
            c.follow()
            c.wait_for_steps(60)
            begin = time.monotonic()
            os.kill(c.pids_of("n2")[0], signal.SIGSTOP)
            event = self.wait_for_recovery(c, 1, begin)
            self.assertEqual(event["lost"], ["n2"])
            self.check_silence(event)
            self.check_cost_of_one(event)
            self.check_end(c)


class Again(Lossy):
    """Before the recovery from a loss is over, or has led anywhere, another node is lost."""
    SETS = {**DURABLE, "training.steps": 150}

    def lose_another(self, kind, is_held):
        """n3 is killed, and n2 as soon as an event of that kind tells what is done about it; is_held: n2 stands
        still meanwhile, so that it cannot be over before. The recovery that n2's death begins or goes into."""
        with Cluster(3, {**self.SETS, **never("n1", "n2", "n3")}) as c:
            c.follow()
            c.wait_for_steps(40)
            self.wait_for_holders(c, ["n2", "n3"])
            (second,) = c.pids_of("n2")
            if is_held:
                os.kill(second, signal.SIGSTOP)
            begin = self.kill(c, ["n3"])
            wait_for(f"the event {kind}", lambda: c.events(kind), 5, 0.002)
            os.kill(second, signal.SIGKILL)
            wait_for("the loss of n2", lambda: "n2" in [e.get("node") for e in c.events("failure")], 5)
            self.wait_for_recovery(c, len(c.events("recovery")) or 1, begin)
            self.check_end(c)
            return c.events("recovery")

    def test_another_one_while_the_others_halt(self):
        (event,) = self.lose_another("failure", True)
        self.assertEqual(event["lost"], ["n2", "n3"])
        self.assertRegex(event["why"], r"^n2 \(pid \d+\) (was killed|is gone)")

    def test_another_one_while_the_next_plan_is_prepared(self):
        """Or later, where the recovery was over before n2 was dead: then n2 gets one of its own."""
        events = self.lose_another("agreed", False)
        self.assertEqual(sorted(name for e in events for name in e["lost"]), ["n2", "n3"])

    def test_step_that_is_never_passed(self):
        """A node is lost whenever training has gone on, and never gets to the step where that began. The third
        recovery is the last; the operator may try again."""
        sets = {**self.SETS, **never("n1", "n2", "n3", "n4", "n5"), "training.cuts": "equal",
                "snapshot.every": 60, "snapshot.global_every": 60, "checkpoint.every": 60}
        with Cluster(5, sets) as c:
            c.follow()
            c.wait_for_steps(61)
            wait_for("a global snapshot, on disk too", lambda: {60} == {
                (s := c.status()["snapshot"])["global_step"], s["disk"]["step"]}, 30)
            c.wait_for_steps(90)
            for i, name in enumerate(("n5", "n4", "n3")):
                self.assertEqual(self.wait_for_recovery(c, i + 1, self.kill(c, [name]))["step"], 60)
            self.kill(c, ["n2"])
            self.assertEqual(c.followers[-1][0].wait(timeout=20), 1)
            self.assertRegex(c.summary()["reason"], r"step (9|10)\d was not passed in 3 recoveries, and is not tried "
                             r"again: .*\bn2\b")
            c.assert_nothing_left()
            c.follow(None, "--resume")
            self.check_end(c)


if __name__ == "__main__":
    unittest.main(verbosity=2)
