"""Each daemon serves metrics that Prometheus' own lint accepts, and they tell what happens."""
import os
import re
import shutil
import subprocess
import unittest

from cluster import LENET5, ROOT, Cluster, wait_for

COORDINATOR = ["ftp_build_info", "ftp_steps_total", "ftp_samples_total", "ftp_loss",
               "ftp_samples_per_second", "ftp_plan_term", "ftp_node_up", "ftp_node_silence_ratio",
               "ftp_snapshot_step", "ftp_snapshot_age_steps", "ftp_snapshots_skipped_total"]
# Whatever their full names are: what the operator asks about.
NODE_SUBJECTS = ["compute", "wait", "bytes", "retransmit", "cop(y|ied|ies)", "reorder", "memory", "snapshots",
                 "replica_bytes"]


def promtool():
    fetched = os.path.join(ROOT, "build", "promtool", "usr", "bin", "promtool")
    return fetched if os.path.exists(fetched) else shutil.which("promtool")


def value_of(page, family):
    """The sum over the family's series."""
    return sum(float(v) for v in re.findall(rf"^{family}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3, {**LENET5, "training.steps": 10000000})
        cls.cluster.follow()
        cls.cluster.wait_for_steps(50)
        first = cls.cluster.port + 1
        cls.pages = {n: cls.cluster.scrape(first + n) for n in range(4)}  # 0: the coordinator

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def test_families(self):
        for family in COORDINATOR:
            self.assertRegex(self.pages[0], rf"(?m)^# TYPE {family} (counter|gauge)$")
        for n in range(1, 4):
            for subject in NODE_SUBJECTS:
                self.assertRegex(self.pages[n], rf"(?m)^# TYPE ftp_\w*{subject}\w* (counter|gauge)$")

    def test_they_move(self):
        later = wait_for("steps", lambda: self.moved("ftp_steps_total"), 20)
        self.assertGreater(value_of(later, "ftp_steps_total"), 3)
        self.assertGreater(value_of(later, "ftp_samples_total"), 3 * 64)

    def moved(self, family):
        page = self.cluster.scrape(self.cluster.port + 1)
        return page if value_of(page, family) > value_of(self.pages[0], family) else None

    def test_nodes_are_up(self):
        self.assertEqual(value_of(self.pages[0], "ftp_node_up"), 3)

    def test_lint(self):
        program = promtool()
        if not program:
            self.skipTest("promtool is not there: ./dev setup test fetches it")
        for n, page in self.pages.items():
            done = subprocess.run([program, "check", "metrics"], input=page, text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual((done.returncode, done.stdout), (0, ""), f"daemon {n}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
