"""A cgroup per machine in every hierarchy that the host has mounted, of either version."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PARENT = "skoop-cluster"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy."""

    path: Path
    kind: str
    """`cgroup` or `cgroup2`."""
    options: str
    """What `mount -o` needs to mount it elsewhere."""


def hierarchies() -> list[Hierarchy]:
    """Those of this host."""
    found = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, path, kind, options, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            known = [word for word in options.split(",") if word not in ("rw", "relatime", "nosuid", "nodev", "noexec")]
            found.append(Hierarchy(Path(path), kind, ",".join(known) if kind == "cgroup" else ""))
    return found


def create(name: str) -> list[Path]:
    """A machine's cgroup in each hierarchy."""
    made = []
    for hierarchy in hierarchies():
        group = hierarchy.path
        for part in (PARENT, name):
            child = group / part
            child.mkdir(exist_ok=True)
            for inherited in ("cpuset.cpus", "cpuset.mems"):
                # Version 1 gives a new cpuset nothing, and then no process may enter it.
                if (child / inherited).exists() and not (child / inherited).read_text(encoding="ascii").strip():
                    (child / inherited).write_text((group / inherited).read_text(encoding="ascii"), encoding="ascii")
            group = child
        made.append(group)
    return made


def remove(name: str) -> None:
    """Removes a machine's cgroups; all of its processes have ended."""
    for hierarchy in hierarchies():
        group = hierarchy.path / PARENT / name
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
        try:
            os.rmdir(hierarchy.path / PARENT)
        except OSError:
            continue  # Another machine's is still there, or none was.
