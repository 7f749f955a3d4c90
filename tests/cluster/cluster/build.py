"""Builds the cluster's programs with Go, once per set of pinned versions."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import settings
from .settings import CACHE, PROGRAMS, SOURCE
from .shell import Failed

KUBERNETES = "k8s.io/kubernetes"
MODULES: Mapping[str, Mapping[str, str]] = {
    ".": {
        "workload": "./workload",
        "etcd": "go.etcd.io/etcd/server/v3",
        **{f"kube-{name}": f"{KUBERNETES}/cmd/kube-{name}" for name in ("apiserver", "controller-manager", "scheduler", "proxy")},
        **{name: f"{KUBERNETES}/cmd/{name}" for name in ("kubectl", "kubelet")},
        "flanneld": "github.com/flannel-io/flannel",
        "coredns": "./coredns",
        **{
            f"cni/{path.rpartition('/')[2]}": f"github.com/containernetworking/plugins/plugins/{path}"
            for path in ("ipam/host-local", "main/bridge", "main/loopback", "meta/portmap")
        },
    },
    "flannel-cni": {"cni/flannel": "github.com/containernetworking/plugins/plugins/meta/flannel"},
}
"""The package of each program, by the module that pins it."""

WITH_C = ("flanneld",)
"""Its UDP backend is written in C."""


def build() -> None:
    """Builds every program whose module has changed since, or that is not there."""
    for module, packages in MODULES.items():
        for name, package in packages.items():
            _build(SOURCE / module, name, package)


def _build(module: Path, name: str, package: str) -> None:
    program, stamp = PROGRAMS / name, CACHE / "stamps" / name
    wanted = _stamp(module, package)
    if program.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        raise Failed("building the cluster needs Go: no `go` in PATH")
    print(f"building {name}", flush=True)
    flags, environment = _linker_flags(module), {**os.environ, "CGO_ENABLED": "0"}
    if name in WITH_C:
        flags, environment["CGO_ENABLED"] = [*flags, "-linkmode=external", "-extldflags=-static"], "1"
    options = ["-p", str(os.cpu_count() or 1), "-trimpath", "-tags=netgo,osusergo", f"-ldflags={' '.join(flags)}"]
    result = subprocess.run(["nice", go, "build", *options, "-o", program, package], cwd=module, env=environment, check=False)
    if result.returncode != 0:
        raise Failed(f"{name} did not build")
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted, encoding="ascii")


def _stamp(module: Path, package: str) -> str:
    sources = [module / "go.mod", module / "go.sum"]
    if package.startswith("./"):
        sources += sorted((module / package).glob("*.go"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def _linker_flags(module: Path) -> list[str]:
    """Kubernetes learns its version from the linker, and kubelet tells it to the API server."""
    version = re.search(rf"{KUBERNETES} v(\d+)\.(\d+)\.\d+", (module / "go.mod").read_text(encoding="utf-8"))
    flags = ["-s", "-w"]
    if version:
        major, minor = version.groups()
        facts = {"gitVersion": version[0].split()[1], "gitMajor": major, "gitMinor": minor}
        flags += [f"-X k8s.io/component-base/version.{key}={value}" for key, value in facts.items()]
    return flags
