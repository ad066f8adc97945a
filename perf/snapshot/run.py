#!/usr/bin/python3
"""What snapshots cost: throughput with all of them on, disks included, over throughput with none.

Three nodes of this machine train MobileNetV2 1.0 (imagenet strides, batch 128). First two runs, with
snapshots and with snapshot.every: 0, must give the same parameters. Then one run takes snapshots every 10 steps,
global ones every 50, which go to the disks every --disk steps, or none (ftpctl snapshots on|off), in pairs of stretches in an order
that alternates: separate runs differ by more than snapshots cost. A stretch begins when the first put after "on" is
durable, or when nothing is sent or written any more after "off", and ends between two steps. The ratio of each pair, and the mean with its 95 % interval."""
import argparse
import json
import math
import os
import statistics
import sys
import time

PERF = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [PERF]
import common  # noqa: E402
from live import Live, value  # noqa: E402

from cluster import Cluster  # noqa: E402

NODES = 3
ON = {"snapshot.every": 10, "snapshot.global_every": 50}
OFF = {"snapshot.every": 0}
CHECKED_STEPS, WARM_STEPS = 40, 400
QUIET_S = 1.5  # without a byte sent or written, longer than from one snapshot to the next: nothing is under way
TARGET = 0.035  # overhead, upper end of the interval
# Student's t, two-sided 95 %, by degrees of freedom; beyond the last the normal distribution's.
T95 = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
       2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
       2.052, 2.048, 2.045, 2.042]


def settings(schedule):
    asynchronous = {"training.schedule": "1f1b", "training.micro_batches": 1}
    return {"training.model": "mobilenetv2", "training.width": 1.0, "training.strides": "imagenet",
            "training.batch": 128, "training.lr": "{kind: constant, base: 0.01}",
            **(asynchronous if schedule == "1f1b" else {})}


def check(sets):
    """The same result with and without; the cuts that were made are all later runs'."""
    digests = []
    for snapshots in (OFF, ON):
        with Cluster(NODES, {**sets, **snapshots, "training.steps": CHECKED_STEPS}) as c:
            summary = c.train()
            stages = summary["plan"]
            sets = {**sets, "training.cuts": ",".join(str(s["first_unit"]) for s in stages[1:])}
            digests.append(summary["params_digest"])
    if digests[0] != digests[1]:
        raise SystemExit(f"snapshots change the result: {digests}")
    common.log(f"the same parameters with and without, cuts {sets['training.cuts']}")
    return sets


def counters(run):
    """Sums over the nodes."""
    pages = [run.page(n) for n in range(NODES)]
    return {"export_s": sum(value(p, "ftp_snapshot_seconds_total") for p in pages),
            "taken": sum(value(p, "ftp_snapshots_total") for p in pages),
            "replica_bytes": sum(value(p, "ftp_replica_bytes_total") for p in pages),
            "disk_bytes": sum(value(p, "ftp_checkpoint_written_bytes_total") for p in pages)}


class Switched:
    """A run whose snapshots are switched on and off."""

    def __init__(self, run):
        self.run, self.is_on = run, True

    def turn(self, on):
        if on == self.is_on:
            return
        puts = self.puts()
        done = self.run.cluster.run("snapshots", "on" if on else "off")
        if done.returncode:
            raise SystemExit(f"snapshots cannot be switched: {done.stderr}")
        self.run.wait("the first put" if on else "the end of what was under way",
                      (lambda: self.puts() > puts) if on else self.is_quiet, 60)
        self.is_on = on

    def puts(self):
        """That are durable, by the coordinator's page."""
        cluster = self.run.cluster
        return value(cluster.scrape(cluster.port + 1), "ftp_checkpoints_total")

    def is_quiet(self):
        before = counters(self.run)
        time.sleep(QUIET_S)
        return counters(self.run) == before

    def measure(self, on, seconds):
        self.turn(on)
        puts, before = self.puts(), counters(self.run)
        result = self.run.rate(seconds, 20)
        after = counters(self.run)
        change = {k: after[k] - before[k] for k in after}
        result.update({k: change[k] for k in ("replica_bytes", "disk_bytes")},
                      taken_per_node=change["taken"] / NODES, puts=self.puts() - puts,
                      disk_failed=self.run.cluster.status()["snapshot"]["disk"]["failed"])
        if change["taken"]:
            result["export_ms"] = 1e3 * change["export_s"] / change["taken"]
        if bool(change["taken"]) != on:
            raise SystemExit(f"{change['taken']:.0f} snapshots while they were {'on' if on else 'off'}")
        return result


def interval(ratios):
    """Mean of the ratios and half of its 95 % interval, both of their logarithms."""
    logs = [math.log(r) for r in ratios]
    mean = statistics.mean(logs)
    if len(logs) < 2:
        return mean, math.inf
    t = T95[len(logs) - 2] if len(logs) - 2 < len(T95) else 1.960
    return mean, t * statistics.stdev(logs) / math.sqrt(len(logs))


def play(schedule, pairs, seconds, cuts):
    sets = settings(schedule)
    sets = {**sets, "training.cuts": cuts} if cuts else check(sets)
    rounds = []
    with Live(NODES, {**sets, **ON}) as run:
        run.wait_steps(WARM_STEPS)
        switched = Switched(run)
        for i in range(pairs):
            order = (True, False) if i % 2 else (False, True)
            rates = {("on" if on else "off"): switched.measure(on, seconds) for on in order}
            pair = {**rates, "ratio": rates["on"]["samples_per_second"] / rates["off"]["samples_per_second"]}
            rounds.append(pair)
            common.log(f"pair {i + 1} of {pairs}: on {pair['on']['samples_per_second']:.0f}, off "
                       f"{pair['off']['samples_per_second']:.0f} samples/s, ratio {pair['ratio']:.4f}")
        run.stop()
    return {"schedule": schedule, "cuts": sets["training.cuts"], "rounds": rounds}


def summarize(played):
    rounds = played["rounds"]
    mean, half = interval([p["ratio"] for p in rounds])
    result = {"ratio": math.exp(mean), "overhead": 1 - math.exp(mean),
              "overhead_low": 1 - math.exp(mean + half), "overhead_high": 1 - math.exp(mean - half),
              "export_ms": statistics.median(p["on"]["export_ms"] for p in rounds),
              "noisy": max(p[k]["foreign"] for p in rounds for k in ("on", "off")) >
              common.FOREIGN_LIMIT}
    result["misses"] = [] if result["overhead_high"] <= TARGET else ["overhead_high"]
    return {**played, **result}


def merge(names):
    """One document's rounds of several, all under the same plan."""
    rounds, same = common.merged(names, "rounds", "schedule", "cuts", "disk_every")
    return {**same, "rounds": rounds}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8, help="of each stretch")
    parser.add_argument("--disk", type=int, default=50, help="steps between checkpoints, at least")
    parser.add_argument("--schedule", choices=["flush", "1f1b"], default="flush")
    parser.add_argument("--cuts", help="of the plan; the results' equality is not checked again")
    parser.add_argument("--merge", nargs="+", metavar="FILE", help="only put documents together")
    parser.add_argument("--json", action="store_true", help="print a document")
    o = parser.parse_args()
    ON["checkpoint.every"] = o.disk
    played = merge(o.merge) if o.merge else {
        "disk_every": o.disk, **play(o.schedule, o.pairs, o.seconds, o.cuts)}
    result = summarize(played)
    if o.json:
        common.print_json(common.document("snapshot", target=TARGET, **result))
    else:
        print(f"{result['schedule']}, cuts {result['cuts']}, {len(result['rounds'])} pairs: overhead "
              f"{100 * result['overhead']:.2f} % ({100 * result['overhead_low']:.2f} to "
              f"{100 * result['overhead_high']:.2f} %, target at most {100 * TARGET:.1f}); a copy "
              f"takes {result['export_ms']:.2f} ms between two steps"
              f"{'; others used the machine' if result['noisy'] else ''}")


if __name__ == "__main__":
    main()
