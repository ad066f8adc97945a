#!/usr/bin/env python3
"""Keeps the shape of the tree: who may include whom, who owns which library, how files look.

    tests/lint/lint.py [--root DIR] [--no-format]

Prints one line per violation, PATH:LINE: RULE: what to do. Exit 0: none; 1: some.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

TOP_LEVEL = {
    "meson.build", "meson_options.txt", "README.md", "LICENSE", "dev", ".ci", ".clang-format",
    ".gitignore", "docs", "examples", "runtime", "kernels", "net", "ctl", "tests", "perf",
}

# Folder (the longest that matches decides) -> what its files may include: a folder's files, or one
# header. tests and perf may include everything.
ARROWS = {
    "runtime/base": ["runtime/base/"],
    "kernels": ["kernels/", "runtime/base/"],
    "net": ["net/", "runtime/base/"],
    "ctl": ["ctl/", "net/", "runtime/base/", "kernels/model.h", "kernels/isa.h",
            "runtime/checkpoint_dir.h"],
    "runtime": ["runtime/", "kernels/", "net/", "ctl/config.h", "ctl/config_model.h", "ctl/cores.h", "ctl/drill.h",
                "ctl/jsonrpc.h",
                "ctl/protocol.h", "ctl/protocol_fields.h"],
    "tests": [""],
    "perf": [""],
}

# A system header -> the only paths that may include it.
OWNERS = [
    (re.compile(r"dnnl(_\w+)?\.h$"), re.compile(r"kernels/onednn\w*\.c$"), "kernels/onednn*.c"),
    (re.compile(r"rte_\w+\.h$"), re.compile(r"net/dpdk/"), "net/dpdk/"),
]
SINGLE_OWNER = re.compile(r"liburing\.h$")  # whichever file that is

CLOCK_FILE = "runtime/base/clock.c"
CLOCK_READ = re.compile(
    r"\b(clock_gettime|clock_nanosleep|gettimeofday|timespec_get|time|times|clock|nanosleep|usleep"
    r"|sleep|__rdtscp?|_rdtsc|rte_rdtsc\w*|rte_get_\w*(tsc|timer)\w*)\s*\("
)
STUB = re.compile(r"\b(TODO|FIXME|XXX)\b")
STRUCT_TYPEDEF = re.compile(r"^\s*typedef\s+(struct|union|enum)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
)
MAX_LINES = 500
TEXT_SUFFIXES = (".c", ".h", ".py", ".sh", ".md", ".yaml", ".build", ".txt")


def files_below(root):
    """Relative paths of the tree's own files, sorted."""
    for folder, folders, names in os.walk(root):
        at = os.path.relpath(folder, root)
        folders[:] = sorted(
            f for f in folders
            if f not in (".git", "__pycache__") and not (at == "." and f.startswith("build"))
        )
        for name in sorted(names):
            path = os.path.normpath(os.path.join(at, name))
            if os.path.isfile(os.path.join(root, path)) and path != ".git":
                yield path


def without_comments(text):
    """Comments and strings blanked, lines kept."""
    return COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def allowed_includes(path):
    for folder in sorted(ARROWS, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder, ARROWS[folder]
    return None, []


def check_include(path, line, form, header):
    for pattern, owner, name in OWNERS:
        if pattern.search(header) and not owner.match(path):
            yield path, line, "owner", f"{header} is for {name} only"
    if form != '"':
        return
    folder, allowed = allowed_includes(path)
    if not any(header.startswith(a) if a.endswith("/") or not a else header == a for a in allowed):
        yield path, line, "arrow", f"{folder} must not include {header}"


def check_c(path, text):
    code = without_comments(text)
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            yield from check_include(path, number, *include.groups())
    for number, line in enumerate(code.splitlines(), 1):
        read = CLOCK_READ.search(line)
        if read and path != CLOCK_FILE:
            yield path, number, "clock", f"{read.group(1)}() is for {CLOCK_FILE} only"
        if STRUCT_TYPEDEF.match(line):
            yield path, number, "typedef", "write struct x, without a typedef"
    if path.endswith(".h") and not text.startswith("/*"):
        yield path, 1, "header", "a header begins with a comment that says what it is for"


def check_text(path, text):
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        yield path, MAX_LINES, "length", f"{len(lines)} lines: a file has at most {MAX_LINES}"
    if not path.startswith("tests/lint/"):
        for number, line in enumerate(lines, 1):
            if STUB.search(line):
                yield path, number, "stub", "do it or leave it out"


def check_tree(root):
    paths = list(files_below(root))
    for entry in sorted({p.split(os.sep)[0] for p in paths} - TOP_LEVEL):
        yield entry, 1, "layout", "not a known top-level entry"
    uring = []
    for path in paths:
        if not path.endswith(TEXT_SUFFIXES) and path not in ("dev", ".ci/run"):
            continue
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = f.read()
        yield from check_text(path, text)
        if path.endswith((".c", ".h")):
            yield from check_c(path, text)
            if re.search(r"#\s*include\s*<liburing\.h>", text):
                uring.append(path)
    for path in uring[1:]:
        yield path, 1, "owner", f"liburing.h is for one file only, and {uring[0]} includes it"


def check_format(root):
    """clang-format decides; nothing is found where it is not installed."""
    program = shutil.which("clang-format") or shutil.which("clang-format-14")
    if not program:
        print("lint: clang-format is not installed: the format is not checked", file=sys.stderr)
        return
    paths = [p for p in files_below(root) if p.endswith((".c", ".h"))]
    if not paths:
        return
    done = subprocess.run([program, "--dry-run", "-Werror", *paths], cwd=root, text=True,
                          stderr=subprocess.PIPE, check=False)
    seen = set()
    for match in re.finditer(r"^(\S+?):(\d+):\d+: error", done.stderr, re.MULTILINE):
        if match.group(1) not in seen:  # the first line of each file is enough
            seen.add(match.group(1))
            yield match.group(1), int(match.group(2)), "format", "run ./dev fmt"
    if done.returncode and not seen:
        yield ".clang-format", 1, "format", done.stderr.strip()


def main():
    parser = argparse.ArgumentParser(description="Checks the shape of the source tree.")
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(here)))
    parser.add_argument("--no-format", action="store_true", help="leave clang-format out")
    options = parser.parse_args()
    found = list(check_tree(options.root))
    if not options.no_format:
        found += check_format(options.root)
    for path, line, rule, text in found:
        print(f"{path}:{line}: {rule}: {text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
