#!/usr/bin/env python3
"""./dev test: builds with gcc, with clang and with sanitizers, runs the suites, and counts.

    tests/run.py [SUITE...]

Without arguments: every suite under gcc, most of the unit suites under clang, and under ASan and
UBSan. With arguments: those suites, under gcc. The last line is `N passed, N failed` (`, N skipped`
may follow). Exit 0: nothing failed.
"""
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Seconds that a suite may take on two cores; it is said when one takes more.
BUDGET = {"build": 150, "lint": 10, "base": 15, "runtime": 60, "fused": 30, "kernels": 90, "net": 90,
          "ctl": 60, "sim": 90, "torch": 120, "e2e": 360, "sanitized": 90}
DEFAULT_BUDGET = 60
SANITIZED_FACTOR = 3  # on a suite's budget, and on meson's own time limits

SANITIZED = "sanitized"  # those of e2e that run under ASan too
COMPILERS_MATTER = ["base", "fused", "kernels"]
CONFIGURATIONS = [
    # name, build directory, environment, meson options, suites (None: all but SANITIZED)
    ("gcc", "build", {}, [], None),
    # All is compiled; what takes long is run under the other two.
    ("clang", "build-clang", {"CC": "clang"}, [], COMPILERS_MATTER),
    ("asan", "build-asan", {},
     ["-Db_sanitize=address,undefined", "-Dallocator=system", "-Db_lundef=false",
      "-Dbuildtype=debugoptimized"], COMPILERS_MATTER + ["net", "runtime", "ctl", SANITIZED]),
]

ENVIRONMENT = {
    "CMOCKA_MESSAGE_OUTPUT": "STDOUT",
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}

# As cmocka and as Python's unittest say it.
CASE_OK = re.compile(r"^\[ +OK \] |\.\.\. ok$", re.MULTILINE)
CASE_FAILED = re.compile(r"^\[  FAILED  \] (\w+)$|^(?:FAIL|ERROR): (\w+)", re.MULTILINE)
CASE_SKIPPED = re.compile(r"^\[  SKIPPED \] (?!\d+ test)(.+)$|^(.+) \.\.\. skipped ", re.MULTILINE)


class Count:
    """How many cases went which way."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, where, test):
        """One line of meson's log: a program counts by the cases it names, or else as one."""
        output = test.get("stdout", "") + test.get("stderr", "")
        result = test["result"]
        failed = set(CASE_FAILED.findall(output))
        good = result in ("OK", "EXPECTEDFAIL")
        self.skipped += len(set(CASE_SKIPPED.findall(output))) + (result == "SKIP")
        if good:
            self.passed += max(1, len(CASE_OK.findall(output)))
        elif result != "SKIP":
            self.passed += len(CASE_OK.findall(output))
            self.failed += max(1, len(failed))
            self.failures.append((f"{where} {test['name']}", result, output))


def run(command, environment=None, **options):
    return subprocess.run(command, cwd=ROOT, check=False,
                          env={**os.environ, **ENVIRONMENT, **(environment or {})}, **options)


def report(what, seconds, budget, text=""):
    over = "  OVER BUDGET" if seconds > budget else ""
    print(f"{what:<18} {seconds:6.1f} s of {budget:4d} s  {text}{over}", flush=True)


def build(name, directory, environment, options):
    """True when it could be built."""
    begin = time.monotonic()
    commands = [["ninja", "-C", directory, "--quiet"]]
    if not os.path.exists(os.path.join(ROOT, directory, "build.ninja")):
        commands.insert(0, ["meson", "setup", directory, *options])
    for command in commands:
        done = run(command, environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print(done.stdout[-6000:])
            report(f"{name} build", time.monotonic() - begin, BUDGET["build"], "FAILED")
            return False
    report(f"{name} build", time.monotonic() - begin, BUDGET["build"])
    return True


def suites_of(directory):
    """The suites that this build knows, in the order of their definition."""
    done = run(["meson", "introspect", "--tests", directory], stdout=subprocess.PIPE, text=True)
    found = []
    for test in json.loads(done.stdout):
        for suite in test["suite"]:
            name = suite.split(":")[-1]
            if name not in found:
                found.append(name)
    return found


def run_suite(name, directory, suite, count):
    factor = SANITIZED_FACTOR if name == "asan" else 1
    log = os.path.join(ROOT, directory, "meson-logs", f"dev-{suite}.json")
    if os.path.exists(log):
        os.unlink(log)
    passed, failed = count.passed, count.failed
    begin = time.monotonic()
    run(["meson", "test", "-C", directory, "--no-rebuild", "--suite", suite, "--logbase",
         f"dev-{suite}", "-t", str(factor)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tests = []
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as f:
            tests = [json.loads(line) for line in f]
    if not tests:
        tests = [{"name": suite, "result": "ERROR", "stdout": "meson test gave no results"}]
    for test in tests:
        count.add(f"{name} {suite}:", test)
    report(f"{name} {suite}", time.monotonic() - begin,
           factor * BUDGET.get(suite, DEFAULT_BUDGET),
           f"{count.passed - passed} passed, {count.failed - failed} failed")


def run_configuration(configuration, wanted, count):
    name, directory, environment, options, unit = configuration
    if not build(name, directory, environment, options):
        count.failed += 1
        count.failures.append((f"{name} build", "ERROR", ""))
        return
    suites = [s for s in suites_of(directory) if (s != SANITIZED if unit is None else s in unit)]
    for suite in wanted:
        if suite not in suites:
            sys.exit(f"tests/run.py: no suite '{suite}'; there are: {' '.join(suites)}")
    for suite in wanted or suites:
        run_suite(name, directory, suite, count)


def main():
    wanted = sys.argv[1:]
    count = Count()
    begin = time.monotonic()
    for configuration in CONFIGURATIONS[:1] if wanted else CONFIGURATIONS:
        run_configuration(configuration, wanted, count)
    for name, result, output in count.failures:
        print(f"\n--- {name}: {result}\n{output[-8000:]}")
    print(f"\ntotal {time.monotonic() - begin:.0f} s of 1500 s")
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    print(f"{count.passed} passed, {count.failed} failed{skipped}")
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
