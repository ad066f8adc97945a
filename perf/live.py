"""A run of ours that a benchmark watches while it trains: steps by the central node's own count, events,
counters; rates between two edges of that count."""
import math
import os
import re
import sys
import time
import urllib.error
import urllib.request

import common

sys.path.insert(0, os.path.join(common.ROOT, "tests", "e2e"))
from cluster import Cluster  # noqa: E402

POLL_S = 0.02
NEVER = 10 ** 9  # steps: the run is stopped when it has been measured


def value(page, family):
    """Of a page of metrics: the first series of the family, 0 if there is none."""
    found = re.search(rf"^{family}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def check_loss(trace):
    """A few steps at either end, as single ones jump."""
    some = max(1, min(8, len(trace) // 4))
    if len(trace) < 2 or not all(map(math.isfinite, trace)) or not (
            sum(trace[-some:]) < sum(trace[:some])):
        raise SystemExit(f"it does not learn: losses {trace[:8]} ... {trace[-8:]}")


class Live:
    """Starts the run; as a context it ends with it."""

    def __init__(self, nodes, sets, *options):
        self.cluster = Cluster(nodes, {"training.steps": NEVER, **sets})
        self.follower = self.cluster.follow(None, *options)
        self.batch = int(sets["training.batch"])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.cluster.close()

    def check_alive(self):
        if self.follower.poll() is not None:
            raise SystemExit(f"the run ended early:\n{self.cluster.said()[-3000:]}")

    def page(self, node):
        port = self.cluster.port + 2 + node
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def steps(self):
        """Of the central node; 0 while it does not serve yet."""
        try:
            return int(value(self.page(0), "ftp_steps_total"))
        except (OSError, urllib.error.URLError):
            return 0

    def edge(self, seconds=120):
        """(when, count) as soon as the count of steps goes up."""
        begin, deadline = self.steps(), time.monotonic() + seconds
        while True:
            now, count = time.monotonic(), self.steps()
            if count > begin:
                return now, count
            if now > deadline:
                raise SystemExit(f"no step in {seconds} s:\n{self.cluster.said()[-3000:]}")
            self.check_alive()
            time.sleep(POLL_S)

    def wait(self, what, condition, seconds):
        """The condition's first true value."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            self.check_alive()
            if time.monotonic() > deadline:
                raise SystemExit(f"{what}: not within {seconds} s:\n{self.cluster.said()[-3000:]}")
            time.sleep(POLL_S)

    def wait_steps(self, n, seconds=240):
        self.wait(f"step {n}", lambda: self.steps() >= n, seconds)

    def events(self, *kinds):
        return self.cluster.events(*kinds)

    def last(self, kind):
        found = self.events(kind)
        return found[-1] if found else None

    def wait_quiet(self, calm_s, seconds=30):
        """Until the plan has not changed for a while, as after the first measurements; no longer than
        that, as on a busy machine it may never come to rest."""
        deadline = time.monotonic() + seconds
        count, since = len(self.events("plan")), time.monotonic()
        while time.monotonic() - since < calm_s and time.monotonic() < deadline:
            time.sleep(0.25)
            self.check_alive()
            if len(self.events("plan")) != count:
                count, since = len(self.events("plan")), time.monotonic()

    def rate(self, seconds, min_steps, tries=4):
        """Samples per second between two edges, at least that far apart; under one plan if one of the
        tries allows it."""
        for _ in range(tries):
            plans = len(self.events("plan"))
            window = common.Window(self.cluster.processes())
            first, first_step = self.edge()
            time.sleep(seconds)
            self.wait_steps(first_step + min_steps - 1)
            last, last_step = self.edge()
            changes = len(self.events("plan")) - plans
            if not changes:
                break
        return {"samples_per_second": (last_step - first_step) * self.batch / (last - first),
                "step_s": (last - first) / (last_step - first_step),
                "steps": last_step - first_step, "plan_changes": changes,
                "foreign": window.foreign()}

    def losses(self):
        rows = self.cluster.loss().decode().splitlines()[1:]
        return [float(row.split(",")[1]) for row in rows]

    def stop(self):
        """Ends it well and checks what it learnt."""
        done = self.cluster.run("stop")
        if done.returncode:
            raise SystemExit(f"it could not be stopped: {done.stderr}")
        self.follower.wait(timeout=30)
        check_loss(self.losses())
