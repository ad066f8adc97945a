#!/usr/bin/python3
"""Scale on paper: the planner and the schedules in virtual time for 2 to 64 drawn devices. Capacities of 1 to 10
times this core's, network ports of 0.1 to 25 Gbit/s, one-way latencies of 50 us to 2 ms, all log-uniform; mobilenetv2
(imagenet strides, unit times measured at the start) and a drawn model of 60 units, micro-batches of 128 samples.

Efficiency is the speed over the speed of one device of capacity 1, by the sum of all capacities. A pipeline stops
paying at the fewest devices of a cluster that reach 95% of the best speed of that cluster with any number of them.
Medians over the seeds; the ratios are taken for each seed first."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import common  # noqa: E402

DEVICES = [2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64]
PAYS = 0.95
COLOURS = {"1f1b": "#1f6fb2", "flush": "#c8511b"}
DASHES = {"mobilenetv2": "none", "drawn60": "6 4"}


def measure(seeds, devices):
    program = os.path.join(common.BUILD, "perf", "scale", "bench_scale")
    done = subprocess.run([program, str(seeds), *map(str, devices)], stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program} failed")
    return [json.loads(line) for line in done.stdout.splitlines()]


def derive(row):
    speedup = row["single_ns"] / row["virtual_ns"]
    return {**row, "speedup": speedup, "efficiency": speedup / row["capacity"],
            "late": row["virtual_ns"] / row["predicted_ns"] - 1,
            "over_equal": row["equal_ns"] / row["virtual_ns"] if row["equal_ns"] else None}


def median(rows, key):
    values = [r[key] for r in rows if r[key] is not None]
    return statistics.median(values) if values else None


def by_devices(rows):
    table = []
    for n in sorted({r["devices"] for r in rows}):
        of = [r for r in rows if r["devices"] == n]
        table.append({"devices": n, "efficiency": median(of, "efficiency"),
                      "speedup": median(of, "speedup"), "capacity": median(of, "capacity"),
                      "stages": median(of, "stages"), "over_equal": median(of, "over_equal"),
                      "plan_seconds": median(of, "plan_ns") / 1e9,
                      "worst_plan_seconds": max(r["plan_ns"] for r in of) / 1e9,
                      "virtual_over_predicted": 1 + median(of, "late"),
                      "worst_virtual_over_predicted": 1 + max((r["late"] for r in of), key=abs),
                      "exact": all(r["exact"] for r in of)})
    return table


def stops_paying(rows):
    """The median over the seeds of the fewest devices that are as good as any number."""
    fewest = []
    for seed in {r["seed"] for r in rows}:
        of = sorted((r for r in rows if r["seed"] == seed), key=lambda r: r["devices"])
        enough = PAYS * max(r["speedup"] for r in of)
        fewest.append(next(r["devices"] for r in of if r["speedup"] >= enough))
    return statistics.median(fewest)


def summarize(rows):
    cases = []
    for model in ("mobilenetv2", "drawn60"):
        for schedule in ("1f1b", "flush"):
            of = [r for r in rows if r["model"] == model and r["schedule"] == schedule]
            cases.append({"model": model, "schedule": schedule, "stops_paying": stops_paying(of),
                          "by_devices": by_devices(of)})
    return cases


class Panel:
    """One plot of an SVG: devices from left to right on a log scale, a value from 0 up."""
    WIDTH, HEIGHT = 400, 260

    def __init__(self, left, top, title, most, unit, devices):
        self.left, self.top, self.most = left, top, most
        self.devices = devices
        self.parts = [f'<text x="{left}" y="{top - 12}" class="title">{title}</text>']
        for i in range(5):
            value = most * i / 4
            self.parts.append(f'<line x1="{left}" x2="{left + self.WIDTH}" y1="{self.y(value):.1f}" '
                              f'y2="{self.y(value):.1f}" class="grid"/><text x="{left - 6}" '
                              f'y="{self.y(value) + 4:.1f}" text-anchor="end">{value:g}{unit}</text>')
        for n in devices:
            self.parts.append(f'<text x="{self.x(n):.1f}" y="{top + self.HEIGHT + 16}" '
                              f'text-anchor="middle">{n}</text>')
        self.parts.append(f'<text x="{left + self.WIDTH / 2}" y="{top + self.HEIGHT + 34}" '
                          'text-anchor="middle">devices</text>')

    def x(self, n):
        return self.left + self.WIDTH * math.log(n / self.devices[0], self.devices[-1] / self.devices[0])

    def y(self, value):
        return self.top + self.HEIGHT * (1 - value / self.most)

    def line(self, points, colour, dash):
        path = " ".join(f"{self.x(n):.1f},{self.y(v):.1f}" for n, v in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          f'stroke-width="2" stroke-dasharray="{dash}"/>')


def round_up(value):
    for step in (1, 2, 4, 10, 20, 40, 100, 200, 400, 1000):
        if value <= step:
            return step
    return value


def plot(cases, path):
    devices = [row["devices"] for row in cases[0]["by_devices"]]
    fastest = max(row["speedup"] for c in cases for row in c["by_devices"])
    left = Panel(60, 50, "efficiency: speed by the sum of capacities", 100, "%", devices)
    right = Panel(540, 50, "speed over one device of capacity 1", round_up(fastest), "x", devices)
    key = []
    for i, c in enumerate(cases):
        colour, dash = COLOURS[c["schedule"]], DASHES[c["model"]]
        left.line([(r["devices"], 100 * r["efficiency"]) for r in c["by_devices"]], colour, dash)
        right.line([(r["devices"], r["speedup"]) for r in c["by_devices"]], colour, dash)
        x = 60 + 235 * i
        key.append(f'<line x1="{x}" x2="{x + 30}" y1="375" y2="375" stroke="{colour}" '
                   f'stroke-width="2" stroke-dasharray="{dash}"/><text x="{x + 36}" y="379">'
                   f'{c["model"]}, {c["schedule"]}: pays to {c["stops_paying"]:g}</text>')
    with open(path, "w", encoding="utf-8") as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 400" '
                'font-family="sans-serif" font-size="12">\n<style>.title{font-weight:bold;'
                'font-size:14px}.grid{stroke:#ddd}</style>\n'
                '<rect width="1000" height="400" fill="white"/>\n')
        f.write("\n".join(left.parts + right.parts + key))
        f.write("\n</svg>\n")


def print_table(doc):
    print(f"planner and schedules in virtual time, medians over {doc['seeds']} drawn clusters; commit "
          f"{doc['commit']}")
    for c in doc["cases"]:
        print(f"\n{c['model']}, {c['schedule']}: pays up to {c['stops_paying']:g} devices\n"
              "devices stages  speed efficiency over equal  plan s (worst)  virtual/predicted (worst)")
        for r in c["by_devices"]:
            equal = f"{r['over_equal']:10.2f}" if r["over_equal"] else " " * 10
            print(f"{r['devices']:7} {r['stages']:6g} {r['speedup']:6.1f} {100 * r['efficiency']:9.1f}% "
                  f"{equal} {r['plan_seconds']:7.3f} ({r['worst_plan_seconds']:.2f}){'' if r['exact'] else ' ~'}"
                  f"   {r['virtual_over_predicted']:6.3f} ({r['worst_virtual_over_predicted']:.2f})")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--seeds", type=int, default=9, help="drawn clusters")
    p.add_argument("--plot", metavar="FILE.svg", help="write a plot")
    p.add_argument("--quick", action="store_true", help="three clusters of up to 16 devices")
    a = p.parse_args()
    devices = [n for n in DEVICES if n <= 16] if a.quick else DEVICES
    seeds = 3 if a.quick else a.seeds
    cases = summarize([derive(row) for row in measure(seeds, devices)])
    doc = common.document("scale", seeds=seeds, cases=cases)
    if a.plot:
        plot(cases, a.plot)
    if a.json:
        common.print_json(doc)
    else:
        print_table(doc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
