"""skoop against the cluster: faults of known kinds, each proved with real packets from inside the pods, diagnosed live, and healed."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import settings
from .checks import Pod, Scene, expect, from_outside
from .machine import Machine
from .samples import NAMESPACE, NODE_PORT
from .settings import NODES, OUTSIDE, Member
from .shell import Failed, run

IMAGE = "skoop.test/skoop:1"
"""The image under test, as `skoop load-archive` gave it to the nodes."""
RUNS = 10
"""Diagnoses that a figure is the median of."""
PACE = ("--node-timeout", "60s")


@dataclass(frozen=True)
class Act:
    """A command on a node, and the one that undoes it."""

    node: Member
    breaking: Sequence[str]
    healing: Sequence[str]

    def break_it(self) -> None:
        """Breaks."""
        on(self.node, *self.breaking)

    def heal_it(self) -> None:
        """Heals."""
        on(self.node, *self.healing)


@dataclass(frozen=True)
class Case:
    """A question with its answer."""

    name: str
    question: Sequence[str]
    verdict: str
    codes: Sequence[str] = ()
    """Codes of the first cause that are right; none if there is no cause."""
    acts: Sequence[Act] = ()
    dial: Sequence[str] = field(default=())
    """What the client dials to prove it."""


def on(member: Member, *words: str) -> str:
    """Runs a command on a node."""
    return run(Machine(member).inside(list(words)))


def diagnose(skoop: Path, *question: str, ways: str = "agent,pod", more: Sequence[str] = ()) -> tuple[int, dict[str, Any], str]:
    """One diagnosis: exit code, report, and what was said beside it."""
    command = [skoop, "diagnose", "--kubeconfig", settings.ADMIN_KUBECONFIG, "--image", IMAGE, "--collect", ways,
               *PACE, *question, *more, "-o", "json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          env={**os.environ, "KUBECONFIG": ""})
    report = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, report, done.stderr


@dataclass(frozen=True)
class Ends:
    """Who asks whom: two pods on different nodes."""

    client: Pod
    server: Pod
    source: Member
    destination: Member

    @classmethod
    def of(cls, scene: Scene) -> Ends:
        """The client of the first node, and a server of another."""
        client = scene.clients[0]
        server = next(server for server in scene.servers if server.node != client.node)
        nodes = {node.name: node for node in NODES}
        return cls(client, server, nodes[client.node], nodes[server.node])

    @property
    def address(self) -> str:
        """The server's IPv4 address."""
        return self.server.addresses[0]

    def pods(self, *more: str) -> list[str]:
        """The question from pod to pod."""
        return ["--from", f"pod/{NAMESPACE}/{self.client.name}", "--to", f"pod/{NAMESPACE}/{self.server.name}", "--port", "8080", *more]

    def service(self, name: str, *more: str) -> list[str]:
        """The question from pod to Service."""
        return ["--from", f"pod/{NAMESPACE}/{self.client.name}", "--to", f"svc/{NAMESPACE}/{name}", *more]


def rule(node: Member, *words: str, table: str = "filter") -> Act:
    """A rule of iptables at the head of its chain."""
    return Act(node, ["iptables", "-t", table, "-I", *words], ["iptables", "-t", table, "-D", *words])


def cases(scene: Scene, ends: Ends) -> list[Case]:
    """All of them."""
    dial = ["tcp", f"{ends.address}:8080"]
    web = ["tcp", f"{scene.address('web')}:80"]
    return [
        Case("pod-healthy", ends.pods(), "reachable", dial=dial),
        Case("pod-healthy-v6", ends.pods("--family", "6"), "reachable", dial=["tcp", f"[{ends.server.addresses[1]}]:8080"]),
        Case("pod-no-listener", [*ends.pods()[:-1], "81"], "unreachable", ["SOCKET-NO-LISTENER"], dial=["tcp", f"{ends.address}:81"]),
        Case("node-healthy", ["--from", f"node/{ends.source.name}", *ends.pods()[2:]], "reachable"),
        Case("service-healthy", ends.service("web", "--port", "80"), "reachable", dial=web),
        Case("service-udp", ends.service("web", "--port", "53", "--protocol", "udp"), "reachable",
             dial=["udp", f"{scene.address('web')}:53"]),
        Case("service-no-endpoints", ends.service("nobody", "--port", "80"), "unreachable", ["SERVICE-NO-ENDPOINTS"],
             dial=["tcp", f"{scene.address('nobody')}:80"]),
        Case("node-port", ["--from", f"outside/{OUTSIDE.addresses[0]}", "--to", f"svc/{NAMESPACE}/web-node-port", "--port", "80",
                           "--node", ends.source.name], "reachable"),
        *faults_of_rules(ends, dial, web),
        *faults_of_ways(ends, dial),
    ]


def faults_of_rules(ends: Ends, dial: Sequence[str], web: Sequence[str]) -> list[Case]:
    """Firewalls."""
    nft = ["nft", "add table inet skooptest { chain forward { type filter hook forward priority 5; ip daddr "
           f"{ends.address} drop; }}; }}"]
    drops = ["NETFILTER-DROP", "NETFILTER-POLICY-DROP"]
    return [
        Case("rule-drop", ends.pods(), "unreachable", drops, [rule(ends.source, "FORWARD", "-d", ends.address, "-j", "DROP")], dial),
        Case("rule-drop-remote", ends.pods(), "unreachable", drops,
             [rule(ends.destination, "FORWARD", "-d", ends.address, "-j", "DROP")], dial),
        Case("rule-reject", ends.pods(), "unreachable", ["NETFILTER-REJECT"],
             [rule(ends.source, "FORWARD", "-d", ends.address, "-j", "REJECT")], dial),
        Case("rule-drop-reply", ends.pods(), "unreachable", drops,
             [rule(ends.destination, "FORWARD", "-s", ends.address, "-j", "DROP")], dial),
        Case("nft-drop", ends.pods(), "unreachable", drops, [Act(ends.source, nft, ["nft", "delete", "table", "inet", "skooptest"])], dial),
        Case("service-notrack", ends.service("web", "--port", "80"), "unreachable", ["CONNTRACK-NOTRACK-NAT", "CONNTRACK-INVALID"],
             [rule(ends.source, "PREROUTING", "-s", ends.client.addresses[0], "-j", "CT", "--notrack", table="raw")], web),
        Case("vxlan-drop", ends.pods(), "unreachable", drops,
             [rule(ends.destination, "INPUT", "-p", "udp", "--dport", "8472", "-j", "DROP")], dial),
    ]


def faults_of_ways(ends: Ends, dial: Sequence[str]) -> list[Case]:
    """Routes, neighbours, devices, sysctls."""
    source, subnet = ends.source, str(ends.destination.pod_networks[0])
    route = on(source, "ip", "-4", "route", "show", subnet).split()
    gateway = subnet.partition("/")[0]
    mac = json.loads(on(ends.destination, "ip", "-j", "link", "show", "flannel.1"))[0]["address"]
    remote = str(ends.destination.addresses[0])
    entry = [mac, "dev", "flannel.1", "dst", remote]
    port = json.loads(on(ends.destination, "ip", "-j", "route", "get", ends.address))[0]["dev"]
    neighbour = ["ip", "neigh", "replace", gateway, "dev", "flannel.1", "nud", "permanent", "lladdr"]
    return [
        Case("route-missing", ends.pods(), "unreachable", ["ROUTE-NO-ROUTE", "ROUTE-WRONG-DEVICE", "ROUTE-WRONG-NEXTHOP"],
             [Act(source, ["ip", "route", "del", subnet], ["ip", "route", "add", *route])], dial),
        Case("route-blackhole", ends.pods(), "unreachable", ["ROUTE-BLACKHOLE", "ROUTE-SHADOWED"],
             [Act(source, ["ip", "route", "add", "blackhole", f"{ends.address}/32"], ["ip", "route", "del", "blackhole", f"{ends.address}/32"])],
             dial),
        Case("fdb-missing", ends.pods(), "unreachable", ["TUNNEL-FDB-MISSING"],
             [Act(source, ["bridge", "fdb", "del", *entry], ["bridge", "fdb", "append", *entry])], dial),
        Case("neighbour-wrong", ends.pods(), "unreachable", ["NEIGHBOUR-WRONG-MAC", "TUNNEL-FDB-MISSING"],
             [Act(source, [*neighbour, "02:00:00:00:00:99"], [*neighbour, mac])], dial),
        Case("forwarding-off", ends.pods(), "unreachable", ["SYSCTL-FORWARDING-OFF", "SYSCTL-IP-FORWARD"],
             [Act(source, ["sysctl", "-qw", "net.ipv4.ip_forward=0"], ["sysctl", "-qw", "net.ipv4.ip_forward=1"])], dial),
        Case("bridge-down", ends.pods(), "unreachable", ["LINK-DOWN", "ROUTE-NO-ROUTE", "ROUTE-WRONG-DEVICE"],
             [Act(ends.destination, ["sysctl", "-qw", f"net.ipv6.conf.{port}.keep_addr_on_down=1"], ["true"]),
              Act(ends.destination, ["ip", "link", "set", port, "down"], ["ip", "link", "set", port, "up"])], dial),
    ]


def proved(pod: Pod, case: Case) -> bool:
    """Whether real packets say what the case says."""
    if not case.dial:
        return True
    try:
        pod.dial(*case.dial)
    except Failed:
        return case.verdict != "reachable"
    return case.verdict == "reachable"


def judged(skoop: Path, ends: Ends, case: Case, ways: str) -> str:
    """What is wrong with one case; empty if nothing is."""
    for act in case.acts:
        act.break_it()
    try:
        if not proved(ends.client, case):
            return "the packets do not do what the case says"
        code, report, said = diagnose(skoop, *case.question, ways=ways)
    finally:
        for act in case.acts:
            act.heal_it()
    if not report:
        return f"exit code {code}: {said.strip()[-500:]}"
    causes = [cause["code"] for cause in report["causes"]]
    if report["verdict"] != case.verdict:
        unseen = [f"{one['what']}: {one['why']}" for one in report["unseen"] if one["matters"]]
        return f"{report['verdict']} by {causes}, not {case.verdict}; not seen: {unseen}"
    if bool(causes) != bool(case.codes) or (causes and causes[0] not in case.codes):
        return f"causes {causes}, not one of {list(case.codes)}"
    return ""


def run_all(skoop: Path, ways: str, only: str = "") -> None:
    """Runs every case, and fails if one did."""
    scene, failed = Scene.set(), 0
    ends = Ends.of(scene)
    all_cases = [case for case in cases(scene, ends) if only in case.name]
    for case in all_cases:
        start = time.monotonic()
        wrong = judged(skoop, ends, case, ways)
        failed += bool(wrong)
        print(f"{case.name} ... {f'FAILED: {wrong}' if wrong else 'ok'} ({time.monotonic() - start:.1f} s)", flush=True)
    for check in (two_at_once, nothing_is_left):
        check(skoop, ends)
        print(f"{check.__name__} ... ok", flush=True)
    print(f"{len(all_cases) - failed} passed, {failed} failed")
    if failed:
        raise Failed(f"{failed} of {len(all_cases)} cases failed")


def two_at_once(skoop: Path, ends: Ends) -> None:
    """Two diagnoses by pods at the same time do not meet."""
    question = ends.pods()
    command = [str(skoop), "diagnose", "--kubeconfig", str(settings.ADMIN_KUBECONFIG), "--image", IMAGE, "--collect", "pod", *PACE, *question, "-q"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        expect(process.returncode == 0, f"exit code {process.returncode}: {out}{err}")


def nothing_is_left(_skoop: Path, _ends: Ends) -> None:
    """No collector pod survives its run."""
    from . import client
    left = client.read("pods", "--all-namespaces", "--selector", "app.kubernetes.io/name=skoop-collector")["items"]
    expect(not left, f"left: {[item['metadata']['name'] for item in left]}")


def bench(skoop: Path) -> None:
    """How long a diagnosis takes, by each way to nodes."""
    ends = Ends.of(Scene.set())
    for ways in ("agent", "pod"):
        took = []
        said = ""
        for _ in range(RUNS):
            start = time.monotonic()
            code, _, said = diagnose(skoop, *ends.pods(), ways=ways, more=["--stats"])
            took.append(time.monotonic() - start)
            if code:
                print(f"{ways}: {said.strip()[-500:]}")
                break
        else:
            print(f"{ways}: median {statistics.median(took):.2f} s, best {min(took):.2f} s, worst {max(took):.2f} s of {RUNS}\n{said.strip()}")
