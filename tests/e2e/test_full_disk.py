"""The disk of the run's directory is full for a while: training goes on, and its result does not know of
it. Needs root, to mount a small one."""
import contextlib
import os
import re
import subprocess
import unittest

from cluster import LENET5, Cluster, Undisturbed, wait_for


@contextlib.contextmanager
def small_disk(path, size):
    os.makedirs(path)
    os.chmod(path, 0o777)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """To the last byte."""
    with open(path, "ab", buffering=0) as f:
        with contextlib.suppress(OSError):
            while f.write(b"full" * 1024):
                pass


@unittest.skipIf(os.geteuid() != 0, "a small disk needs root")
class FullDisk(Undisturbed):
    SETS = {**LENET5, "training.steps": 1200, "training.cuts": "2,4", "snapshot.every": 10,
            "snapshot.global_every": 30, "checkpoint.every": 20}

    def n_rows(self, c):
        return c.loss().count(b"\n") - 1

    def waits(self, c):
        """Lines that are not in their files, or what comes after the journal."""
        page = c.scrape(c.port + 1)
        return any(float(re.search(fr"^ftp_{name} (\S+)$", page, re.MULTILINE)[1])
                   for name in ("unwritten_bytes", "journal_wait_seconds"))

    def log(self, c):
        with open(c.latest("log"), encoding="utf-8") as f:
            return f.read()

    @contextlib.contextmanager
    def full(self, sets, is_full):
        """The cluster, and how many losses are in the file."""
        with Cluster(3, {**self.SETS, **sets}) as c, small_disk(c.data_dir, "256m"):
            filler = os.path.join(c.data_dir, "filler")
            c.follow()
            c.wait_for_steps(30)

            def full():  # others give back what they took
                fill(filler)
                return is_full(c)
            wait_for("lines that wait", full, 30)
            yield c, self.n_rows(c)
            os.unlink(filler)
            wait_for("the losses", lambda: not self.waits(c), 10)
            self.check_end(c)
            self.assertIn("there is room again", self.log(c))

    def test_it_is_filled_and_emptied(self):
        """Checkpoints that find no room make some for a moment."""
        with self.full({}, self.waits) as (c, n_rows):
            self.assertEqual(c.wait_for_steps(n_rows + 60)["state"], "training")

    def test_older_snapshots_are_kept(self):
        """None whose losses could be lost takes the place of one whose losses are not."""
        def losses_wait(c):  # the last block of their file is full too
            return c.status()["step"] > self.n_rows(c) + 10
        with self.full({"checkpoint.every": 0}, losses_wait) as (c, n_rows):
            before = c.wait_for_steps(n_rows + 40)["snapshot"]["stable_step"]
            self.assertEqual(c.wait_for_steps(n_rows + 90)["snapshot"]["stable_step"], before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
