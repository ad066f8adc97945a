"""The disk of the run's directory is full for a while: training goes on, and its result does not know of
it. Needs root, to mount a small one."""
import contextlib
import os
import re
import subprocess
import unittest

from cluster import Cluster, Undisturbed, wait_for


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
    with open(path, "wb", buffering=0) as f:
        with contextlib.suppress(OSError):
            while f.write(b"full" * 1024):
                pass


@unittest.skipIf(os.geteuid() != 0, "a small disk needs root")
class FullDisk(Undisturbed):
    def waiting_bytes(self, c):
        """Of losses and events that are not in their files."""
        return float(re.search(r"^ftp_unwritten_bytes (\S+)$", c.scrape(c.port + 1), re.MULTILINE)[1])

    def log(self, c):
        with open(c.latest("log"), encoding="utf-8") as f:
            return f.read()

    def test_it_is_filled_and_emptied(self):
        with Cluster(3, self.SETS) as c, small_disk(c.data_dir, "256m"):
            filler = os.path.join(c.data_dir, "filler")
            c.follow()
            c.wait_for_steps(30)
            fill(filler)
            wait_for("losses that wait", lambda: self.waiting_bytes(c) > 0, 10)
            n_rows = c.loss().count(b"\n") - 1
            c.wait_for_steps(n_rows + 60)
            self.assertEqual(c.status()["state"], "training")
            os.unlink(filler)
            wait_for("the losses", lambda: self.waiting_bytes(c) == 0, 10)
            self.check_end(c)
            self.assertEqual(len(c.events("plan")), 1)
            self.assertIn("there is room again", self.log(c))


if __name__ == "__main__":
    unittest.main(verbosity=2)
