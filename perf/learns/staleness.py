#!/usr/bin/python3
"""What stale weights cost: test accuracy after equal epochs of flush, of 1f1b, and of 1f1b with
aggregation, over some seeds. Three stages where staleness matters; flush does not depend on them and
runs on one node. All use the same batch, learning rate and number of updates. Takes long; not a benchmark of speed."""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402

sys.path.insert(0, os.path.join(common.ROOT, "tests", "e2e"))
from cluster import Cluster  # noqa: E402

STAGES = 3
MODELS = {
    "lenet5": {"training.model": "lenet5", "training.batch": 64,
               "training.optimizer.weight_decay": 0.0005,
               "training.lr": "{kind: cosine, base: 0.02, warmup: 200}"},
    "mobilenetv2": {"training.model": "mobilenetv2", "training.strides": "imagenet",
                    "training.batch": 128, "training.optimizer.weight_decay": 4e-5,
                    "training.lr": "{kind: cosine, base: 0.05, warmup: 200}"},
}
WAYS = {  # name: nodes, settings
    "flush": (1, {"training.schedule": "flush"}),
    "1f1b": (STAGES, {"training.schedule": "1f1b"}),
    "1f1b_aggregated": (STAGES, {"training.schedule": "1f1b", "training.aggregate_every": 16}),
}
LIMIT = 0.01  # of accuracy, below flush


def accuracy(model, way, epochs, seed, extra):
    nodes, own = WAYS[way]
    sets = {**MODELS[model], **own, "training.micro_batches": 1, "training.cuts": "equal",
            "training.steps": 0, "training.epochs": epochs, "training.seed": seed, **extra}
    with Cluster(nodes, sets) as c:
        return c.train(seconds=7200)["test_accuracy"]


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--model", choices=MODELS, action="append", help="only this one")
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--width", type=float, default=0.5, help="of mobilenetv2")
    a = p.parse_args()
    models = {}
    for model in a.model or MODELS:
        extra = {"training.width": a.width} if model == "mobilenetv2" else {}
        runs = {way: [] for way in WAYS}
        for seed in range(1, a.seeds + 1):
            for way in WAYS:
                runs[way].append(accuracy(model, way, a.epochs, seed, extra))
                common.log(f"{model}, seed {seed}: {way} {runs[way][-1]:.4f}")
        mean = {way: statistics.mean(values) for way, values in runs.items()}
        models[model] = {"accuracy": mean, "runs": runs, "below_flush": {
            way: mean["flush"] - mean[way] for way in WAYS if way != "flush"}}
    doc = common.document("staleness", models=models, epochs=a.epochs, width=a.width)
    if a.json:
        common.print_json(doc)
    else:
        print(f"commit {doc['commit']}, {a.epochs} epochs, {a.seeds} seeds; mean test accuracy")
        for model, m in models.items():
            for way, value in m["accuracy"].items():
                below = m["below_flush"].get(way, 0.0)
                print(f"{model:<12} {way:<16} {value:.4f}" +
                      (f"  MISSED: {100 * below:.2f} points below flush" if below > LIMIT else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
