#!/usr/bin/env python3
"""./dev soak N: N runs of real processes, each with faults drawn from a seed; every one must end with
the parameters and the losses of a run that nothing happened to.

    soak.py [N] [--seed S] [--faults KIND,...] [--seconds T] [--json]
    soak.py --sum FILE...

--faults: the kinds to draw from; see FAULTS. A cycle that fails says how to run it alone, and its
run directory is kept in build/soak. --sum: adds up what several printed with --json. Exit 0: no cycle failed.
"""
import argparse
import gzip
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from cluster import BUILD, FASHION_MNIST, Cluster, wait_for

N_STEPS = 200
SETS = {"training.model": "mobilenetv2", "training.width": 0.25, "training.batch": 32,
        "training.micro_batches": 4, "training.cuts": "6,13", "training.steps": N_STEPS,
        "snapshot.every": 10, "snapshot.global_every": 30, "checkpoint.every": 20}
N_SAMPLES = {"train": 4096, "t10k": 256}  # reading all and testing with all would take most of a cycle
NODES = ["n1", "n2", "n3"]
CENTRAL = "n1"
MAX_FAULTS = 3
END_SECONDS = 60  # for the run to end once its faults have struck
PATIENCE_SECONDS = 4  # of the operator, with a run that waits for what is lost
PARTS = ["halt_s", "prepare_s", "transfer_s", "commit_s", "first_step_s", "total_s"]


def kill(cycle, kinds, how=signal.SIGKILL):
    for kind in kinds:
        for pid in cycle.cluster.pids_of(kind):
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass


def fail_kill(cycle):
    kill(cycle, [cycle.random.choice(cycle.others)])


def fail_two(cycle):
    kill(cycle, cycle.random.sample(cycle.others, min(2, len(cycle.others))))


def fail_all_but_one(cycle):
    kill(cycle, [n for n in NODES if n != cycle.survivor])


def stop(cycle, kind):
    """As good as dead; it may wake up later, when the others have gone on without it."""
    kill(cycle, [kind], signal.SIGSTOP)
    time.sleep(cycle.random.choice([0.05, 0.3, 1.5]))
    if cycle.random.random() < 0.7:
        kill(cycle, [kind], signal.SIGCONT)


def fail_stop(cycle):
    stop(cycle, cycle.random.choice(cycle.others))


def fail_drill(cycle):
    """By ftpctl, which also reaches nodes on other machines. It may be down already."""
    cycle.cluster.run("fail", cycle.random.choice(cycle.others), "--how",
                      cycle.random.choice(["kill", "abort"]))


def fail_slow(cycle):
    node = cycle.random.choice(NODES)
    cycle.cluster.run("emulate", node, f"slowdown={cycle.random.choice([1.5, 3])}")
    time.sleep(cycle.random.random() / 2)
    cycle.cluster.run("emulate", node, "slowdown=1")


def fail_repartition(cycle):
    """A change of the plan, for the next fault to come into."""
    cuts = sorted(cycle.random.sample(range(1, 19), 2))
    with open(os.devnull, "w", encoding="utf-8") as null:
        cycle.helpers.append(subprocess.Popen(
            cycle.cluster.command("repartition", "--force", "--cuts", f"{cuts[0]},{cuts[1]}"),
            env=cycle.cluster.environment(), stdin=subprocess.DEVNULL, stdout=null, stderr=null))


def fail_central(cycle):
    kill(cycle, [CENTRAL])


def fail_coordinator(cycle):
    if cycle.random.random() < 0.7:
        kill(cycle, ["coordinator"])
    else:
        stop(cycle, "coordinator")


def kill_everything(cycle):
    """What is forked between the look and the kill, the next look finds."""
    def nobody_is_left():
        kill(cycle, ["everything"])
        return not cycle.cluster.pids_of("everything")
    wait_for("the end of all processes", nobody_is_left, 10)
    cycle.cluster.followers[-1][0].wait(timeout=10)


def again(cycle):
    cycle.cluster.follow(None, "--drill")


def fail_site(cycle):
    """The plug is pulled; then it is started again."""
    kill_everything(cycle)
    again(cycle)


def fail_wiped(cycle):
    """The same, and one node's checkpoint is gone."""
    kill_everything(cycle)
    shutil.rmtree(cycle.cluster.latest(f"checkpoint/{cycle.random.choice(NODES)}"), ignore_errors=True)
    again(cycle)


FAULTS = {"kill": fail_kill, "two": fail_two, "all_but_one": fail_all_but_one, "stop": fail_stop,
          "drill": fail_drill, "slow": fail_slow, "repartition": fail_repartition,
          "central": fail_central, "coordinator": fail_coordinator, "site": fail_site,
          "wiped": fail_wiped}


class Cycle:
    def __init__(self, seed, kinds, sets):
        self.seed = seed
        self.random = random.Random(seed)
        self.kinds = kinds
        # Until its loss is survived, the central node is nobody's victim.
        self.others = NODES if "central" in kinds else [n for n in NODES if n != CENTRAL]
        self.survivor = self.random.choice(NODES) if "central" in kinds else CENTRAL
        self.sets = dict(sets)
        for node in self.others:
            self.sets[f"nodes.{node}.restart"] = "on-failure" if self.random.random() < 0.6 else "never"
        self.faults = sorted((self.random.randrange(1, N_STEPS * 4 // 5), self.random.choice(kinds))
                             for _ in range(self.random.randint(1, MAX_FAULTS)))
        self.struck = []
        self.waits_since, self.n_waits = None, 0
        self.helpers = []
        self.cluster = None

    def step(self):
        """The last row of loss.csv."""
        try:
            return self.cluster.loss().count(b"\n") - 1
        except FileNotFoundError:
            return 0

    def has_ended(self):
        return self.cluster.followers[-1][0].poll() is not None

    def strike(self, at, kind):
        looked = time.monotonic()

        def reached():
            nonlocal looked
            if time.monotonic() - looked > 1:
                self.attend()
                looked = time.monotonic()
            return self.has_ended() or self.step() >= at
        wait_for(f"step {at}", reached, END_SECONDS)
        time.sleep(self.random.random() * 0.05)
        if not self.has_ended():
            FAULTS[kind](self)
            self.struck.append(kind)

    def attend(self):
        """The operator of a run that waits: starts who is gone; then lets it begin anew."""
        status = self.cluster.status()
        if not status or not status.get("waiting_for"):
            self.waits_since = None
            return
        if self.waits_since is None:
            self.waits_since = time.monotonic()
            self.n_waits += 1
        for node in status["nodes"]:
            if node["state"] == "gone":
                self.cluster.run("join", node["name"], "--timeout", "5s")
        if time.monotonic() - self.waits_since > PATIENCE_SECONDS:
            flags = ["--from-beginning"] if "--from-beginning" in status["waiting_for"] else []
            done = self.cluster.run("recover", *flags, "--timeout", "10s")
            if done.returncode:
                print(f"soak: {self.seed}: {done.stderr.strip()}", file=sys.stderr, flush=True)

    def check(self, expected):
        follower = self.cluster.followers[-1][0]
        deadline = time.monotonic() + END_SECONDS
        while follower.poll() is None and time.monotonic() < deadline:
            try:
                follower.wait(timeout=1)
            except subprocess.TimeoutExpired:
                self.attend()
        follower.wait(timeout=0)
        for helper in self.helpers:
            helper.wait(timeout=END_SECONDS)
        assert follower.returncode == 0, f"exit {follower.returncode}: {self.cluster.said()[-1500:]}"
        digest = self.cluster.summary()["params_digest"]
        assert digest == expected[0], f"the digest is {digest}, not {expected[0]}"
        assert self.cluster.loss() == expected[1], "loss.csv differs"
        self.cluster.assert_nothing_left()

    def keep(self):
        place = os.path.join(BUILD, "soak", str(self.seed))
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.cluster.dir, place, symlinks=True,
                        ignore=lambda d, names: [n for n in names if n.endswith(".sock")])
        return place

    def run(self, expected):
        """The recoveries; AssertionError or TimeoutExpired if it went wrong."""
        with Cluster(3, self.sets) as self.cluster:
            try:
                self.cluster.follow(None, "--drill")
                for at, kind in self.faults:
                    self.strike(at, kind)
                self.check(expected)
            except (AssertionError, OSError, subprocess.SubprocessError):
                print(f"kept: {self.keep()}", file=sys.stderr)
                raise
            return self.cluster.events("recovery")


def cut_dataset(directory):
    """Its first samples."""
    for part, n in N_SAMPLES.items():
        for name, head, sample in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
            with gzip.open(os.path.join(FASHION_MNIST, f"{part}-{name}-ubyte.gz")) as f:
                data = f.read(head + n * sample)
            with open(os.path.join(directory, f"{part}-{name}-ubyte"), "wb") as f:
                f.write(data[:4] + n.to_bytes(4, "big") + data[8:])


def undisturbed(sets):
    with Cluster(3, sets) as c:
        return (c.train()["params_digest"], c.loss())


def figures(recoveries):
    """Median and worst of each part, in milliseconds."""
    if not recoveries:
        return {}
    found = {part[:-2]: [1e3 * r[part] for r in recoveries] for part in PARTS}
    found["lost_steps"] = [r["lost_steps"] for r in recoveries]
    return {name: {"median": round(statistics.median(v), 1), "worst": round(max(v), 1)}
            for name, v in found.items()}


def add_up(results):
    """One result of several."""
    total = {"cycles": 0, "seconds": 0, "waits": 0, "failed": [], "recoveries": []}
    for r in results:
        total = {key: total[key] + r[key] for key in total}
    kinds = {kind for r in results for kind in r["faults"]}
    return {**total, "faults": {k: sum(r["faults"].get(k, 0) for r in results) for k in FAULTS if k in kinds}}


def read(names):
    results = []
    for name in names:
        with open(name, encoding="utf-8") as f:
            results.append(json.load(f))
    return results


def tell(result, as_json):
    if as_json:
        print(json.dumps(result))
        return
    n = len(result["recoveries"])
    print(f"{result['cycles']} cycles in {result['seconds']:.0f} s, {len(result['failed'])} failed "
          f"{result['failed'] or ''}")
    print("faults:", ", ".join(f"{kind} {n}" for kind, n in result["faults"].items()))
    print(f"{result['waits']} waits, {n} recoveries; milliseconds (steps: number), median and worst:")
    for name, v in figures(result["recoveries"]).items():
        print(f"  {name:<12} {v['median']:8.1f} {v['worst']:8.1f}")


def run_cycle(seed, kinds, sets, expected):
    """Its result, as one of many."""
    cycle = Cycle(seed, kinds, sets)
    begin = time.monotonic()
    recoveries, failed = [], []
    try:
        recoveries = cycle.run(expected)
        outcome = f"{len(recoveries)} recoveries, {cycle.n_waits} waits"
    except (AssertionError, OSError, subprocess.SubprocessError) as e:
        failed = [seed]
        outcome = f"FAILED: {e}\n  again: tests/e2e/soak.py 1 --seed {seed} --faults {','.join(kinds)}"
    seconds = round(time.monotonic() - begin, 1)
    told = ", ".join(f"{kind} at {at}" for at, kind in cycle.faults)
    print(f"soak: {seed}: {told}: {outcome}, {seconds} s", file=sys.stderr, flush=True)
    return {"cycles": 1, "seconds": seconds, "waits": cycle.n_waits, "failed": failed,
            "faults": {kind: cycle.struck.count(kind) for kind in kinds},
            "recoveries": [{key: r[key] for key in [*PARTS, "lost_steps", "lost"]} for r in recoveries]}


def run_cycles(options, kinds):
    begin = time.monotonic()
    results = []
    print(f"soak: seeds {options.seed} to {options.seed + options.n - 1}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ftp-soak-") as directory:
        cut_dataset(directory)
        sets = {**SETS, "training.dataset.path": directory}
        expected = undisturbed(sets)
        for seed in range(options.seed, options.seed + options.n):
            if time.monotonic() - begin > options.seconds:
                break
            results.append(run_cycle(seed, kinds, sets, expected))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("n", nargs="?", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--seconds", type=float, default=float("inf"),
                        help="begin no other cycle after that time")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sum", nargs="+", metavar="FILE", default=[])
    options = parser.parse_args()
    kinds = options.faults.split(",")
    for kind in kinds:
        if kind not in FAULTS:
            parser.error(f"no fault '{kind}'; there are: {', '.join(FAULTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # clusters are closed
    result = add_up(read(options.sum) or run_cycles(options, kinds))
    tell(result, options.json)
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
