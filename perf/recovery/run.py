#!/usr/bin/python3
"""What a lost node costs: kill -9, SIGSTOP or a cut cable, fault after fault in one run.

MobileNetV2 1.0 (imagenet strides, batch 128) on 2, 3 or 5 nodes of this machine, snapshots every 10 steps. The
node of the next fault is drawn; it strikes at a random moment between two snapshots, once all nodes are in the plan and
a snapshot since then is stable; then the node is started again. Times are by the killer's clock, read just before
the kill, and the wall clock of events.jsonl: from the fault to the first sign of it (detect), the
parts of the recovery as the coordinator tells them, and from the fault to the first step completed afterwards (all).
Silent: a cut cable between network namespaces, over UDP; of any node but the first, whose server has the
coordinator too. Without options: everything. One configuration takes one to two minutes; documents of several are
put together by --merge. Exits with 1 where a target is missed."""
import argparse
import os
import random
import statistics
import sys
import time

PERF = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, PERF)
import common  # noqa: E402
from struck import PERIOD, Killed, Silent, Stopped, victims  # noqa: E402: finds servers.py

import servers  # noqa: E402

NODES, KINDS, SCHEDULES, PORTS = [2, 3, 5], ["kill", "stop", "silent"], ["flush", "1f1b"], ["memif", "udp"]
TARGET_DETECT_S = {"kill": 0.05, "stop": 1.0, "silent": 1.0}
TARGET_ALL_S = 2.0  # and one step
PARTS = ["detect", "halt", "prepare", "transfer", "commit", "first_step", "all"]
HEAD = ["nodes", "schedule", "port", "fault", "n", *PARTS, "steps lost", "step"]
RUNS = {"kill": Killed, "stop": Stopped, "silent": Silent}


def fault(run, name, draw):
    step_s = run.settle(draw)
    struck = run.strike(name)
    recovery = run.wait("the recovery", lambda: run.events.since(struck, "recovery"))
    failure = run.events.since(struck, "failure")
    if recovery["lost"] != [name]:
        raise SystemExit(f"{name} was struck, and {recovery['lost']} lost: {recovery['why']}")
    run.revive(name)
    return {"node": name, "step_s": step_s, "detect_s": run.events.when(failure) - struck,
            **{f"{p}_s": recovery[f"{p}_s"] for p in PARTS[1:-1]},
            "all_s": run.events.when(recovery) - struck, "lost_steps": recovery["lost_steps"],
            "moved_bytes": recovery["moved_bytes"], "sign": failure["why"]}


def measure(nodes, schedule, port, kind, n, seed):
    draw = random.Random(seed)
    begin = time.monotonic()
    with RUNS[kind](nodes, schedule, port) as run:
        window = common.Window(run.cpu_seconds)
        faults = [fault(run, name, draw) for name in victims(run.victims(), n, draw)]
        n_recoveries = sum(e["kind"] == "recovery" for e in run.events.read())
        result = {"nodes": nodes, "schedule": schedule, "port": port, "kind": kind, "seed": seed,
                  "foreign": window.foreign(), "faults": faults, "other_recoveries": n_recoveries - n}
    return {**result, "seconds": time.monotonic() - begin, **summarize(kind, faults)}


def summarize(kind, faults):
    figures = {k: {"median": statistics.median(f[k] for f in faults), "worst": max(f[k] for f in faults)}
               for k in [*(f"{p}_s" for p in PARTS), "lost_steps", "step_s"]}
    missed = {"detect": [f for f in faults if f["detect_s"] > TARGET_DETECT_S[kind]],
              "all": [f for f in faults if f["all_s"] > TARGET_ALL_S + f["step_s"]],
              "lost_steps": [f for f in faults if f["lost_steps"] > PERIOD]}
    return {**figures, "misses": {k: len(v) for k, v in missed.items() if v}}


def row(c):
    def cell(key, unit=1e3):
        return f"{unit * c[key]['median']:.0f} ({unit * c[key]['worst']:.0f})"
    return [str(c["nodes"]), c["schedule"], c["port"], c["kind"], str(len(c["faults"])),
            *(cell(f"{p}_s") for p in PARTS), cell("lost_steps", 1), cell("step_s")]


def print_table(doc):
    print("milliseconds, median (worst); first_step and step: under the plan without the node, and before")
    for cells in [HEAD, ["---"] * len(HEAD), *map(row, doc["configurations"])]:
        print("| " + " | ".join(cells) + " |")
    for c in doc["configurations"]:
        name = f"{c['nodes']} nodes, {c['schedule']}, {c['port']}, {c['kind']}"
        for what, n in c["misses"].items():
            print(f"MISSED: {name}: {what}, {n} of {len(c['faults'])}")
        if c["other_recoveries"]:
            print(f"{name}: {c['other_recoveries']} recoveries that no fault of ours began")
        if c["foreign"] > common.FOREIGN_LIMIT:
            print(f"{name}: others used {100 * c['foreign']:.0f} % of a core")


def chosen(o):
    """Silent links are UDP only, and are asked for once."""
    for kind in o.kind or KINDS:
        for nodes in o.nodes or NODES:
            for schedule in o.schedule or SCHEDULES:
                for port in ["udp"] if kind == "silent" else o.port or (PORTS if nodes == 3 else PORTS[:1]):
                    yield nodes, schedule, port, kind


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--nodes", type=int, action="append", choices=NODES, help="only so many")
    p.add_argument("--kind", action="append", choices=KINDS, help="only this fault")
    p.add_argument("--schedule", action="append", choices=SCHEDULES, help="only this one")
    p.add_argument("--port", action="append", choices=PORTS, help="only this one")
    p.add_argument("--faults", type=int, default=20, help="of each configuration")
    p.add_argument("--seed", type=int, default=int(os.environ.get("FTP_SEED", "0")) or random.randrange(1 << 30))
    p.add_argument("--tries", type=int, default=2, help="of a configuration, while others use the machine")
    p.add_argument("--merge", nargs="+", metavar="FILE", help="only put documents together")
    o = p.parse_args()
    configurations = common.merged(o.merge, "configurations")[0] if o.merge else []
    cannot = servers.missing() if not o.merge and "silent" in (o.kind or KINDS) else ""
    for c in [] if o.merge else chosen(o):
        if c[3] == "silent" and cannot:
            common.log(f"no silent links: {cannot}")
            continue
        common.log(f"{c[0]} nodes, {c[1]}, {c[2]}, {c[3]}: seed {o.seed}")
        configurations.append(common.quietest(lambda: measure(*c, o.faults, o.seed), o.tries))
        common.log(" | ".join(row(configurations[-1])))
    doc = common.document("recovery", targets={"detect_s": TARGET_DETECT_S, "all_beyond_a_step_s": TARGET_ALL_S,
                                               "lost_steps": PERIOD},
                          noisy=any(c["foreign"] > common.FOREIGN_LIMIT for c in configurations),
                          configurations=configurations)
    if o.json:
        common.print_json(doc)
    else:
        print_table(doc)
    return 1 if any(c["misses"] for c in configurations) else 0


if __name__ == "__main__":
    sys.exit(main())
