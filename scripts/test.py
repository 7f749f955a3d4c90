#!/usr/bin/env python3
"""Runs all tests of the workspace and ends with one line: `N passed, N failed, N skipped`.

Tests that need root and network namespaces are marked `#[ignore = "needs root: .."]`. They run where both are there; elsewhere they
are listed with their reason and counted as skipped, never as passed.
"""

import os
import re
import subprocess
import sys

RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
IGNORED = re.compile(r"^test (\S+)(?: .*)? \.\.\. ignored(?:, (.*))?$")
FAILED = re.compile(r"^test (\S+)(?: .*)? \.\.\. FAILED$")


def has_namespaces() -> bool:
    """Whether network namespaces can be made here."""
    if os.geteuid() != 0:
        return False
    try:
        return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class Count:
    """What the test runners reported."""

    def __init__(self) -> None:
        self.passed = self.failed = self.ignored = 0
        self.skipped: list[tuple[str, str]] = []
        self.failures: list[str] = []

    def read(self, line: str) -> None:
        """Takes one line of a runner's output."""
        if result := RESULT.match(line):
            passed, failed, ignored = map(int, result.groups())
            self.passed += passed
            self.failed += failed
            self.ignored += ignored
        elif ignored := IGNORED.match(line):
            self.skipped.append((ignored[1], ignored[2] or "no reason given"))
        elif failed := FAILED.match(line):
            self.failures.append(failed[1])


def run(arguments: list[str], count: Count) -> int:
    """Runs cargo, passes its output on, and counts."""
    print("+ cargo", *arguments, flush=True)
    process = subprocess.Popen(["cargo", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        count.read(line.rstrip("\n"))
    return process.wait()


def main() -> int:
    count = Count()
    namespaces = has_namespaces()
    # Documentation examples that are marked `ignore` are no tests, so that they are run apart.
    tests = ["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests", "--examples", *sys.argv[1:]]
    codes = [
        run([*tests, "--", "--include-ignored"] if namespaces else tests, count),
        run(["test", "--workspace", "--no-fail-fast", "--doc", *sys.argv[1:]], count),
    ]
    print()
    if not namespaces:
        print("no root, or no network namespaces: the tests that need them were skipped")
    for name, reason in sorted(count.skipped):
        print(f"skipped: {name}: {reason}")
    for name in count.failures:
        print(f"failed: {name}")
    # A crate that does not build, or a test that takes its runner down, has no line of its own.
    failed = count.failed or sum(code != 0 for code in codes)
    print(f"{count.passed} passed, {failed} failed, {count.ignored} skipped")
    return 0 if failed == 0 and count.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
