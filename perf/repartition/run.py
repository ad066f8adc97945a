#!/usr/bin/python3
"""A device changes while it trains: how soon the plan follows, what the change costs, what it brings.

Three like devices (each 0.4 of a core) train MobileNetV2 (imagenet strides, batch 128, 1f1b). One of them becomes five times
slower, and later as fast as before; again and again, as often as there are repetitions. Then it only
hiccups: it is stopped for 100 ms, 20 times, and nothing may change. Counted: steps until the new plan is
in force, the pause by its parts beside moved bytes / link bandwidth, the longest time between two steps
as seen from outside, and the throughput after the change beside the bound of the devices as they are."""
import argparse
import os
import signal
import statistics
import sys
import time

PERF = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [PERF, os.path.join(PERF, "hetero")]
import bound  # noqa: E402
import common  # noqa: E402
import measured  # noqa: E402
from live import Live  # noqa: E402

NAMES = ["n1", "n2", "n3"]
CHANGING = "n2"
FAST, SLOW = 2.5, 12.5
HICCUPS, HICCUP_S, BETWEEN_S = 20, 0.1, 0.7
WARM_STEPS, CALM_S, WINDOW_S, WINDOW_STEPS = 10, 6, 5, 20
SECONDS = 60  # for a change of the plan
SAME_SHARE = 0.1  # of the work: cuts between units are that coarse
TARGETS = {"steps_until_commit": 10, "pause_over_transfer_s": 0.05, "share_of_bound_after": 0.90}
PARTS = ["prepare_s", "hold_s", "transfer_s", "commit_s", "pause_s", "moved_bytes"]


def settings(schedule, micro_batches):
    return {"training.model": "mobilenetv2", "training.width": 1.0, "training.strides": "imagenet",
            "training.schedule": schedule, "training.micro_batches": micro_batches,
            "training.batch": 128 * micro_batches, "training.cuts": "auto",
            "training.lr": "{kind: constant, base: 0.01}",
            **{f"nodes.{n}.emulate.slowdown": FAST for n in NAMES}}


def emulate(run, slowdown):
    """The moment's step."""
    step = run.steps()
    done = run.cluster.run("emulate", CHANGING, f"slowdown={slowdown}")
    if done.returncode:
        raise SystemExit(f"emulate: {done.stderr}")
    return step


def committed(run):
    return [e for e in run.events("repartition") if e["outcome"] == "committed"]


def work_share(run):
    """Of the changing node: its units' part of the work, whoever does it. Like nodes may change places."""
    profile = next(e for e in run.events("profile") if e["node"] == NAMES[0])
    times = [f + b for f, b in zip(profile["forward_ns"], profile["backward_ns"])]
    own = (sum(times[s["first_unit"]:s["end_unit"]]) for s in measured.plan(run)
           if s["node"] == CHANGING)
    return sum(own) / sum(times)


def longest_stall(run, until):
    """Longest time between two steps until the condition holds, and a second on; by a sharp eye."""
    last, since, longest, end = run.steps(), time.monotonic(), 0.0, None
    deadline = time.monotonic() + SECONDS
    while end is None or time.monotonic() < end:
        count, now = run.steps(), time.monotonic()
        if count != last:
            longest, last, since = max(longest, now - since), count, now
        if end is None and until():
            end = now + 1
        if now > deadline:
            raise SystemExit(f"no new plan in {SECONDS} s:\n{run.cluster.said()[-3000:]}")
        time.sleep(0.01)
    return longest


def change(run, slowdown, micro_batches):
    """One change of the device and all that follows from it."""
    run.wait("the end of the change under way", lambda: not run.cluster.status()["change"], SECONDS)
    before = len(committed(run))
    step_before = run.rate(1, 5)["step_s"]
    step = emulate(run, slowdown)
    stall = longest_stall(run, lambda: len(committed(run)) > before)
    event = committed(run)[before]
    run.wait_quiet(CALM_S)
    result = run.rate(WINDOW_S, WINDOW_STEPS)
    step_s, _, _ = bound.best(measured.nodes(run, NAMES), micro_batches)
    link_s = event["moved_bytes"] / event["link_bytes_per_s"] if event["link_bytes_per_s"] else 0.0
    return {"slowdown": slowdown, "steps_until_commit": event["step"] - step,
            "commits": len(committed(run)) - before, **{k: event[k] for k in PARTS},
            "link_s": link_s, "pause_over_transfer_s": event["pause_s"] - link_s,
            "longest_stall_s": stall, "step_before_s": step_before,
            "samples_per_second": result["samples_per_second"],
            "share_of_bound_after": result["samples_per_second"] * step_s / run.batch,
            "foreign": result["foreign"], "plan": measured.plan(run), "work_share": work_share(run)}


def hiccup(run):
    """Plans made because of hiccups."""
    before = len(run.events("repartition"))
    (pid,) = run.cluster.pids_of(CHANGING)
    for _ in range(HICCUPS):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(HICCUP_S)
        os.kill(pid, signal.SIGCONT)
        time.sleep(BETWEEN_S)
    time.sleep(CALM_S)
    return len(run.events("repartition")) - before


def play(schedule, micro_batches, repetitions):
    with Live(len(NAMES), settings(schedule, micro_batches), "--drill") as run:
        run.wait_steps(WARM_STEPS)
        run.wait_quiet(CALM_S)
        first = {"first_plan": measured.plan(run), "first_work_share": work_share(run)}
        changes = []
        for i in range(repetitions):
            for slowdown in (SLOW, FAST):
                changes.append(change(run, slowdown, None if schedule == "1f1b" else micro_batches))
                c = changes[-1]
                common.log(f"repetition {i + 1} of {repetitions}: {slowdown}x after "
                           f"{c['steps_until_commit']} steps, pause {1e3 * c['pause_s']:.0f} ms, "
                           f"{100 * c['share_of_bound_after']:.0f} % of the bound")
        repartitions = hiccup(run)
        run.stop()
        return {**first, "changes": changes, "hiccups": HICCUPS,
                "repartitions_by_hiccups": repartitions}


def medians(changes):
    keys = [k for k, v in changes[0].items() if isinstance(v, (int, float))]
    return {k: statistics.median(c[k] for c in changes) for k in keys}


def summarize(result):
    slower = [c for c in result["changes"] if c["slowdown"] == SLOW]
    faster = [c for c in result["changes"] if c["slowdown"] == FAST]
    back = [abs(c["work_share"] - result["first_work_share"]) <= SAME_SHARE for c in faster]
    figures = {"slower": medians(slower), "recovered": medians(faster),
               "returned_to_first_plan": sum(back), "repetitions": len(slower), **result,
               "noisy": max(c["foreign"] for c in result["changes"]) > common.FOREIGN_LIMIT}
    figures["misses"] = misses(figures)
    return figures


def misses(figures):
    m, found = figures["slower"], []
    for key, target in TARGETS.items():
        if m[key] < target if key == "share_of_bound_after" else m[key] > target:
            found.append(f"{key} {m[key]:.3f}, target {target}")
    if figures["repartitions_by_hiccups"]:
        found.append(f"{figures['repartitions_by_hiccups']} repartitions by hiccups")
    if figures["returned_to_first_plan"] < figures["repetitions"]:
        found.append(f"the plan returned {figures['returned_to_first_plan']} times of "
                     f"{figures['repetitions']}")
    return found


def print_table(doc):
    print(f"mobilenetv2, commit {doc['commit']} on {doc['machine']['cpu']}, "
          f"{doc['machine']['cores']} cores{'; NOISY' if doc['noisy'] else ''}; medians of "
          f"{doc['repetitions']}")
    for name in ("slower", "recovered"):
        m = doc[name]
        print(f"{name:<10} new plan after {m['steps_until_commit']:.0f} steps of "
              f"{1e3 * m['step_before_s']:.0f} ms; pause {1e3 * m['pause_s']:.1f} ms = transfer "
              f"{1e3 * m['transfer_s']:.1f} ({m['moved_bytes'] / 1e6:.2f} MB, link alone "
              f"{1e3 * m['link_s']:.1f}) + commit {1e3 * m['commit_s']:.1f}; hold "
              f"{1e3 * m['hold_s']:.0f}, prepare {1e3 * m['prepare_s']:.0f}; longest stall "
              f"{1e3 * m['longest_stall_s']:.0f} ms; then {m['samples_per_second']:.0f} samples/s, "
              f"{100 * m['share_of_bound_after']:.0f} % of the bound")
    print(f"{doc['hiccups']} hiccups: {doc['repartitions_by_hiccups']} repartitions; the plan returned "
          f"{doc['returned_to_first_plan']} times of {doc['repetitions']}")
    for text in doc["misses"]:
        print(f"MISSED: {text}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--repetitions", type=int, default=5)
    p.add_argument("--quick", action="store_true", help="one repetition")
    p.add_argument("--schedule", choices=["1f1b", "flush"], default="1f1b")
    a = p.parse_args()
    result = play(a.schedule, 1 if a.schedule == "1f1b" else 4, 1 if a.quick else a.repetitions)
    doc = common.document("repartition", schedule=a.schedule, **summarize(result))
    if a.json:
        common.print_json(doc)
    else:
        print_table(doc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
