"""kill -9 of the coordinator, and of everything: training goes on, or is gone on with, and its result
does not know of it."""
import json
import os
import signal
import time
import unittest

from cluster import DURABLE, ROOT, Cluster, Undisturbed, kill_everything, wait_for


class Durable(Undisturbed):
    def kill_all(self, c):
        """Once there is something on the disks to go on from."""
        n_before = len(c.events("resume"))
        wait_for("a snapshot on disk", lambda: self.has_checkpoint(c, n_before), 20)
        wait_for("the end of everything", lambda: kill_everything(c), 10)
        c.followers[-1][0].wait(timeout=10)
        self.assertFalse(os.path.exists(c.latest("summary.json")))

    def has_checkpoint(self, c, n_resumed):
        """Since the last time that the run was resumed."""
        kinds = [e["kind"] for e in c.events("checkpoint", "resume", "plan")]
        since = [i for i, kind in enumerate(kinds) if kind == "resume"][-1:] if n_resumed else [0]
        after = kinds[since[0]:]
        return "checkpoint" in after and "plan" in after

    def start_again(self, c):
        """The run that is resumed: its recovery."""
        run, n = os.readlink(os.path.dirname(c.latest(""))), len(c.events("recovery"))
        c.follow()
        event = wait_for("the recovery", lambda: c.events("recovery")[n:], 60)[0]
        self.assertIn("resumed", c.said())
        self.assertEqual(os.readlink(os.path.dirname(c.latest(""))), run)
        print(json.dumps(c.events("resume")[-1]), json.dumps(event))
        return event

    def stop_for(self, c, kind, seconds):
        pid = wait_for(f"the {kind}", lambda: c.pids_of(kind), 10)[0]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    def test_coordinator(self):
        """Stopped for a while, and killed twice at random moments; nothing halts for it, no step is done
        twice."""
        with Cluster(3, DURABLE) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(1, 30))
            self.stop_for(c, "coordinator", 1)
            for _ in range(2):
                killed = c.pids_of("coordinator")
                self.kill(c, ["coordinator"])
                wait_for("the next coordinator",
                         lambda old=killed: set(c.pids_of("coordinator")) - set(old), 10)
                time.sleep(0.2 * self.random.random())
            self.check_end(c)
            self.assertEqual([e["how"] for e in c.events("resume")].count("goes back"), 0)
            self.assertEqual(c.events("recovery"), [])
            self.assertEqual(len(c.events("plan")), 1)

    def test_coordinator_and_a_node(self):
        with Cluster(3, DURABLE) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(20, 60))
            self.kill(c, ["coordinator", "n2"])
            self.check_end(c)
            self.assertEqual(len(c.summary()["recoveries"]), 1)

    def test_everything(self):
        """A power cut, as far as processes can see: the disks have what the run goes on from. The second
        one takes the journal with it, the third one damages it: what the nodes hold is believed."""
        with Cluster(3, DURABLE) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(20, 60))
            for text in (None, "", "{\"version\": 1"):
                self.kill_all(c)
                if text is not None:
                    os.unlink(c.latest("journal.json"))
                if text:
                    with open(c.latest("journal.json"), "w", encoding="utf-8") as f:
                        f.write(text)
                event = self.start_again(c)
                self.assertGreaterEqual(event["step"], 20)
                self.assertEqual(event["term"] >= 1 << 32, text is not None)
            self.check_end(c)

    def test_fewer_nodes_and_more(self):
        """The whole site is killed, and started again without n3; and again with it, and what its disk has
        of a history that the others have left behind."""
        with Cluster(3, DURABLE) as c:
            c.follow()
            c.wait_for_steps(self.random.randrange(20, 60))
            for nodes in (2, 3):
                self.kill_all(c)
                c.config = os.path.join(ROOT, "examples", f"local-{nodes}.yaml")
                c.sets["training.cuts"] = "equal"
                self.assertGreaterEqual(self.start_again(c)["step"], 20)
                wait_for(f"a plan with {nodes} nodes",
                         lambda: len(c.events("plan")[-1]["stages"]) == nodes, 20)
            self.check_end(c)

    def test_stopped(self):
        """Only if it is asked for; a new run otherwise."""
        with Cluster(3, DURABLE) as c:
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
