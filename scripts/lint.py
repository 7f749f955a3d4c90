#!/usr/bin/env python3
"""Checks of house rules that no other tool makes, and the figures that go with them.

Directions between crates, purity, size budgets, panics, shells, names of the lab, suppressions, unsafe code. Exits with 1 and
one line for each violation if there is one.
"""

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rust_text import Source

ROOT = Path(__file__).resolve().parent.parent

# Which crates a crate may use: the table of the design. Development dependencies are free.
CRATES = {
    "skoop-model": set(),
    "skoop-sim": {"skoop-model"},
    "skoop-cni": {"skoop-model", "skoop-sim"},
    "skoop-cloud": {"skoop-model"},
    "skoop-collect": {"skoop-model"},
    "skoop-probe": {"skoop-model"},
    "skoop": {"skoop-model", "skoop-sim", "skoop-cni", "skoop-cloud", "skoop-collect", "skoop-probe"},
    "skoop-lab": {"skoop-model", "skoop-sim", "skoop-collect", "skoop"},
    "skoop-console": {"skoop-model", "skoop"},
    "skoop-cli": {"skoop-model", "skoop", "skoop-console", "skoop-lab"},
    "skoop-exporter": {"skoop-model", "skoop", "skoop-probe", "skoop-collect"},
    "skoop-py": {"skoop-model", "skoop"},
    "skoop-examples": {"skoop-model", "skoop"},
}

# Crates and modules that do no IO, read no clock, use no async and start no thread.
PURE_CRATES = ["skoop-model", "skoop-sim", "skoop-cni", "skoop-cloud"]
PURE_MODULES = ["skoop/src/engine", "skoop/src/render", "skoop/src/findings", "skoop/src/walk"]
# The door of a pure crate to the world, behind a feature.
IMPURE_MODULES = ["skoop-cloud/src/client"]
IMPURE = re.compile(
    r"\bstd::(?:fs|process|thread|env|os)\b"
    r"|\bstd::\{[^}]*\b(?:fs|process|thread|env|os)\b"
    r"|\bstd::net::(?:\w+::)*(?:Tcp|Udp|ToSocketAddrs)"
    r"|\b(?:TcpStream|TcpListener|UdpSocket|Instant|SystemTime)\b"
    r"|\bstd::io::(?:stdin|stdout|stderr)\b"
    r"|\b(?:tokio|kube|k8s_openapi|rtnetlink|netlink_\w+|rustix|socket2|reqwest|hyper|axum|aya)::"
    r"|\basync\s+(?:fn|move|\{)|\.await\b"
    r"|\b(?:println|print|eprintln|eprint)!"
)
IMPURE_PACKAGE = re.compile(
    r"^(?:tokio|kube(?:-\w+)*|k8s-openapi|rtnetlink|netlink-.*|nftnl|rustix|nix|mio|socket2|hyper|reqwest|axum|aya|futures)$"
)

# Crates in which unsafe code has its place.
UNSAFE_CRATES = {"skoop-collect", "skoop-probe", "skoop-lab", "skoop-py"}

FILE_LINES = 500
FUNCTION_LINES = 60

PANICS = re.compile(r"\.unwrap\(\)|\b(?:panic|todo|unimplemented|dbg)!")
SHELL = re.compile(
    r'Command::new\(\s*"(?:[\w/]*/)?(?:ba|da|z|k|a)?sh"|"(?:[\w/]*/)?(?:ba|da|z|k|a)?sh"\s*,\s*"-\w*c"|\b(?:ba|da|z)?sh -c\b'
)
SUPPRESSION = re.compile(r"#!?\[(?:cfg_attr\([^\]]*?,\s*)?(allow|expect)\(([^\]]*)\]", re.DOTALL)


class Lint:
    """Violations found so far, by check."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.counts: dict[str, int] = {}

    def add(self, check: str, where: str, what: str) -> None:
        """Notes a violation."""
        self.violations.append(f"{where}: {what}")
        self.counts[check] = self.counts.get(check, 0) + 1


def cargo(*arguments: str) -> str:
    """Output of cargo."""
    done = subprocess.run(["cargo", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"cargo {' '.join(arguments)}:\n{done.stderr}")
    return done.stdout


def matches(source: Source, text: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Where in a file a pattern is found, and what is found."""
    for found in pattern.finditer(text):
        yield f"{source.path}:{source.line_of(found.start())}", " ".join(found[0].split())


def check_directions(lint: Lint, packages: list[dict]) -> None:
    """An arrow between crates may only point down."""
    for package in packages:
        name = package["name"]
        if name not in CRATES:
            lint.add("edges", f"{name}", "a crate that scripts/lint.py does not know: add it to CRATES")
            continue
        for dependency in package["dependencies"]:
            used = dependency["name"]
            if used.startswith("skoop") and dependency["kind"] != "dev" and used not in CRATES[name]:
                lint.add("edges", name, f"may not use {used}")


def check_trees(lint: Lint, packages: list[dict]) -> None:
    """No crate below a pure crate does IO."""
    for name in sorted({package["name"] for package in packages} & set(PURE_CRATES)):
        tree = cargo("tree", "--locked", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}")
        for used in sorted({line.split()[0] for line in tree.splitlines() if line}):
            if IMPURE_PACKAGE.match(used):
                lint.add("impure", name, f"depends on {used}")


def is_pure(path: Path) -> bool:
    """Whether a file must do no IO."""
    text = path.as_posix()

    def below(folder: str) -> bool:
        return text.startswith(folder + "/") or text == folder + ".rs"

    pure = any(below(f"{crate}/src") for crate in PURE_CRATES) or any(below(module) for module in PURE_MODULES)
    return pure and not any(below(module) for module in IMPURE_MODULES)


def check_source(lint: Lint, source: Source) -> None:
    """The rules that one file must keep."""
    where = source.path.as_posix()
    if is_pure(source.path) and not source.is_test:
        for place, what in matches(source, source.product, IMPURE):
            lint.add("impure", place, f"`{what}` in pure code")
    if source.line_count > FILE_LINES:
        lint.add("files", where, f"{source.line_count} lines without tests, {FILE_LINES} at most")
    for function in source.functions:
        if function.lines > FUNCTION_LINES:
            text = f"`{function.name}` has {function.lines} lines, {FUNCTION_LINES} at most"
            lint.add("functions", f"{where}:{function.line}", text)
    for place, what in matches(source, source.product, PANICS):
        lint.add("panics", place, f"`{what}` outside of tests")
    for place, what in matches(source, source.with_strings, SHELL):
        lint.add("shells", place, f"a shell: {what}")
    for found in SUPPRESSION.finditer(source.code):
        place = f"{where}:{source.line_of(found.start())}"
        if "reason" not in found[2]:
            lint.add("suppressions", place, f"`{found[1]}` without a reason")
    for place, what in matches(source, source.code, re.compile(r"#\[ignore\]")):
        lint.add("suppressions", place, f"`{what}` without a reason")
    check_unsafe(lint, source)


def check_unsafe(lint: Lint, source: Source) -> None:
    """Unsafe code has its crates, and says why it is sound."""
    lines = source.text.splitlines()
    for found in re.finditer(r"\bunsafe\s*(?:\{|impl\b|fn\b|extern\b)", source.code):
        line = source.line_of(found.start())
        place = f"{source.path}:{line}"
        if source.path.parts[0] not in UNSAFE_CRATES:
            lint.add("unsafe", place, "unsafe code in a crate that has none")
        if not any("SAFETY:" in text for text in lines[max(0, line - 6) : line]):
            lint.add("unsafe", place, "unsafe code without a SAFETY comment")


def lab_names() -> set[str]:
    """Ids of scenarios and names of topologies."""
    scenarios = sorted((ROOT / "skoop-lab/scenarios").glob("**/*.toml"))
    names = {path.stem for path in scenarios}
    for path in scenarios:
        names |= set(re.findall(r'^topology\s*=\s*"([^"]+)"', path.read_text(), re.MULTILINE))
    return {name for name in names if "-" in name}


def check_lab_names(lint: Lint, sources: list[Source]) -> None:
    """What the lab calls its cases is nobody else's business: code that knew them could cheat."""
    names = lab_names()
    if not names:
        return
    pattern = re.compile(r"(?<![\w-])(?:" + "|".join(sorted(map(re.escape, names), reverse=True)) + r")(?![\w-])")
    for source in sources:
        if source.path.parts[0] != "skoop-lab":
            for place, what in matches(source, source.text, pattern):
                lint.add("lab names", place, f"`{what}` is a name of the lab's")


def figures(sources: list[Source], lint: Lint) -> None:
    """The figures to keep, against their targets."""
    files = sorted(source.line_count for source in sources if not source.is_test)
    functions = sorted(function.lines for source in sources for function in source.functions)
    lines = sum(len(source.text.splitlines()) for source in sources)

    def spread(values: list[int], high: int) -> str:
        if len(values) < 2:
            return "-"
        return f"{statistics.median(values):.0f} / {statistics.quantiles(values, n=100)[high - 1]:.0f} / {values[-1]}"

    rows = [
        ("files; lines of Rust, tests included", f"{len(sources)}; {lines}", ""),
        ("lines per file without tests: median / p90 / max", spread(files, 90), "150 / 350 / 500"),
        ("lines per function: median / p95 / max", spread(functions, 95), "5 / 30 / 60"),
        ("unwrap and panic in non-test code", lint.counts.get("panics", 0), "0"),
        ("unsafe without SAFETY, or out of place", lint.counts.get("unsafe", 0), "0"),
        ("suppressions without a reason", lint.counts.get("suppressions", 0), "0"),
        ("forbidden crate edges", lint.counts.get("edges", 0), "0"),
        ("impure calls and crates in pure crates", lint.counts.get("impure", 0), "0"),
        ("shells; names of the lab's outside of it", lint.counts.get("shells", 0) + lint.counts.get("lab names", 0), "0"),
    ]
    print(f"{'figure':<50} {'is':>16}   target")
    for name, value, target in rows:
        print(f"{name:<50} {value!s:>16}   {target}")


def main() -> int:
    lint = Lint()
    packages = json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["packages"]
    check_directions(lint, packages)
    check_trees(lint, packages)
    folders = sorted({Path(package["manifest_path"]).parent for package in packages})
    paths = sorted(path for folder in folders for path in folder.glob("**/*.rs") if "target" not in path.parts)
    sources = [Source(path.relative_to(ROOT), path.read_text()) for path in paths]
    for source in sources:
        check_source(lint, source)
    check_lab_names(lint, sources)
    figures(sources, lint)
    for violation in lint.violations:
        print(violation, file=sys.stderr)
    return 1 if lint.violations else 0


if __name__ == "__main__":
    sys.exit(main())
