"""Where things are, what they are called, and which addresses they have."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

Address = IPv4Address | IPv6Address

SOURCE = Path(__file__).resolve().parent.parent
"""The Go module whose tools are the cluster's programs."""

CACHE = Path(os.environ.get("SKOOP_CLUSTER_CACHE") or Path.home() / ".cache/skoop/cluster")
"""Built programs; survives everything."""

STATE = Path(os.environ.get("SKOOP_CLUSTER_STATE") or "/run/skoop-cluster")
"""Keys, kubeconfigs, logs, mount points of a running cluster; removed by `down`."""

PROGRAMS = CACHE / "bin"
PKI = STATE / "pki"
LOGS = STATE / "logs"
MACHINES = STATE / "machines"
ADMIN_KUBECONFIG = STATE / "admin.kubeconfig"

PREFIX = "skc-"
"""Begins the name of every network namespace and device that is visible outside the cluster."""

LAN = (IPv4Network("172.21.0.0/24"), IPv6Network("fd00:21::/64"))
UPLINK = IPv4Network("172.21.255.0/30")
"""From the host's own namespace to the API server, and nothing else."""
PODS = (IPv4Network("10.244.0.0/16"), IPv6Network("fd00:244::/56"))
POD_PREFIXES = (24, 64)
"""Length of a node's part."""
SERVICES = (IPv4Network("10.96.0.0/16"), IPv6Network("fd00:96::/112"))
API_PORT = 6443
DNS_SERVICE = SERVICES[0][10]
CLUSTER_DOMAIN = "cluster.local"

CONTROL_ADDRESSES: tuple[Address, ...] = (LAN[0][1], LAN[1][1])
HOST_UPLINK, CONTROL_UPLINK = UPLINK[1], UPLINK[2]


@dataclass(frozen=True)
class Member:
    """Something with addresses on the nodes' network."""

    name: str
    number: int

    @property
    def netns(self) -> str:
        """Its network namespace."""
        return PREFIX + self.name

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Its address of each family."""
        return tuple(network[self.number] for network in LAN)

    @property
    def pod_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The part of the pods' network of each family that is on a node."""
        index = self.number - 10
        return (list(PODS[0].subnets(new_prefix=POD_PREFIXES[0]))[index], list(PODS[1].subnets(new_prefix=POD_PREFIXES[1]))[index])


CONTROL = Member("control", 1)
NODES = tuple(Member(f"node-{number}", 10 + number) for number in (1, 2, 3))
OUTSIDE = Member("outside", 100)
"""A client that is no node."""


def both(values: tuple[object, ...]) -> str:
    """A list as Kubernetes' flags want it, IPv4 first."""
    return ",".join(str(value) for value in values)
