"""lenet5 learns Fashion-MNIST, and the exported model is what was trained."""
import json
import os
import subprocess
import sys
import unittest

from cluster import ROOT, Cluster

SETS = {"training.model": "lenet5", "training.batch": 64, "training.micro_batches": 2,
        "training.epochs": 6, "training.steps": 0, "training.optimizer.weight_decay": 0.0005,
        "training.lr.kind": "cosine", "training.lr.base": 0.05, "training.lr.warmup": 100}


class Learns(unittest.TestCase):
    def test_lenet5(self):
        with Cluster(2, SETS) as c:
            summary = c.train(seconds=280)
            self.assertEqual(summary["steps"], 6 * (60000 // 64))
            self.assertGreaterEqual(summary["test_accuracy"], 0.90)
            self.check_export(c.latest("model.safetensors"), summary)

    def check_export(self, path, summary):
        program = os.path.join(ROOT, "tests", "torch", "load_safetensors.py")
        done = subprocess.run([sys.executable, program, path, "lenet5"], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode == 77:
            self.skipTest("python3-torch is not installed: the export is not evaluated")
        self.assertEqual(done.returncode, 0, done.stderr)
        accuracy = json.loads(done.stdout)["accuracy"]
        # Rounding may decide a sample or two of the 10,000 otherwise.
        self.assertLessEqual(abs(accuracy - summary["test_accuracy"]), 0.0005)


if __name__ == "__main__":
    unittest.main(verbosity=2)
