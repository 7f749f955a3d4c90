"""Rust sources as text: comments, strings, tests and functions told apart, as far as checks of house rules need it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# What may begin at some place in Rust code and is not code: comments, strings, characters.
TOKEN = re.compile(
    r"""
    (?P<line>//[^\n]*)
  | (?P<block>/\*)
  | (?P<raw>b?c?r(?P<hash>\#*)")
  | (?P<string>b?c?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\(?:u\{[^}]*\}|x[0-9a-fA-F]{2}|.)|[^'\\\n])')
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    """,
    re.VERBOSE | re.DOTALL,
)


def blank(text: str) -> str:
    """Spaces in the place of everything but line ends."""
    return re.sub(r"[^\n]", " ", text)


def split(text: str) -> tuple[str, str]:
    """The text without comments; and without comments and the insides of strings. Places stay the same."""
    with_strings, code, at = [], [], 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            with_strings.append(text[at])
            code.append(text[at])
            at += 1
            continue
        end = token.end()
        if token["block"]:
            depth, end = 1, token.end()
            while depth and end < len(text):
                opens, closes = text.startswith("/*", end), text.startswith("*/", end)
                depth += opens - closes
                end += 2 if opens or closes else 1
        elif token["raw"]:
            close = text.find('"' + token["hash"], token.end())
            end = len(text) if close < 0 else close + 1 + len(token["hash"])
        piece = text[at:end]
        if token["line"] or token["block"]:
            with_strings.append(blank(piece))
            code.append(blank(piece))
        elif token["raw"] or token["string"] or token["char"]:
            with_strings.append(piece)
            code.append(piece[0] + blank(piece[1:-1]) + piece[-1])
        else:
            with_strings.append(piece)
            code.append(piece)
        at = end
    return "".join(with_strings), "".join(code)


def closing(code: str, opening: int) -> int:
    """Place behind the brace that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return at + 1
    return len(code)


@dataclass(frozen=True)
class Function:
    """One function with a body."""

    name: str
    line: int
    lines: int


@dataclass(frozen=True)
class Source:
    """One source file."""

    path: Path
    text: str

    @cached_property
    def is_test(self) -> bool:
        """Whether the whole file is tests or benches."""
        parts = self.path.parts
        return "tests" in parts or "benches" in parts or self.path.name == "tests.rs"

    @cached_property
    def _split(self) -> tuple[str, str]:
        return split(self.text)

    @cached_property
    def with_strings(self) -> str:
        """Without comments."""
        return self._split[0]

    @cached_property
    def code(self) -> str:
        """Without comments and the insides of strings."""
        return self._split[1]

    @cached_property
    def tests(self) -> list[tuple[int, int]]:
        """Where tests stand: items under `#[cfg(test)]` and `#[test]`."""
        if self.is_test:
            return [(0, len(self.text))]
        ranges = []
        for attribute in re.finditer(r"#\[(?:cfg\(test\)|test|tokio::test)\]", self.code):
            rest = re.compile(r"[{;]").search(self.code, attribute.end())
            if rest:
                end = closing(self.code, rest.start()) if rest[0] == "{" else rest.end()
                ranges.append((attribute.start(), end))
        return ranges

    def without_tests(self, text: str) -> str:
        """`text`, one of the forms of this file, without its tests; places stay the same."""
        for start, end in self.tests:
            text = text[:start] + blank(text[start:end]) + text[end:]
        return text

    @cached_property
    def product(self) -> str:
        """Code that is no test, without comments and the insides of strings."""
        return self.without_tests(self.code)

    @cached_property
    def line_count(self) -> int:
        """Lines without tests."""
        tests = sum(self.text.count("\n", start, end) + 1 for start, end in self.tests)
        return 0 if self.is_test else len(self.text.splitlines()) - tests

    @cached_property
    def functions(self) -> list[Function]:
        """Functions that are no tests."""
        found = []
        for head in re.finditer(r"\bfn\s+(\w+)", self.product):
            body = re.compile(r"[{;]").search(self.product, head.end())
            # An array type in the signature has a semicolon of its own.
            while body and body[0] == ";" and self.product.count("[", head.end(), body.start()) > self.product.count(
                "]", head.end(), body.start()
            ):
                body = re.compile(r"[{;]").search(self.product, body.end())
            if body and body[0] == "{":
                end = closing(self.product, body.start())
                line = self.line_of(head.start())
                found.append(Function(head[1], line, self.line_of(end - 1) - line + 1))
        return found

    def line_of(self, place: int) -> int:
        """Line of a place, from 1."""
        return self.text.count("\n", 0, place) + 1
