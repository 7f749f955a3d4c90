"""A node: containerd, the cluster's images in it, and kubelet."""

from __future__ import annotations

import json
from pathlib import Path

from . import addons, image, kubeconfig, pki, settings
from .client import Object
from .machine import Machine
from .settings import CONTROL, PROGRAMS, STATE, Member, both
from .shell import succeeds, wait_for

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CONTAINERD_CONFIG = f"""
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image.reference("pause")}"
  # A process may raise its own badness only, where the host has no CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""

ROOT_LINKS = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
"""With the node's own `/usr` mounted, a program finds `iptables`, and the libraries that it needs, in the usual places."""


def start(member: Member) -> None:
    """Starts what does not run."""
    machine = Machine(member)
    machine.start()
    if not machine.daemon_runs("containerd"):
        machine.write("/etc/containerd/config.toml", CONTAINERD_CONFIG)
        machine.run(["sh", "-euc", f"mkdir -p /opt/cni/bin; cp {PROGRAMS}/cni/* /opt/cni/bin"])
        machine.write("/etc/cni/net.d/10-flannel.conflist", json.dumps(addons.CNI))
        machine.daemon("containerd", ["containerd"])
    wait_for(f"containerd on {member.name}", lambda: succeeds(machine.inside(["ctr", "version"])), 60)
    present = machine.run(["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"]).split()
    for name, archive in images().items():
        if image.reference(name) not in present:
            import_image(machine, archive)
    if not machine.daemon_runs("kubelet"):
        machine.write("/var/lib/kubelet/config.yaml", json.dumps(_kubelet(member)))
        config = kubeconfig.write(STATE / f"{member.name}.kubeconfig", CONTROL.addresses[0], member.name)
        machine.daemon("kubelet", [
            PROGRAMS / "kubelet", "--config=/var/lib/kubelet/config.yaml", f"--kubeconfig={config}",
            f"--hostname-override={member.name}", f"--node-ip={both(member.addresses)}",
        ])


def images() -> dict[str, Path]:
    """The archive of each of the cluster's images."""
    return {name: STATE / "images" / f"{name}.tar" for name in ("pause", "workload", "kube-proxy", "flannel", "coredns")}


def write_images() -> None:
    """Makes those that are not there."""
    contents: dict[str, tuple[str, dict[str, str], list[str]]] = {
        "pause": ("workload", {}, ["/workload", "pause"]),
        "workload": ("workload", {}, ["/workload"]),
        "kube-proxy": ("kube-proxy", ROOT_LINKS, []),
        "flannel": ("flanneld", ROOT_LINKS, []),
        "coredns": ("coredns", {}, ["/coredns"]),
    }
    (STATE / "images").mkdir(exist_ok=True)
    for name, archive in images().items():
        program, symlinks, entrypoint = contents[name]
        if not archive.exists():
            partial = archive.with_suffix(".partial")
            image.write(partial, name, {program: PROGRAMS / program}, symlinks, entrypoint)
            partial.rename(archive)


def import_image(machine: Machine, archive: Path) -> None:
    """Gives a node's containerd an image."""
    machine.run(["ctr", "--namespace", "k8s.io", "images", "import", archive])


def _kubelet(member: Member) -> Object:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs", "failCgroupV1": False, "failSwapOn": False,
        "clusterDomain": settings.CLUSTER_DOMAIN, "clusterDNS": [str(settings.DNS_SERVICE)],
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.certificate(pki.CLUSTER))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki.certificate(member.name)), "tlsPrivateKeyFile": str(pki.key(member.name)),
        # The disk is the host's, and how full that is says nothing about the node.
        "evictionHard": {signal: "0%" for signal in ("memory.available", "nodefs.available", "imagefs.available")},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "5s", "serializeImagePulls": False,
    }
