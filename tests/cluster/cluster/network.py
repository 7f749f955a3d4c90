"""The nodes' network: one bridge in the control plane's namespace, which is also everyone's way out, to nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from . import settings
from .settings import CONTROL, NODES, OUTSIDE, Member
from .shell import run, succeeds

BRIDGE = "lan0"
HOST_DEVICE = settings.PREFIX + "uplink"
DEVICE_DEFAULTS = ("net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0",
                   "net.ipv6.conf.default.accept_dad=0", "net.ipv4.conf.default.rp_filter=0")
"""What devices start with must not depend on the host's own defaults."""
FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
              "net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1")
"""What the manuals of Kubernetes ask of a node."""


def create() -> None:
    """Makes every namespace and the devices between them, unless they are there."""
    if succeeds(["ip", "link", "show", HOST_DEVICE]):
        return
    remove()
    members = (OUTSIDE, *NODES)
    for member in (CONTROL, *members):
        run(["ip", "netns", "add", member.netns])
        _sysctl(member, DEVICE_DEFAULTS)
    _ip(CONTROL, ["link set lo up", f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up",
                  *_addresses(CONTROL, BRIDGE)])
    for member in members:
        _ip(CONTROL, [f"link add {member.name} type veth peer name eth0 netns {member.netns}",
                      f"link set {member.name} master {BRIDGE} up"])
        _ip(member, ["link set lo up", "link set eth0 up", *_addresses(member, "eth0"),
                     *(f"route add default via {gateway} dev eth0" for gateway in settings.CONTROL_ADDRESSES)])
    for node in NODES:
        _sysctl(node, FORWARDING)
    # The host's end is made last: it tells that all is there.
    length = settings.UPLINK.prefixlen
    run(["ip", "link", "add", HOST_DEVICE, "type", "veth", "peer", "name", "uplink", "netns", CONTROL.netns])
    _ip(CONTROL, [f"address add {settings.CONTROL_UPLINK}/{length} dev uplink", "link set uplink up"])
    run(["ip", "address", "add", f"{settings.HOST_UPLINK}/{length}", "dev", HOST_DEVICE])
    run(["ip", "link", "set", HOST_DEVICE, "up"])


def remove() -> None:
    """Removes every namespace, and the devices with them; no process is in them."""
    there = {line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line}
    for member in (*NODES, OUTSIDE, CONTROL):
        if member.netns in there:
            run(["ip", "netns", "delete", member.netns])


def _addresses(member: Member, device: str) -> Iterable[str]:
    for address, network in zip(member.addresses, settings.LAN, strict=True):
        extra = " nodad" if address.version == 6 else ""
        yield f"address add {address}/{network.prefixlen} dev {device}{extra}"


def _ip(member: Member, lines: list[str]) -> None:
    run(["ip", "-netns", member.netns, "-batch", "-"], text="\n".join(lines) + "\n")


def _sysctl(member: Member, values: tuple[str, ...]) -> None:
    run(["ip", "netns", "exec", member.netns, "sysctl", "-qw", *values])
