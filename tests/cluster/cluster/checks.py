"""That the cluster works as a cluster should: real packets between pods, through Services, by name, from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import client, samples, settings
from .client import Object
from .samples import HOST_PORT, LOCAL_NODE_PORT, NAMESPACE, NODE_PORT, REPLICAS
from .settings import NODES, OUTSIDE, PROGRAMS
from .shell import Failed, run

ATTEMPTS = 12


@dataclass(frozen=True)
class Pod:
    """A running pod."""

    name: str
    node: str
    addresses: Sequence[str]

    def dial(self, protocol: str, target: str, count: int = 1) -> list[str]:
        """Asks from inside it; one answer each."""
        dial = ["/workload", "dial", f"-count={count}", protocol, target]
        return client.kubectl("exec", "--namespace", NAMESPACE, self.name, "--", *dial).splitlines()


@dataclass(frozen=True)
class Scene:
    """What the checks act on."""

    clients: Sequence[Pod]
    servers: Sequence[Pod]
    services: dict[str, Object]

    @classmethod
    def set(cls) -> Scene:
        """Makes the objects, and waits until they are there."""
        client.apply(samples.workloads())
        for kind in ("deployment/web", "daemonset/client"):
            client.kubectl("rollout", "status", kind, "--namespace", NAMESPACE, "--timeout=180s")
        client.kubectl("wait", "--for=condition=Ready", "pod/host-port", "--namespace", NAMESPACE, "--timeout=120s")
        services = {item["metadata"]["name"]: item for item in client.read("services", "--namespace", NAMESPACE)["items"]}
        return cls(_pods("app=client"), _pods("app=web"), services)

    def address(self, service: str, family: int = 0) -> str:
        """A Service's address."""
        return str(self.services[service]["spec"]["clusterIPs"][family])


def _pods(selector: str) -> list[Pod]:
    items = client.read("pods", "--namespace", NAMESPACE, "--selector", selector)["items"]
    return [
        Pod(item["metadata"]["name"], item["spec"]["nodeName"], [entry["ip"] for entry in item["status"]["podIPs"]])
        for item in items if not item["metadata"].get("deletionTimestamp")
    ]


def from_outside(target: str, count: int = 1) -> list[str]:
    """Asks from a host that is no node; one answer each."""
    dial = [PROGRAMS / "workload", "dial", f"-count={count}", "tcp", target]
    return run(["ip", "netns", "exec", OUTSIDE.netns, *dial]).splitlines()


def expect(condition: bool, otherwise: str) -> None:
    """Fails with a message unless something holds."""
    if not condition:
        raise Failed(otherwise)


def every_pod_reaches_every_pod(scene: Scene) -> None:
    """Both families, on the same node and across the tunnel, with the pod's own address as the source."""
    for pod in scene.clients:
        for server in scene.servers:
            for own, address in zip(pod.addresses, server.addresses, strict=True):
                host = f"[{address}]" if ":" in address else address
                answer = pod.dial("tcp", f"{host}:8080")[0]
                expect(own in answer, f"{pod.name} came to {address} with another address: {answer}")


def a_service_uses_all_of_its_endpoints(scene: Scene) -> None:
    """TCP, UDP, and both families."""
    for target in (scene.address("web"), f"[{scene.address('web', 1)}]"):
        answers = scene.clients[0].dial("tcp", f"{target}:80", count=5 * ATTEMPTS)
        expect(len({answer.split()[0] for answer in answers}) == REPLICAS, f"not every endpoint of {target} answered: {answers}")
    expect(bool(scene.clients[0].dial("udp", f"{scene.address('web')}:53")), "no answer over UDP")


def names_are_resolved(scene: Scene) -> None:
    """By CoreDNS, through its own Service."""
    for pod in scene.clients:
        expect(bool(pod.dial("tcp", f"web.{NAMESPACE}.svc.{settings.CLUSTER_DOMAIN}:80")), "no answer by name")


def a_node_port_answers_on_every_node(_: Scene) -> None:
    """To a client that is no node."""
    for node in NODES:
        for address in node.addresses[:1]:
            expect(len(from_outside(f"{address}:{NODE_PORT}", ATTEMPTS)) == ATTEMPTS, f"{node.name} lost some")


def a_local_node_port_keeps_the_client(scene: Scene) -> None:
    """`externalTrafficPolicy: Local`: only where there is an endpoint, and with the client's own address."""
    node = next(node for node in NODES if any(server.node == node.name for server in scene.servers))
    answers = from_outside(f"{node.addresses[0]}:{LOCAL_NODE_PORT}", ATTEMPTS)
    local = {server.name for server in scene.servers if server.node == node.name}
    expect({answer.split()[0] for answer in answers} <= local, f"another node's endpoint answered: {answers}")
    expect(all(str(OUTSIDE.addresses[0]) in answer for answer in answers), f"the client's address was lost: {answers}")


def a_host_port_answers(_: Scene) -> None:
    """What the portmap plugin does."""
    expect(bool(from_outside(f"{NODES[0].addresses[0]}:{HOST_PORT}")), "no answer")


def a_service_without_endpoints_refuses(scene: Scene) -> None:
    """At once, rather than by silence."""
    try:
        scene.clients[0].dial("tcp", f"{scene.address('nobody')}:80")
    except Failed as error:
        expect("connection refused" in str(error), f"not refused: {error}")
    else:
        raise Failed("something answered")


CHECKS: Sequence[Callable[[Scene], None]] = (
    every_pod_reaches_every_pod,
    a_service_uses_all_of_its_endpoints,
    names_are_resolved,
    a_node_port_answers_on_every_node,
    a_local_node_port_keeps_the_client,
    a_host_port_answers,
    a_service_without_endpoints_refuses,
)


def run_all() -> None:
    """Runs every check, and fails if one did."""
    scene, failed = Scene.set(), 0
    for check in CHECKS:
        start = time.monotonic()
        try:
            check(scene)
            outcome = "ok"
        except Failed as error:
            outcome, failed = f"FAILED: {error}", failed + 1
        print(f"{check.__name__} ... {outcome} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    if failed:
        raise Failed(f"{failed} of {len(CHECKS)} checks failed")
