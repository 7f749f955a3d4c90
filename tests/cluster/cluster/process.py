"""Processes that outlive the driver, known by number and start time so that nobody else's is ever taken for one."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from .shell import wait_for


@dataclass(frozen=True)
class Process:
    """One process of this host."""

    number: int
    started: int
    """In clock ticks since boot, as in `/proc/PID/stat`."""

    @classmethod
    def of(cls, number: int) -> Process | None:
        """The process that has this number now, unless it has ended."""
        try:
            stat = Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in parentheses, may hold anything: what follows it starts with the third field.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else cls(number, int(fields[19]))

    @classmethod
    def read(cls, path: Path) -> Process | None:
        """The process that a file names, if it still runs."""
        try:
            saved = cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        return saved if saved.runs() else None

    def write(self, path: Path) -> None:
        """Names itself in a file."""
        path.write_text(json.dumps({"number": self.number, "started": self.started}), encoding="utf-8")

    def runs(self) -> bool:
        """Whether it has not ended."""
        return Process.of(self.number) == self

    def child(self) -> Process | None:
        """Its only child, if it has one yet."""
        try:
            children = Path(f"/proc/{self.number}/task/{self.number}/children").read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        return next((Process.of(int(number)) for number in children.split()), None)

    def kill(self) -> None:
        """Ends it, and waits until it has."""
        if self.runs():
            os.kill(self.number, signal.SIGKILL)
            wait_for(f"the end of process {self.number}", lambda: not self.runs(), 20)
