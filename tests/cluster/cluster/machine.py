"""A machine made of namespaces: own processes, mounts, network, host name and cgroups over the host's files.

Its root is an overlay over the host's, written in memory: two machines may write the same path, nothing that they
write reaches the host, and all of it is gone when its first process ends.
"""

from __future__ import annotations

import shlex
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import cgroups, settings
from .process import Process
from .settings import Member
from .shell import Failed, run, wait_for

KERNEL_DEFAULTS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What kubelet wants to find (`pkg/kubelet/cm`, `setupKernelTunables`). They belong to the whole host, which keeps its own."""

JOIN_CGROUPS = 'for group in /sys/fs/cgroup/*/cgroup.procs; do echo $$ > "$group"; done; exec "$@"'
"""Entering the namespaces of a process does not enter its cgroups."""


class Machine:
    """A member of the cluster as something that runs programs."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.folder = settings.MACHINES / member.name
        self.holder_file = settings.STATE / f"{member.name}.process"

    @property
    def name(self) -> str:
        """Its host name."""
        return self.member.name

    def first(self) -> Process | None:
        """Its process 1."""
        holder = Process.read(self.holder_file)
        return holder.child() if holder else None

    def start(self) -> None:
        """Starts it, unless it runs; its network namespace is there."""
        if self.first():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        ready = self.folder.with_suffix(".ready")
        ready.unlink(missing_ok=True)
        groups = " ".join(shlex.quote(str(group / "cgroup.procs")) for group in cgroups.create(self.name))
        unshare = "unshare --mount --pid --fork --kill-child --uts --ipc --cgroup --propagation private"
        enter = (
            f"for group in {groups}; do echo $$ > $group; done; "
            f'exec nsenter --net=/run/netns/{self.member.netns} {unshare} sh -euc "$1"'
        )
        with open(settings.LOGS / f"{self.name}.boot.log", "w", encoding="utf-8") as log:
            started = subprocess.Popen(
                ["sh", "-euc", enter, "sh", self._boot(ready)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )
        holder = Process.of(started.pid)
        if holder is None:
            raise Failed(f"{self.name} ended at once: see {settings.LOGS}")
        holder.write(self.holder_file)

        def up() -> bool:
            if started.poll() is not None:
                raise Failed(f"{self.name} did not start: {Path(log.name).read_text(encoding='utf-8').strip()}")
            return ready.exists()

        wait_for(f"{self.name} to start", up, 20)
        ready.unlink()

    def stop(self) -> None:
        """Ends it with all that runs in it."""
        first, holder = self.first(), Process.read(self.holder_file)
        if first:
            first.kill()
        if holder:
            # It reaps process 1, and with that ends: killed before, it would leave a zombie in the cgroups.
            wait_for(f"the end of {self.name}", lambda: not holder.runs(), 20)
        cgroups.remove(self.name)
        self.holder_file.unlink(missing_ok=True)

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """The command that runs a command in it."""
        first = self.first()
        if not first:
            raise Failed(f"{self.name} does not run")
        words = [str(word) for word in command]
        return ["nsenter", "--target", str(first.number), "--all", "--", "sh", "-euc", JOIN_CGROUPS, "sh", *words]

    def run(self, command: Sequence[str | Path], text: str | None = None) -> str:
        """Runs a command in it to its end."""
        return run(self.inside(command), text=text)

    def write(self, path: str, text: str) -> None:
        """Writes a file in it."""
        self.run(["sh", "-euc", 'mkdir -p "${1%/*}"; cat > "$1"', "sh", path], text=text)

    def daemon(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Starts a program in it that stays, unless it is there."""
        pidfile = f"/run/daemons/{name}"
        if self.daemon_runs(name):
            return
        settings_text = [f"{key}={value}" for key, value in (environment or {}).items()]
        wrapped = 'mkdir -p /run/daemons; echo $$ > "$1"; shift; exec env "$@"'
        with open(settings.LOGS / f"{self.name}.{name}.log", "a", encoding="utf-8") as log:
            subprocess.Popen(
                self.inside(["sh", "-euc", wrapped, "sh", pidfile, *settings_text, *command]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )

    def daemon_runs(self, name: str) -> bool:
        """Whether a program started by `daemon` is there."""
        alive = f'read -r pid < /run/daemons/{name} && kill -0 "$pid"'
        return bool(self.first()) and subprocess.run(
            self.inside(["sh", "-c", alive]), capture_output=True, check=False
        ).returncode == 0

    def _boot(self, ready: Path) -> str:
        """What its process 1 does before it becomes the one that holds it."""
        root = self.folder / "root"
        lines = [
            f"mount -t tmpfs -o mode=755 {self.name} {self.folder}",
            f"mkdir {self.folder}/upper {self.folder}/work {root}",
            f"mount -t overlay -o lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work {self.name} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount -t sysfs sysfs {root}/sys",
            f"mount --rbind /dev {root}/dev",
            f"mount -t tmpfs -o mode=755 run {root}/run",
            f"mount -t tmpfs -o mode=1777 tmp {root}/tmp",
            f"mount -t tmpfs -o mode=755 cgroup {root}/sys/fs/cgroup",
            f"mount -t bpf bpf {root}/sys/fs/bpf || true",
        ]
        for own in ("var/lib/containerd", "var/lib/kubelet", "var/lib/etcd"):
            # An overlay can't lie on an overlay, nor can kubelet tell what disk one is.
            lines += [f"mkdir -p {self.folder}/{own} {root}/{own}", f"mount --bind {self.folder}/{own} {root}/{own}"]
        for shared in (settings.STATE, settings.CACHE):
            lines += [f"mkdir -p {root}{shared}", f"mount --bind {shared} {root}{shared}"]
        for hierarchy in cgroups.hierarchies():
            place = f"{root}{hierarchy.path}"
            options = f"-o {hierarchy.options} " if hierarchy.options else ""
            lines += [f"mkdir -p {place}", f"mount -t {hierarchy.kind} {options}cgroup {place}"]
        for path, value in KERNEL_DEFAULTS.items():
            stand_in = f"{root}/run/kernel/{path}"
            lines += [
                f"mkdir -p $(dirname {stand_in})", f"echo {value} > {stand_in}",
                f"mount --bind {stand_in} {root}/proc/sys/{path}",
            ]
        hosts = "".join(f"{member.addresses[0]} {member.name}\\n" for member in (settings.CONTROL, *settings.NODES))
        lines += [
            f"cd {root}",
            "mkdir .host", "pivot_root . .host", "cd /", "umount -l /.host", "rmdir /.host",
            "mount --make-rshared /",
            f"hostname {self.name}",
            f"printf '127.0.0.1 localhost\\n::1 localhost\\n{hosts}' > /etc/hosts",
            "rm -f /etc/resolv.conf", "echo '# no servers' > /etc/resolv.conf",
            f"echo {uuid.uuid5(uuid.NAMESPACE_DNS, self.name).hex} > /etc/machine-id",
            "mkdir -p /run/netns /run/lock",
            f": > {ready}",
            f"exec {settings.PROGRAMS}/workload pause",
        ]
        return "\n".join(lines)
