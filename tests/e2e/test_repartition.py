"""Live changes of the plan: units move between nodes while they train, and the result does not change."""
import os
import random
import signal
import subprocess
import time
import unittest

from cluster import LENET5, Cluster, wait_for

FAILURE = 1
SECONDS = 20  # for one change of the plan, on a busy machine
REMEASURED = 90  # at the latest: a node that a busy machine's plan leaves out is measured once a minute
MOBILENET = {"training.model": "mobilenetv2", "training.width": 0.25, "training.batch": 32,
             "training.micro_batches": 4, "training.dataset.augment": "true"}
SEED = int(os.environ.get("FTP_SEED", "0")) or random.randrange(1, 2 ** 32)
KILLS = int(os.environ.get("FTP_E2E_KILLS", "1"))  # moments tried for each victim


def slowed(nodes, by):
    """Slow devices give the changes time to happen in few steps; results do not depend on it."""
    return {f"nodes.n{i + 1}.emulate.slowdown": by for i in range(nodes)}


class Reference:
    """What one node alone computes: (params_digest, loss.csv), once for each settings."""
    known = {}

    @classmethod
    def of(cls, sets):
        key = tuple(sorted(sets.items()))
        if key not in cls.known:
            with Cluster(1, sets) as c:
                cls.known[key] = (c.train()["params_digest"], c.loss())
        return cls.known[key]


class Repartition(unittest.TestCase):
    maxDiff = None

    def verb(self, c, *words, code=0):
        done = c.run(*words, seconds=60)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def units(self, c):
        """{node: (first, end)} of the plan in force."""
        return {s["node"]: (s["first_unit"], s["end_unit"]) for s in c.status()["stages"]}

    def check_result(self, c, sets):
        """The run has ended well, and as one node alone would have."""
        digest, trace = Reference.of(sets)
        self.assertEqual(c.loss().decode(), trace.decode())
        self.assertEqual(c.summary()["params_digest"], digest)


class Moves(Repartition):
    """Three repartitions, a drain and a join."""

    def moves(self, sets, port, changes):
        with Cluster(3, {**sets, **slowed(3, 4), "training.cuts": "2,4", "net.port": port}) as c:
            follower = c.follow()
            c.wait_for_steps(3)
            for words, expected in changes:
                self.verb(c, *words)
                self.assertEqual(self.units(c), expected, words)
            term = c.status()["term"]
            self.assertLess(c.status()["step"], sets["training.steps"] - 2, "too late to prove much")
            self.assertEqual(follower.wait(timeout=120), 0, c.said()[-3000:])
            c.assert_nothing_left()
            self.check_result(c, sets)
            self.assertEqual(c.summary()["term"], term)
            done = [e for e in c.events("repartition") if e["outcome"] == "committed"]
            self.assertEqual(len(done), len(changes))
            self.assertTrue(all(e["moved_bytes"] > 0 for e in done), done)

    def test_lenet5_over_memif(self):
        self.moves({**LENET5, "training.steps": 300}, "memif", [
            (("repartition", "--cuts", "1,3"), {"n1": (0, 1), "n2": (1, 3), "n3": (3, 5)}),
            (("repartition", "--cuts", "3,4", "--nodes", "n1,n3,n2"),
             {"n1": (0, 3), "n3": (3, 4), "n2": (4, 5)}),
            (("repartition", "--cuts", "1", "--nodes", "n1,n3"), {"n1": (0, 1), "n3": (1, 5)}),
            (("repartition", "--cuts", "2,4", "--nodes", "n1,n2,n3"),
             {"n1": (0, 2), "n2": (2, 4), "n3": (4, 5)})])

    def drain_and_join(self, sets, port):
        with Cluster(3, {**sets, **slowed(3, 4), "net.port": port}) as c:
            follower = c.follow()
            c.wait_for_steps(3)
            for cuts in ("3,9", "5,14", "8,16"):
                self.verb(c, "repartition", "--cuts", cuts)
                self.assertEqual([s["first_unit"] for s in c.status()["stages"]],
                                 [0, *map(int, cuts.split(","))])
            self.verb(c, "drain", "n2")
            self.assertEqual(list(self.units(c)), ["n1", "n3"])
            wait_for("the end of n2", lambda: not c.pids_of("n2"), SECONDS)
            self.verb(c, "join", "n2")
            wait_for("n2 in the plan", lambda: "n2" in self.units(c), SECONDS)
            self.assertLess(c.status()["step"], sets["training.steps"] - 2, "too late to prove much")
            self.assertEqual(follower.wait(timeout=120), 0, c.said()[-3000:])
            c.assert_nothing_left()
            self.check_result(c, sets)
            self.assertEqual([(e["kind"], e["node"]) for e in c.events("drain", "join")][-2:],
                             [("drain", "n2"), ("join", "n2")])

    def test_mobilenetv2_over_udp(self):
        self.drain_and_join({**MOBILENET, "training.steps": 80}, "udp")

    def test_an_idle_node_may_die(self):
        sets = {**LENET5, "training.steps": 200}
        with Cluster(3, {**sets, **slowed(3, 4), "training.cuts": "2,4"}) as c:
            follower = c.follow()
            c.wait_for_steps(3)
            self.verb(c, "repartition", "--cuts", "3", "--nodes", "n1,n3")
            for pid in c.pids_of("n2"):
                os.kill(pid, signal.SIGKILL)
            self.assertEqual(follower.wait(timeout=120), 0, c.said()[-3000:])
            c.assert_nothing_left()
            self.check_result(c, sets)
            self.assertIn("n2", [e["node"] for e in c.events("gone")])


class Triggers(Repartition):
    def test_slowness_moves_units_and_back(self):
        sets = {**MOBILENET, "training.batch": 128, "training.lr": "{kind: constant, base: 0.01}"}
        with Cluster(3, {**sets, **slowed(3, 2), "training.cuts": "auto",
                         "training.steps": 1000000}) as c:
            c.follow(None, "--drill")
            c.wait_for_steps(20)
            share = self.share(c, "n2")
            self.verb(c, "emulate", "n2", "slowdown=7")
            wait_for("units to leave n2", lambda: self.share(c, "n2") < share, SECONDS)
            few = self.share(c, "n2")
            self.verb(c, "emulate", "n2", "slowdown=1")
            wait_for("units to return to n2", lambda: self.share(c, "n2") > few, REMEASURED)
            rows = min(c.status()["step"], 120)
            self.verb(c, "stop")
            c.wait_until_gone(SECONDS)
            _, trace = Reference.of({**sets, "training.steps": rows})
            self.assertEqual(c.loss()[:len(trace)].decode(), trace.decode())

    def share(self, c, node):
        """Units of a node in the plan in force; 0 when it is idle."""
        first, end = self.units(c).get(node, (0, 0))
        return end - first


class Refusals(Repartition):
    def test_what_cannot_be(self):
        sets = {"training.cuts": "2,4", "training.steps": 1000000,
                "nodes.n2.dataset": "false", "nodes.n3.dataset": "false"}
        with Cluster(3, {**LENET5, **sets}) as c:
            c.follow()
            c.wait_for_steps(3)
            before = self.units(c)
            for words, reason in ((("emulate", "n2", "slowdown=2"), "--drill"),
                                  (("drain", "n1"), "n1"),
                                  (("drain", "n9"), "n9"),
                                  (("repartition", "--cuts", "2,4"), ""),
                                  (("repartition", "--cuts", "4,2"), "4,2"),
                                  (("repartition", "--cuts", "2,77"), "77"),
                                  (("repartition", "--cuts", "2", "--nodes", "n2,n3"), "n2 does not hold")):
                with self.subTest(words=words):
                    self.assertIn(reason, self.verb(c, *words, code=FAILURE))
            self.assertEqual(self.units(c), before)
            c.wait_for_steps(c.status()["step"] + 5)
            self.verb(c, "stop")
            c.assert_nothing_left()


class Kills(Repartition):
    """kill -9 around a change: the change is abandoned, or a recovery follows; or a clear end."""
    SETS = {**LENET5, "training.steps": 150}

    def kill(self, victim, *words, before=()):
        """words: the verb under way meanwhile; before: verbs that come first."""
        print(f"FTP_SEED={SEED}", flush=True)
        moments = random.Random(f"{SEED} {victim} {words}")
        for _ in range(KILLS):
            moment = moments.uniform(0, 0.4)
            with self.subTest(victim=victim, words=words, moment=moment), \
                    Cluster(3, {**self.SETS, **slowed(3, 4), "training.cuts": "2,4"}) as c:
                follower = c.follow()
                c.wait_for_steps(3)
                for other in before:
                    self.verb(c, *other)
                verb = subprocess.Popen(c.command(*words), env=c.environment(), cwd=c.dir,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(moment)
                pids = wait_for(f"{victim}", lambda: c.pids_of(victim) or verb.poll() is not None,
                                SECONDS)
                for pid in pids if pids is not True else ():
                    os.kill(pid, signal.SIGKILL)
                code = follower.wait(timeout=60)
                verb.wait(timeout=60)
                c.assert_nothing_left()
                if code == 0:
                    self.check_result(c, self.SETS)
                else:
                    self.assertIn(victim, c.summary()["reason"])
                    self.assertIn(victim, c.said())

    def test_source(self):
        self.kill("n1", "repartition", "--cuts", "1,4")

    def test_coordinator(self):
        self.kill("coordinator", "repartition", "--cuts", "1,4")

    def test_leaving(self):
        self.kill("n3", "drain", "n3")

    def test_joining(self):
        self.kill("n3", "join", "n3", before=[("drain", "n3")])


class Asynchronous(Repartition):
    SETS = {**LENET5, "training.micro_batches": 1, "training.schedule": "1f1b",
            "training.cuts": "2,4", "training.steps": 120,
            "training.lr": "{kind: constant, base: 0.01}"}  # stale weights bear no more

    def train(self, **sets):
        with Cluster(3, {**self.SETS, **sets}) as c:
            digest = c.train()["params_digest"]
            c.assert_nothing_left()
            return digest, c.loss()

    def test_a_plan_gives_one_result(self):
        digest, trace = self.train()
        losses = [float(row.split(",")[1]) for row in trace.decode().splitlines()[1:]]
        self.assertLess(sum(losses[-10:]), 0.6 * sum(losses[:10]))
        lossy = {f"nodes.n{i + 1}.emulate.loss": 0.05 for i in range(3)}
        self.assertEqual(self.train(**{"net.port": "udp"}, **lossy), (digest, trace))
        self.assertEqual(self.train(**slowed(3, 2)), (digest, trace))
        for other in {"training.schedule": "flush"}, {"training.aggregate_every": 10}:
            self.assertNotEqual(self.train(**other)[0], digest, other)

    def test_it_learns_through_changes(self):
        with Cluster(3, {**self.SETS, **slowed(3, 4), "training.steps": 200}) as c:
            follower = c.follow()
            c.wait_for_steps(3)
            for cuts in ("1,3", "3,4"):
                self.verb(c, "repartition", "--cuts", cuts)
            self.assertEqual(follower.wait(timeout=120), 0, c.said()[-3000:])
            losses = [float(row.split(",")[1]) for row in c.loss().decode().splitlines()[1:]]
            self.assertEqual(len(losses), 200)
            self.assertLess(sum(losses[-10:]), 0.6 * sum(losses[:10]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
