#!/usr/bin/python3
"""The checkpoint writer beside fio on the same disk: time until a put of all units is durable (data, manifest, two
syncs), against fio's best of several ways to overwrite as much past the page cache and sync it. fio overwrites the
writer's own segments: where a file lies decides more than how it is written (one file took 145 ms, another 260, put
after put). Of its four syncs it counts three. Interleaved rounds; ratios are of each round first. Then how much longer
computation takes while everything is stored again and again beside it, in the same thread, with the disk's turn between
pieces of some 0.2 ms."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import common  # noqa: E402

UNITS = 20
FIO = [("psync", "4m", 1), ("io_uring", "256k", 16), ("io_uring", "1m", 8)]
BLOCKS = {"256k": 256 << 10, "1m": 1 << 20, "4m": 4 << 20}  # bytes
ENGINES = ("uring", "thread")
TARGET = 0.8


class Writer:
    """One bench_checkpoint process."""

    def __init__(self, directory, megabytes, engine):
        program = os.path.join(common.BUILD, "perf", "checkpoint", "bench_checkpoint")
        self.directory = os.path.join(directory, engine)
        self.process = subprocess.Popen(
            [program, self.directory, str(UNITS), str(megabytes * 1000000 // UNITS), engine],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.mode = self.process.stdout.readline().strip()
        if not self.mode.startswith("ready"):
            raise SystemExit("bench_checkpoint failed")

    def ask(self, command):
        """Seconds, bytes."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        ns, stored = self.process.stdout.readline().split()
        return int(ns) / 1e9, int(stored)

    def segments(self):
        return [os.path.join(self.directory, f) for f in sorted(os.listdir(self.directory)) if f.startswith("segment")]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def fio(path, engine, block, depth):
    """Bytes a second of overwriting the file, its syncs included."""
    command = ["fio", "--name=w", f"--filename={path}", "--rw=write", f"--bs={block}",
               f"--size={os.path.getsize(path)}", f"--ioengine={engine}", f"--iodepth={depth}", "--direct=1",
               f"--fdatasync={-(-os.path.getsize(path) // BLOCKS[block])}", "--overwrite=1", "--loops=4", "--thread", "--output-format=json"]
    if engine == "io_uring":
        command += ["--fixedbufs=1", "--registerfiles=1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    return job["write"]["bw_bytes"]


def measure_round(writers):
    """Of all of a writer's segments in turn, as its puts do it."""
    row = {"ftpipe": {}, "fio": {}}
    for name, writer in writers.items():
        times = [writer.ask("put") for _ in range(4)]
        row["ftpipe"][name] = sum(size for _, size in times) / sum(seconds for seconds, _ in times)
    paths = writers["uring"].segments()
    for engine, block, depth in FIO:
        rates = [fio(path, engine, block, depth) for path in paths]
        row["fio"][f"{engine} {block} x {depth}"] = statistics.harmonic_mean(rates)
    row["fio_best"] = max(row["fio"].values())
    return row


def measure_work(writer, rounds):
    """Ratio of time with to time without storing, and bytes a second stored meanwhile."""
    pieces = max(1, int(0.5 / (writer.ask("idle 100")[0] / 100)))
    ratios, rates = [], []
    for _ in range(rounds):
        without, _ = writer.ask(f"idle {pieces}")
        seconds, stored = writer.ask(f"work {pieces}")
        ratios.append(seconds / without)
        rates.append(stored / seconds)
    return {"time_ratio": statistics.median(ratios), "bytes_per_second": statistics.median(rates)}


def median_of(rows, group, name):
    return statistics.median(r[group][name] for r in rows)


def print_table(doc):
    print(f"checkpoint writer beside fio, {doc['megabytes']} MB, medians of {len(doc['rounds'])} rounds; "
          f"commit {doc['commit']}")
    for group in ("fio", "ftpipe"):
        for name in doc["rounds"][0][group]:
            rate = median_of(doc["rounds"], group, name)
            print(f"  {group:6} {name:18} {rate / 1e9:6.2f} GB/s")
    print(f"checkpoint_over_fio_best {doc['checkpoint_over_fio_best']:.2f} (target {TARGET})")
    for name, w in doc["while_computing"].items():
        print(f"  computing beside {name}: {100 * (w['time_ratio'] - 1):+.1f} % of time, "
              f"{w['bytes_per_second'] / 1e9:.2f} GB/s stored")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--megabytes", type=int, default=200, help="of one put")
    p.add_argument("--dir", default=os.path.join(common.BUILD, "bench-checkpoint"),
                   help="on the disk to be measured")
    a = p.parse_args()
    if not shutil.which("fio"):
        raise SystemExit("fio is not installed: ./dev setup bench")
    shutil.rmtree(a.dir, ignore_errors=True)
    os.makedirs(a.dir)
    try:
        writers = {name: Writer(a.dir, a.megabytes, name) for name in ENGINES}
        rows = [measure_round(writers) for _ in range(a.rounds)]
        computing = {name: measure_work(writers[name], a.rounds) for name in writers}
        for writer in writers.values():
            writer.end()
    finally:
        shutil.rmtree(a.dir, ignore_errors=True)
    ratio = common.median_ratio([r["ftpipe"]["uring"] for r in rows], [r["fio_best"] for r in rows])
    doc = common.document("checkpoint", megabytes=a.megabytes, rounds=rows,
                          checkpoint_over_fio_best=ratio, target=TARGET, while_computing=computing)
    if a.json:
        common.print_json(doc)
    else:
        print_table(doc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
