"""Other programs, run to their end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Failed(Exception):
    """Something that the cluster needs did not work; the message is for the person who asked for it."""


def run(command: Sequence[str | Path], *, text: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Runs a command to its end and returns what it printed."""
    words = [str(word) for word in command]
    result = subprocess.run(words, input=text, capture_output=True, text=True, check=False, env=environment)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise Failed(f"`{' '.join(words)}` ended with {result.returncode}: {said[-2000:]}")
    return result.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command ends well; what it says does not matter."""
    return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode == 0


def wait_for(what: str, happened: Callable[[], bool], seconds: float) -> None:
    """Asks again and again whether something has happened."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise Failed(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.2)
