#!/usr/bin/python3
"""MobileNetV2 on unequal devices: equal split, dynamic plan, the granularity bound, and the PyTorch peer.

Devices are processes of this machine that are slowed down by emulation: their slowdowns are scaled so
that the sum of their shares is 1.2 cores: near 1.6 they wait for each other so often that the emulation
lies. Contestants take turns, round by round; medians of the rounds. A turn in which other processes
used more than 8% of a core is run again. A turn counts only if its loss is finite and falls. Predicted:
the step time as it was when the plan was made; now: with the slowness of the nodes since. The bound is
made of each node's unit times as measured in the same turn (profile x slowness at its end):
perf/hetero/bound.py."""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import bound  # noqa: E402
import common  # noqa: E402
import measured  # noqa: E402
import torch_peer  # noqa: E402
from live import Live  # noqa: E402

CORES = 1.2  # that all devices together may use
SCENARIOS = {  # name: speeds, central node first
    "slow_last": (1, 1, 0.1),
    "slow_middle": (1, 0.1, 1),
    "slow_first": (0.1, 1, 1),
    "steps": (1, 0.5, 0.25),
    "even": (1, 1, 1),
    "five": (1, 1, 0.5, 0.5, 0.25),
}
REDUCED = ["slow_last", "steps"]
NETS = {  # name: settings, samples of a micro-batch, scenarios
    "imagenet": ({"training.strides": "imagenet", "training.lr": "{kind: constant, base: 0.01}"},
                 128, list(SCENARIOS)),
    "cifar": ({"training.strides": "cifar", "training.lr": "{kind: constant, base: 0.002}"},
              32, REDUCED),
}
SCHEDULES = {"1f1b": None, "flush": 4}  # micro-batches of a step; None: it has one, and no flush
WARM_STEPS = 4
CALM_S = 6  # without a change of the plan before a measurement: little is judged every 5 s
WINDOW_S, WINDOW_STEPS = 6, {"1f1b": 15, "flush": 5}
PEER_REPARTITIONS = "10,30"  # batch of the first, batches between
PEER_STEADY, PEER_BATCHES = 45, 75  # after the second, at batch 40
TARGETS = {"share_of_bound": 0.95, "speedup_over_equal": 6.8, "over_torch_peer": 1.25}
PREDICTION_LIMIT = 0.10


def slowdowns(speeds):
    return [round(sum(speeds) / CORES / s, 4) for s in speeds]


def settings(net, schedule, cuts, slow):
    own, micro_batch, _ = NETS[net]
    micro_batches = SCHEDULES[schedule] or 1
    return {"training.model": "mobilenetv2", "training.width": 1.0, **own,
            "training.schedule": schedule, "training.micro_batches": micro_batches,
            "training.batch": micro_batch * micro_batches, "training.cuts": cuts,
            **{f"nodes.n{i + 1}.emulate.slowdown": s for i, s in enumerate(slow)}}


def memory_of(event):
    """Per stage: what the planner's formula says, and what the built stage takes."""
    return {s["node"]: {"predicted_bytes": p["memory_bytes"], "measured_bytes": s["memory_bytes"]}
            for s, p in zip(event["stages"], event["plan"]["stages"])}


def about_dynamic(run, schedule, names, result):
    nodes = measured.nodes(run, names)
    micro_batches = SCHEDULES[schedule]
    step_s, order, firsts = bound.best(nodes, micro_batches)
    event = run.last("plan")
    order_now = [names.index(s["node"]) for s in event["stages"]]
    firsts_now = [s["first_unit"] for s in event["stages"]]
    predicted = event["plan"]["step_seconds"]
    return {
        "bound_samples_per_second": run.batch / step_s,
        "bound_plan": [[names[n], f] for n, f in zip(order, firsts)],
        "plan_limit_samples_per_second":
            run.batch / bound.of_plan(nodes, order_now, firsts_now, micro_batches),
        "predicted_step_s": predicted, "measured_step_s": result["step_s"],
        "prediction_error": predicted / result["step_s"] - 1,
        "prediction_now_error":
            (run.last("progress")["predicted_step_s"] or predicted) / result["step_s"] - 1,
        "memory": memory_of(event), "repartitions": len(run.events("repartition"))}


def run_ours(net, scenario, schedule, cuts):
    slow = slowdowns(SCENARIOS[scenario])
    with Live(len(slow), settings(net, schedule, cuts, slow)) as run:
        run.wait_steps(WARM_STEPS)
        if cuts == "auto":
            run.wait_quiet(CALM_S)
        result = run.rate(WINDOW_S, WINDOW_STEPS[schedule])
        result["plan"] = measured.plan(run)
        if cuts == "auto":
            names = [f"n{i + 1}" for i in range(len(slow))]
            result.update(about_dynamic(run, schedule, names, result))
        run.stop()
        return result


def run_peer(scenario):
    slow = ",".join(str(s) for s in slowdowns(SCENARIOS[scenario]))
    return torch_peer.run(3, NETS["imagenet"][1], PEER_BATCHES,
                          ["--partition", "dyn", "--cl", "--slow", slow, "--repart",
                           PEER_REPARTITIONS, "--skip", str(PEER_STEADY)])


def contestants_of(net, scenario, schedules, with_peer):
    ours = {f"{schedule} {name}": (lambda a=(net, scenario, schedule, cuts): run_ours(*a))
            for schedule in schedules for name, cuts in (("equal", "equal"), ("dynamic", "auto"))}
    if with_peer and net == "imagenet" and len(SCENARIOS[scenario]) == 3:
        ours["torch_peer"] = lambda: run_peer(scenario)
    return ours


def play(label, contestants, rounds, tries):
    results = {name: [] for name in contestants}
    for i in range(rounds):
        for name, run in contestants.items():
            r = common.quietest(run, tries)
            results[name].append(r)
            points = r.get("points") or [s["first_unit"] for s in r["plan"]]
            common.log(f"{label}, round {i + 1} of {rounds}: {name} "
                       f"{r['samples_per_second']:.1f} samples/s, cuts {points}")
    return results


def rates(results, key="samples_per_second"):
    return [r[key] for r in results]


def summarize(schedule, results):
    """Of one scenario under one schedule."""
    equal, dynamic = results[f"{schedule} equal"], results[f"{schedule} dynamic"]
    names = {"equal": equal, "dynamic": dynamic}
    if "torch_peer" in results:
        names["torch_peer"] = results["torch_peer"]
    bounds = rates(dynamic, "bound_samples_per_second")
    last = dynamic[-1]
    figures = {
        "samples_per_second": {n: statistics.median(rates(r)) for n, r in names.items()},
        "speedup_over_equal": common.median_ratio(rates(dynamic), rates(equal)),
        "bound_samples_per_second": statistics.median(bounds),
        "bound_speedup_over_equal": common.median_ratio(bounds, rates(equal)),
        "share_of_bound": common.median_ratio(rates(dynamic), bounds),
        "share_of_plan_limit": common.median_ratio(
            rates(dynamic), rates(dynamic, "plan_limit_samples_per_second")),
        "predicted_step_s": statistics.median(rates(dynamic, "predicted_step_s")),
        "measured_step_s": statistics.median(rates(dynamic, "measured_step_s")),
        "prediction_error": statistics.median(rates(dynamic, "prediction_error")),
        "prediction_now_error": statistics.median(rates(dynamic, "prediction_now_error")),
        "memory": last["memory"], "plan": last["plan"], "bound_plan": last["bound_plan"],
        "equal_plan": equal[-1]["plan"],
        "rounds": {n: rates(r) for n, r in names.items()},
        "foreign_cpu": {n: rates(r, "foreign") for n, r in names.items()}}
    if "torch_peer" in names:
        figures["over_torch_peer"] = common.median_ratio(rates(dynamic), rates(names["torch_peer"]))
    figures["noisy"] = max(map(max, figures["foreign_cpu"].values())) > common.FOREIGN_LIMIT
    return figures


def misses(schedule, figures):
    """What falls short of its target, in words; targets of speed are the asynchronous schedule's."""
    found = []
    if schedule == "1f1b":
        for key, target in TARGETS.items():
            reachable = key != "speedup_over_equal" or figures["bound_speedup_over_equal"] >= target
            if reachable and figures.get(key, target) < target:
                found.append(f"{key} {figures[key]:.3f} < {target}")
    if abs(figures["prediction_error"]) > PREDICTION_LIMIT:
        found.append(f"step time predicted {100 * figures['prediction_error']:+.1f} % off")
    for node, m in figures["memory"].items():
        if abs(m["predicted_bytes"] / m["measured_bytes"] - 1) > PREDICTION_LIMIT:
            found.append(f"memory of {node}: {m['predicted_bytes']} predicted, "
                         f"{m['measured_bytes']} measured")
    return found


HEAD = ("equal", "dynamic", "bound", "peer", "x equal", "bound x", "of bound", "x peer", "predicted",
        "now")


def row(name, d):
    rate = d["samples_per_second"]
    rates_of = [rate["equal"], rate["dynamic"], d["bound_samples_per_second"],
                rate.get("torch_peer")]
    ratios = [d["speedup_over_equal"], d["bound_speedup_over_equal"], d["share_of_bound"],
              d.get("over_torch_peer")]
    return ("%-28s" % name +
            "".join("%10s" % ("-" if c is None else f"{c:.1f}") for c in rates_of) +
            "".join("%10s" % ("-" if c is None else f"{c:.3f}") for c in ratios) +
            "".join("%+9.1f%%" % (100 * d[k]) for k in ("prediction_error", "prediction_now_error")))


def print_table(doc):
    print(f"mobilenetv2, commit {doc['commit']} on {doc['machine']['cpu']}, "
          f"{doc['machine']['cores']} cores{'; NOISY' if doc['noisy'] else ''}; samples/s")
    print("%-28s" % "" + "".join("%10s" % h for h in HEAD))
    for name, d in doc["scenarios"].items():
        print(row(name, d))
        print("  plan " + ", ".join(f"{s['node']} {s['first_unit']}-{s['end_unit'] - 1}"
                                    for s in d["plan"]))
        for text in d["misses"]:
            print(f"  MISSED: {text}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--quick", action="store_true", help="one round, however noisy")
    p.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one")
    p.add_argument("--net", action="append", choices=NETS, help="only these strides")
    p.add_argument("--schedule", action="append", choices=SCHEDULES, help="only this one")
    p.add_argument("--no-peer", action="store_true", help="only our own")
    a = p.parse_args()
    with_peer = not a.no_peer and not torch_peer.missing()
    schedules = a.schedule or list(SCHEDULES)
    scenarios = {}
    for net in a.net or NETS:
        for scenario in a.scenario or NETS[net][2]:
            results = play(f"{net} {scenario}",
                           contestants_of(net, scenario, schedules, with_peer),
                           *((1, 1) if a.quick else (a.rounds, 3)))
            for schedule in schedules:
                figures = summarize(schedule, results)
                name = f"{net} {scenario} {schedule}"
                scenarios[name] = {
                    "speeds": SCENARIOS[scenario], "slowdowns": slowdowns(SCENARIOS[scenario]),
                    **figures, "misses": misses(schedule, figures)}
                common.log(row(name, scenarios[name]))
    doc = common.document("hetero", scenarios=scenarios,
                          noisy=any(s["noisy"] for s in scenarios.values()))
    if a.json:
        common.print_json(doc)
    else:
        print_table(doc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
