"""What an operator does to a run that is going on: every verb takes effect, or says why not."""
import json
import os
import signal
import unittest

from cluster import LENET5, Cluster, never, wait_for

ENDLESS = {**LENET5, "training.steps": 10000000}


class Operator(unittest.TestCase):
    def expect(self, cluster, code, text, verb, *options):
        """Runs the verb; text is in what it says."""
        done = cluster.run(verb, *options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stdout + done.stderr)
        return done

    def stages(self, cluster):
        return [(s["node"], s["first_unit"], s["end_unit"]) for s in cluster.status()["stages"]]

    def start(self, cluster, *options):
        done = cluster.run("start", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        cluster.wait_for_steps(3)

    def wait_for_stage(self, cluster, node):
        def settled():
            status = cluster.status()
            return not status["change"] and node in [s["node"] for s in status["stages"]]
        wait_for(f"{node}'s stage", settled, 20)

    def state_of(self, cluster, node):
        return next(n["state"] for n in cluster.status()["nodes"] if n["name"] == node)

    def test_every_verb(self):
        with Cluster(3, ENDLESS) as c:
            self.start(c, "--drill")
            self.expect(c, 0, "repartition to term", "repartition", "--cuts", "2,4")
            self.assertEqual(self.stages(c), [("n1", 0, 2), ("n2", 2, 4), ("n3", 4, 5)])
            self.expect(c, 1, "in force already", "repartition", "--cuts", "2,4")
            done = self.expect(c, 0, "", "repartition", "--cuts", "1,4", "--json")
            self.assertEqual(json.loads(done.stdout)["repartition"]["outcome"], "committed")

            self.expect(c, 0, "n2 emulates: slowdown 2", "emulate", "n2", "slowdown=2")
            self.expect(c, 1, "expected slowdown, loss", "emulate", "n2", "speed=2")

            self.expect(c, 0, "snapshots are off", "snapshots", "off")
            self.assertFalse(c.status()["snapshot"]["on"])
            self.expect(c, 0, "snapshots are taken", "snapshots", "on")
            self.expect(c, 2, "expected on or off", "snapshots", "often")

            self.expect(c, 0, "n1 is drained", "drain", "n1")
            self.assertEqual(self.stages(c)[0][0], "n2")  # has the data too
            wait_for("the end of n1's process", lambda: not c.pids_of("n1"), 5)
            self.expect(c, 0, "n1 has joined", "join", "n1")
            self.wait_for_stage(c, "n1")
            self.assertEqual(self.stages(c)[0][0], "n1")
            self.expect(c, 1, "n9", "drain", "n9")
            self.expect(c, 0, "n3 is drained", "drain", "n3")
            self.assertNotIn("n3", [s[0] for s in self.stages(c)])
            wait_for("the end of n3's process", lambda: not c.pids_of("n3"), 5)
            self.expect(c, 0, "n3 has joined", "join", "n3")
            self.expect(c, 1, "takes part already", "join", "n3")
            self.expect(c, 2, "no node 'n9'", "join", "n9")
            self.wait_for_stage(c, "n3")

            frame = json.loads(self.expect(c, 0, "", "top", "--json").stdout)
            self.assertEqual(frame["status"]["state"], "training")
            self.assertTrue(frame["events"])
            self.expect(c, 0, "n3", "top", "--once")
            self.expect(c, 0, "report.html", "report")
            with open(c.latest("report.html"), encoding="utf-8") as f:
                self.assertIn("n3 is drained", f.read())
            self.expect(c, 0, "has ended", "stop")
            c.assert_nothing_left()

    def test_fail_and_why(self):
        """Each failure of a drill is found, survived or not, and told."""
        with Cluster(3, {**ENDLESS, **never("n2", "n3"), "snapshot.every": 10}) as c:
            self.start(c, "--drill")
            self.expect(c, 0, "drill: n2 fails (kill)", "fail", "n2")
            wait_for("the first recovery", lambda: c.events("recovery"), 20)
            told = self.expect(c, 0, "now: training", "why").stdout
            for text in ("training begins", "drill: n2 fails (kill)", "killed by signal 9 (SIGKILL)",
                         "detected ", "agreed ", "transferred ", "resumed ", "lost ", "flight recorder of n2 (pid ",
                         "control  called node.fail\n"):
                self.assertIn(text, told)
            c.wait_for_steps(c.status()["step"] + 30)  # else nobody else has its units
            self.expect(c, 0, "drill: n3 fails (stop)", "fail", "n3", "--how", "stop")
            wait_for("the second recovery", lambda: len(c.events("recovery")) == 2, 20)
            document = json.loads(self.expect(c, 0, "", "why", "--json").stdout)
            losses = [x for x in document["chapters"] if x["kind"] == "loss"]
            self.assertEqual([x["node"] for x in losses], [["n2"], ["n3"]])
            self.assertTrue(all(x["resumed"] for x in losses))
            for x in document["chapters"]:
                self.assertRegex(x["time"], r"^\d{4}(-\d\d){2}T(\d\d:){2}\d\d\.\d{3}Z$")
            self.assertTrue(document["live"])
            self.expect(c, 1, "not in the run", "fail", "n2")
            self.expect(c, 0, "step done", "why", "--flight", "n1")
            flight = json.loads(self.expect(c, 0, "", "why", "--flight", "n2", "--json").stdout)
            self.assertFalse(flight["ended"])
            self.assertIn("called node.fail", flight["records"][-1])
            self.expect(c, 0, "has ended", "stop")
            self.expect(c, 0, "the run has stopped", "why")
            self.expect(c, 0, "the run has stopped", "why", c.latest(""))

    def test_without_drill(self):
        with Cluster(2, ENDLESS) as c:
            self.start(c)
            self.expect(c, 1, "--drill", "fail", "n2")
            self.expect(c, 1, "--drill", "emulate", "n2", "slowdown=2")
            self.expect(c, 0, "has ended", "stop")
            for verb in (["drain", "n2"], ["join", "n2"], ["repartition"], ["top"]):
                self.expect(c, 3, "no run is going on", *verb)

    def test_idle_node_comes_and_goes(self):
        """A node in no stage may be killed, and come back; the run knows no difference."""
        with Cluster(3, {**ENDLESS, **never("n3")}) as c:
            self.start(c)
            self.expect(c, 0, "n3 is drained", "drain", "n3")
            self.expect(c, 0, "has joined", "join", "n3")
            self.wait_for_stage(c, "n3")
            self.expect(c, 0, "", "repartition", "--nodes", "n1,n2", "--cuts", "2")
            self.assertEqual(self.state_of(c, "n3"), "idle")
            os.kill(c.pids_of("n3")[0], signal.SIGKILL)
            wait_for("the loss of n3", lambda: self.state_of(c, "n3") == "gone", 10)
            c.wait_for_steps(c.status()["step"] + 3)
            self.expect(c, 0, "has joined", "join", "n3")
            c.wait_for_steps(c.status()["step"] + 3)
            # The one that came later dies with its supervisor as the others do.
            os.kill(c.pids_of("supervisor")[0], signal.SIGKILL)
            c.assert_nothing_left(supervisor_killed=True)
            self.assertEqual(c.train({"training.steps": 2})["steps"], 2)
            c.assert_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
