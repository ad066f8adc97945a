"""The lint finds each kind of violation, and nothing in a tree without one."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))

CLEAN = {
    "runtime/base/clock.c": "#include <time.h>\nint f(void)\n{\n\treturn (int)time(0);\n}\n",
    "net/dpdk/eal.c": "#include <rte_eal.h>\n",
    "kernels/onednn.c": '#include <dnnl.h>\n#include "kernels/model.h"\n',
    "runtime/node.c": '#include "ctl/protocol.h"\n#include "net/link.h"\n#include "kernels/stage.h"\n',
    "ctl/ftpctl_ckpt.c": '#include "runtime/checkpoint_dir.h"\n',
    "ctl/planner.c": '#include "kernels/model.h"\n#include "runtime/base/error.h"\n',
    "tests/ctl/test_x.c": '#include "runtime/node.h"\n',
    "runtime/disk.c": "#include <liburing.h>\n",
    "net/a.h": "/* What it is. */\n",
    "net/b.c": '/* time(0) */\nconst char *s = "time(0)";\nint ftp_time(int x);\n',
}

# path, content, what the report must contain
VIOLATIONS = [
    ("net/x.c", '#include "kernels/model.h"\n', "net/x.c:1: arrow"),
    ("net/x.c", '#include "runtime/feed.h"\n', "net/x.c:1: arrow"),
    ("kernels/x.c", '\n#include "net/wire.h"\n', "kernels/x.c:2: arrow"),
    ("runtime/base/x.c", '#include "net/wire.h"\n', "runtime/base/x.c:1: arrow"),
    ("ctl/x.c", '#include "kernels/stage.h"\n', "ctl/x.c:1: arrow"),
    ("ctl/x.c", '#include "runtime/feed.h"\n', "ctl/x.c:1: arrow"),
    ("ctl/x.c", '#include "runtime/uring_disk.h"\n', "ctl/x.c:1: arrow"),
    ("runtime/x.c", '#include "ctl/coordinator.h"\n', "runtime/x.c:1: arrow"),
    ("kernels/stage.c", "#include <dnnl.h>\n", "kernels/stage.c:1: owner"),
    ("kernels/onednn.h", "/* x */\n#include <dnnl_types.h>\n", "kernels/onednn.h:2: owner"),
    ("net/udp.c", "#include <rte_mbuf.h>\n", "net/udp.c:1: owner"),
    ("runtime/other.c", "#include <liburing.h>\n", "runtime/other.c:1: owner"),
    ("net/x.c", "int f(void)\n{\n\treturn clock_gettime(0, 0);\n}\n", "net/x.c:3: clock"),
    ("tests/net/x.c", "long f(void)\n{\n\treturn time(0);\n}\n", "tests/net/x.c:3: clock"),
    ("net/x.h", "#ifndef X\n#endif\n", "net/x.h:1: header"),
    ("net/x.c", "typedef struct x x;\n", "net/x.c:1: typedef"),
    ("net/x.c", "/* TO" + "DO: later */\n", "net/x.c:1: stub"),
    ("net/x.c", "\n" * 501, "net/x.c:500: length"),
    ("docs/long.md", "x\n" * 501, "docs/long.md:500: length"),
    ("scratch/x.c", "\n", "scratch:1: layout"),
    ("notes.txt", "\n", "notes.txt:1: layout"),
]


def run_lint(files, *options):
    with tempfile.TemporaryDirectory() as root:
        for path, content in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(content)
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, "lint.py"), "--root", root, *options],
            stdout=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout


class Lint(unittest.TestCase):
    def test_clean_tree(self):
        self.assertEqual(run_lint(CLEAN, "--no-format"), (0, ""))

    def test_each_violation(self):
        for path, content, expected in VIOLATIONS:
            with self.subTest(path=path, content=content[:40]):
                code, report = run_lint({**CLEAN, path: content}, "--no-format")
                self.assertEqual(code, 1)
                self.assertIn(expected, report)
                self.assertEqual(report.count("\n"), 1, report)

    def test_format(self):
        code, report = run_lint({"net/x.c": "int f( void );\n", ".clang-format": "BasedOnStyle: LLVM\n"})
        if code == 0:
            self.skipTest("clang-format is not installed")
        self.assertIn("net/x.c:1: format: run ./dev fmt", report)


if __name__ == "__main__":
    unittest.main(verbosity=2)
