#!/usr/bin/python3
"""MobileNetV2 (imagenet strides) in a pipeline of one, two and three processes on this machine, beside
the same training in PyTorch over HTTP on three processes. Samples per second in the steady state.

The contestants take turns, round by round; medians of the rounds, ratios within a round. A turn in
which other processes used more than 8% of a core is run again. A turn counts only if its loss is
finite and lower at the end than at the start."""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402
import torch_peer  # noqa: E402
from live import Live, value  # noqa: E402

MICRO_BATCH = 128
MICRO_BATCHES = 4
WARM_STEPS = 2
PEERS = {  # name: arguments
    "torch_default": ["--partition", "avg"],
    "torch_channels_last": ["--partition", "avg", "--cl"],
    "torch_channels_last_dyn": ["--partition", "dyn", "--cl"],
}
CHANNELS_LAST = ["torch_channels_last", "torch_channels_last_dyn"]


def counters(run, stages):
    """Per stage: seconds so far of compute, wait and poll."""
    kinds = ("compute", "wait", "poll")
    pages = [run.page(int(s["node"][1:]) - 1) for s in stages]
    return [{k: value(p, f"ftp_stage_{k}_seconds_total") for k in kinds} for p in pages]


def run_ours(nodes, steps):
    """One run; the window begins with the end of the warm-up's last step."""
    sets = {"training.model": "mobilenetv2", "training.width": 1.0, "training.strides": "imagenet",
            "training.batch": MICRO_BATCH * MICRO_BATCHES, "training.micro_batches": MICRO_BATCHES,
            "training.cuts": "equal"}
    with Live(nodes, sets) as run:
        run.wait_steps(WARM_STEPS)
        stages = run.cluster.status()["stages"]
        before = counters(run, stages)
        result = run.rate(0, steps - WARM_STEPS)
        after = counters(run, stages)
        run.stop()
        return {**result, "stages": [shares(s, b, a) for s, b, a in zip(stages, before, after)]}


def shares(stage, before, after):
    spent = {k: after[k] - before[k] for k in before}
    total = sum(spent.values()) or 1.0
    return {"stage": stage["stage"], "first_unit": stage["first_unit"],
            "end_unit": stage["end_unit"], **{f"{k}_share": v / total for k, v in spent.items()}}


def play(contestants, rounds, tries):
    results = {name: [] for name in contestants}
    for i in range(rounds):
        for name, run in contestants.items():
            results[name].append(common.quietest(run, tries))
            common.log(f"round {i + 1} of {rounds}: {name} "
                       f"{results[name][-1]['samples_per_second']:.1f} samples/s")
    return results


def summarize(results):
    rate = {n: [r["samples_per_second"] for r in rs] for n, rs in results.items()}
    figures = {"micro_batch": MICRO_BATCH, "micro_batches": MICRO_BATCHES,
               "samples_per_second": {n: statistics.median(v) for n, v in rate.items()},
               "stages": {n: rs[-1]["stages"] for n, rs in results.items() if "stages" in rs[-1]},
               "rounds": rate,
               "foreign_cpu": {n: [r["foreign"] for r in rs] for n, rs in results.items()}}
    if "local-3" in rate and "local-1" in rate:
        figures["three_over_one"] = common.median_ratio(rate["local-3"], rate["local-1"])
    best = [max(v) for v in zip(*(rate[n] for n in CHANNELS_LAST if n in rate))]
    if best:
        figures["over_torch_peer"] = common.median_ratio(rate["local-3"], best)
    if "torch_default" in rate:
        figures["over_torch_default"] = common.median_ratio(rate["local-3"], rate["torch_default"])
    figures["noisy"] = max(map(max, figures["foreign_cpu"].values())) > common.FOREIGN_LIMIT
    return figures


def print_table(doc):
    print(f"mobilenetv2, imagenet strides, micro-batches of {MICRO_BATCH}; commit {doc['commit']} on "
          f"{doc['machine']['cpu']}, {doc['machine']['cores']} cores{'; NOISY' if doc['noisy'] else ''}")
    for name, rate in doc["samples_per_second"].items():
        print(f"{name:<26} {rate:8.1f} samples/s")
        for s in doc["stages"].get(name, []):
            print(f"  stage {s['stage']}: units {s['first_unit']}-{s['end_unit'] - 1:<3} compute "
                  f"{100 * s['compute_share']:5.1f}%  wait {100 * s['wait_share']:5.1f}%  poll "
                  f"{100 * s['poll_share']:5.1f}%")
    for key in ("three_over_one", "over_torch_peer", "over_torch_default"):
        if key in doc:
            print(f"{key} {doc[key]:.2f}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=14, help="of our runs")
    p.add_argument("--batches", type=int, default=50, help="of the peer's runs")
    p.add_argument("--quick", action="store_true", help="one round, however noisy")
    p.add_argument("--no-peer", action="store_true", help="only our own")
    a = p.parse_args()
    contestants = {f"local-{n}": (lambda n=n: run_ours(n, a.steps)) for n in (1, 2, 3)}
    if not a.no_peer and not torch_peer.missing():
        contestants.update(
            {name: (lambda x=arguments: torch_peer.run(3, MICRO_BATCH, a.batches, x))
             for name, arguments in PEERS.items()})
    results = play(contestants, *((1, 1) if a.quick else (a.rounds, 3)))
    doc = common.document("pipeline", **summarize(results))
    if a.json:
        common.print_json(doc)
    else:
        print_table(doc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
