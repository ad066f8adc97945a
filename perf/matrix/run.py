#!/usr/bin/python3
"""Who dies, when, what is lost: the rows of README's table that no other benchmark times, each by real faults.

MobileNetV2 1.0 (imagenet strides, batch 128, flush), snapshots every 10 steps, global ones every 30, on disks every 20.
Times are by the killer's clock, read just before the fault, and the wall clock of events.jsonl; what stands still,
and for how long, by a node's flight recorder: the longest time between two of its steps around the fault
(still_s), beside that of a quiet time before it (still_before_s). sign_s: from the coordinator's first sign of the
fault to the first new step, all_s: from the fault.

  apart        five nodes, two that are not neighbours at once
  second       five nodes, such a second one as soon as the first one's loss is seen, or a plan without it is agreed
  back         three nodes, one that was killed starts again with its disk, or without: until it has its share
  disk         three nodes, the disk of one is full for a while (needs root)
  coordinator  three nodes, the coordinator is stopped for good
  site         all are killed and started again: two nodes of three, three of two
  parted       three servers, two of which do not reach each other (needs root; UDP)
  again        five nodes, one after the other at the same step, until the run ends
  begin        three nodes, one is killed before the first step, in each state; and a start that nothing happens to
"""
import argparse
import contextlib
import os
import random
import re
import shutil
import statistics
import sys
import time

PERF = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, PERF)
import common  # noqa: E402
from struck import PERIOD, Events, Killed, Silent, Stopped, victims  # noqa: E402: finds cluster.py

import servers  # noqa: E402
from cluster import ROOT, kill_everything, wait_for  # noqa: E402
from test_full_disk import fill, small_disk  # noqa: E402

SETS = {"snapshot.global_every": 3 * PERIOD, "checkpoint.every": 2 * PERIOD}
MANIFEST_BYTES = 4 << 20  # it fits, a unit state or two beside it
FULL_S = 10  # a disk is full
BEFORE_S = 5  # nothing happens
FIRST_PAUSE_S = 31  # a process that has lived so long is started again after the shortest pause
STATES = ["undisturbed", "waiting", "profiling", "probing", "preparing"]


def took(run, struck, names):
    """A recovery, or several."""
    found = run.recoveries(struck, names)
    end, sign = run.events.when(found[-1]), run.events.when(run.events.since(struck, "failure"))
    return {"detect_s": sign - struck, "sign_s": end - sign, "all_s": end - struck,
            "lost_steps": sum(e["lost_steps"] for e in found), "recoveries": len(found)}


def lost_since(run, when):
    """Steps, by whatever recoveries: none is expected."""
    return sum(e["lost_steps"] for e in run.events.all_since(when, "recovery"))


def not_neighbours(run, draw):
    """Of five stages; replicas go from the last one to the first."""
    stages = run.stages()
    i = draw.randrange(len(stages))
    return stages[i], stages[(i + draw.choice([2, 3])) % len(stages)]


def on_disks(run):
    """A snapshot of this plan."""
    return run.cluster.status()["snapshot"]["disk"]["step"] > run.events.last("plan")["step"]


def apart(n, draw):
    with Killed(5, "flush", "memif", SETS) as run:
        for _ in range(n):
            run.settle(draw)
            names = not_neighbours(run, draw)
            yield "two that are not neighbours", took(run, run.strike(*names), names)
            for name in names:
                run.join(name)


def second(n, draw):
    with Killed(5, "flush", "memif", SETS) as run:
        for i in range(2 * n):
            run.settle(draw)
            one, other = not_neighbours(run, draw)
            pid, event = run.pid_of(other), ("failure", "agreed")[i % 2]
            struck = run.strike(one)
            run.wait(event, lambda: run.events.since(struck, event), 0.001)
            os.kill(pid, run.signal)
            yield f"a second one at the event {event}", took(run, struck, (one, other))
            for name in (one, other):
                run.join(name)


def back(n, draw):
    with Killed(3, "flush", "memif", SETS) as run:
        for i, name in enumerate(victims(run.names, 2 * n, draw)):
            run.settle(draw)
            run.wait("a checkpoint", lambda: on_disks(run), 0.1)
            time.sleep(BEFORE_S)
            struck = run.strike(name)
            run.recoveries(struck, [name])
            if i % 2:
                shutil.rmtree(run.cluster.latest(f"checkpoint/{name}"))
            time.sleep(2 * draw.random())
            begun = time.time()
            run.join(name)
            run.wait("its share", run.is_whole)
            change = run.wait("what the change took", lambda: next(
                (e for e in run.events.all_since(begun, "repartition") if e["outcome"] == "committed"), None))
            run.edge()
            end = time.time()
            witness = next(n for n in run.stages() if n != name)
            yield f"comes back {'without its disk' if i % 2 else 'with its disk'}", {
                "joined_s": run.events.when(run.events.since(begun, "join")) - begun,
                "share_s": run.events.when(run.events.last("plan")) - begun, "pause_s": change["pause_s"],
                "still_s": run.stood_still(witness, begun, end),
                "still_before_s": run.stood_still(witness, struck - BEFORE_S, struck),
                "lost_steps": lost_since(run, begun)}


def empty(path):
    for name in os.listdir(path):
        os.unlink(os.path.join(path, name))


def puts(run):
    """Of the middle node: {outcome: how many so far}."""
    page = run.cluster.scrape(run.cluster.port + 3)
    return {k: float(v) for k, v in re.findall(r'(?m)^ftp_checkpoint_puts_total{.*outcome="(\w+)".*} (\S+)$', page)}


def disk(n, draw):
    """The middle node's: it has a small one of its own, and no segments there to use again."""
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(Killed(3, "flush", "memif", SETS))
        path = run.cluster.latest("checkpoint/n2")
        filler = os.path.join(path, "filler")
        for i in range(n):
            run.settle(draw)
            run.wait("a checkpoint", lambda: on_disks(run), 0.1)
            time.sleep(FULL_S)
            struck = run.strike("n2")
            before_s = run.stood_still("n1", struck - FULL_S, struck)
            run.recoveries(struck, ["n2"])
            empty(path)
            if not i:
                os.rmdir(path)
                stack.enter_context(small_disk(os.path.realpath(path), "256m"))
            fill(filler)
            os.truncate(filler, os.path.getsize(filler) - MANIFEST_BYTES)
            run.join("n2")
            run.settle(draw)
            before, begun = puts(run), time.time()
            while time.time() < begun + FULL_S:  # what is given back is taken
                fill(filler)
                time.sleep(0.2)
            after = puts(run)
            still_s = run.stood_still("n1", begun, begun + FULL_S)
            os.unlink(filler)
            run.wait("a put", lambda: puts(run)["done"] > after["done"], 0.1)
            yield "a full disk", {
                "still_s": still_s, "still_before_s": before_s, "room_to_put_s": time.time() - begun - FULL_S,
                **{f"puts_{k}": after[k] - before[k] for k in ("done", "no_space")},
                "lost_steps": lost_since(run, begun)}


def coordinator(n, draw):
    with Stopped(3, "flush", "memif", SETS) as run:
        for _ in range(n):
            run.settle(draw)
            time.sleep(FIRST_PAUSE_S)
            struck = run.strike("coordinator")
            event = run.wait("another coordinator", lambda: run.events.since(struck, "resume"))
            run.edge()
            end = time.time()
            yield "the coordinator is stopped", {
                "answers_s": run.events.when(event) - struck, "still_s": run.stood_still("n1", struck, end),
                "still_before_s": run.stood_still("n1", 2 * struck - end, struck),
                "lost_steps": lost_since(run, struck)}


def site(n, draw):
    with Killed(3, "flush", "memif", {**SETS, "training.cuts": "equal"}) as run:
        names, sets = run.names, run.cluster.sets
        for i in range(2 * n):
            step_s = run.settle(draw)
            run.wait("a checkpoint", lambda: on_disks(run), 0.1)
            time.sleep(draw.random() * SETS["checkpoint.every"] * step_s)
            wait_for("the end of all processes", lambda: kill_everything(run.cluster), 10)
            run.follower.wait(timeout=10)
            run.names = names[:3 if i % 2 else 2]
            run.cluster.config = os.path.join(ROOT, "examples", f"local-{len(run.names)}.yaml")
            run.cluster.sets = {k: v for k, v in sets.items()
                                if not k.startswith("nodes.") or k.split(".")[1] in run.names}
            begun = time.time()
            run.follower, run.events = run.cluster.follow(), Events(run.cluster)
            event = run.wait("training", lambda: run.events.since(begun, "recovery"))
            run.wait("all nodes in the plan", run.is_whole)
            yield f"the whole site, {2 if i % 2 else 3} nodes, then {len(run.names)}", {
                "all_s": run.events.when(event) - begun, "sign_s": event["total_s"],
                "share_s": run.events.when(run.events.last("plan")) - begun, "lost_steps": event["lost_steps"]}


def parted(n, draw):
    """Both reach the coordinator, which is on the first one's server."""
    with Silent(3, "flush", "udp", SETS) as run:
        for _ in range(n):
            run.settle(draw)
            names = draw.sample(run.victims(), 2)
            struck = time.time()
            run.cluster.part(*names)
            sample = took(run, struck, [])
            run.cluster.rejoin(*names)
            mended = time.time()
            run.wait("all nodes in the plan", run.is_whole, 0.1, 120)
            yield "two nodes do not reach each other", {
                **sample, "share_s": run.events.when(run.events.last("plan")) - mended}


def again(n, draw):
    seldom = {f"{key}.every": 6 * PERIOD for key in ("snapshot", "checkpoint")}
    for _ in range(n):
        with Killed(5, "flush", "memif", {**seldom, "snapshot.global_every": 6 * PERIOD}) as run:
            run.wait("training", run.is_whole)
            run.wait("a snapshot, on disks too", lambda: (s := run.cluster.status()) and {
                s["snapshot"]["global_step"], s["snapshot"]["disk"]["step"]} == {6 * PERIOD})
            run.wait("what is to be lost", lambda: run.cluster.loss().count(b"\n") > 9 * PERIOD)
            *others, last = draw.sample(run.names[1:], 4)
            for name in others:
                sample = took(run, run.strike(name), [name])
            struck = run.strike(last)
            if run.follower.wait(timeout=60) != 1 or "was not passed" not in run.cluster.summary()["reason"]:
                raise SystemExit(f"it did not end as it should:\n{run.cluster.said()[-3000:]}")
            exited = time.time()
            yield "again and again at the same step", {
                "named_s": run.events.when(run.events.since(struck, "end")) - struck, "exit_s": exited - struck,
                "last_recovery_s": sample["all_s"]}


def begin(n, draw):
    for i in range(n * len(STATES)):
        begun, state = time.time(), STATES[i % len(STATES)]
        sets = {f"nodes.n{i + 1}.restart": "on-failure" for i in range(3)}
        with Killed(3, "flush", "memif", {**SETS, "training.cuts": "auto", **sets}) as run:
            name, struck = draw.choice(run.names), begun
            if state != "undisturbed":
                (pid,) = run.wait(name, lambda: run.cluster.pids_of(name), 0.001)
                state = run.cluster.wait_for_state(state, "training")
                struck = time.time()
                os.kill(pid, run.signal)
            run.wait("the first step", lambda: os.path.exists(run.cluster.latest("loss.csv")) and
                     run.cluster.loss().count(b"\n") > 1, 0.005, 120)
            now = time.time()
            yield f"before the first step: {state}", {
                "start_s": now - begun, "all_s": now - struck,
                "recoveries": len(run.events.all_since(begun, "recovery"))}


ROWS = {f.__name__: f for f in (apart, second, back, disk, coordinator, site, parted, again, begin)}


def cannot(name):
    """Why not."""
    if name == "disk" and os.geteuid() != 0:
        return "a small disk needs root"
    return servers.missing() if name == "parted" else ""


def measure(name, n, seed):
    """[row]"""
    window = common.Window([])
    time.sleep(2)
    foreign, samples, start = window.foreign(), {}, time.monotonic()
    for row, sample in ROWS[name](n, random.Random(seed)):
        samples.setdefault(row, []).append(sample)
        common.log(f"{row}: " + ", ".join(f"{k} {v:.3f}" for k, v in sample.items()))
    seconds = time.monotonic() - start
    return [{"name": name, "row": row, "seed": seed, "foreign_before": foreign, "seconds": seconds, "samples": some,
             **{k: {"median": statistics.median(s[k] for s in some), "worst": max(s[k] for s in some)}
                for k in some[0]}} for row, some in samples.items()]


def told(row):
    """Times in milliseconds."""
    def cell(key):
        unit, digits = (1e3, 0) if key.endswith("_s") else (1, 0)
        return f"{key.removesuffix('_s')} {unit * row[key]['median']:.{digits}f} ({unit * row[key]['worst']:.{digits}f})"
    return f"{row['row']} ({len(row['samples'])}): " + ", ".join(map(cell, row["samples"][0]))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--row", action="append", choices=ROWS, help="only this one")
    p.add_argument("--faults", type=int, default=20, help="of each kind")
    p.add_argument("--seed", type=int, default=int(os.environ.get("FTP_SEED", "0")) or random.randrange(1 << 30))
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--merge", nargs="+", metavar="FILE", help="only put documents together")
    o = p.parse_args()
    rows = common.merged(o.merge, "rows")[0] if o.merge else []
    for name in [] if o.merge else o.row or ROWS:
        if cannot(name):
            common.log(f"not {name}: {cannot(name)}")
            continue
        common.log(f"{name}: seed {o.seed}")
        rows += measure(name, o.faults, o.seed)
    if o.json:
        common.print_json(common.document("matrix", rows=rows))
    else:
        print("milliseconds, steps, numbers; median (worst)")
        for row in rows:
            print(told(row))


if __name__ == "__main__":
    main()
