"""What the real kube-proxy and flanneld wrote on a node, stored beside the objects that they wrote it for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import addons, client, samples
from .checks import Scene
from .client import Object
from .machine import Machine
from .settings import NODES
from .shell import Failed, wait_for

NAMESPACE = "record"
NODE = NODES[0]
KEPT_METADATA = ("name", "namespace", "labels")
TOOLS = {"iptables": ("iptables-save", "ip6tables-save"), "nftables": ("nft list table ip kube-proxy", "nft list table ip6 kube-proxy")}
FLANNEL_DEVICES = ("flannel.1", "flannel-v6.1", "cni0")


@dataclass
class Sample:
    """A Service of a kind that a proxy treats in its own way, with endpoints written by hand."""

    name: str
    endpoints: Sequence[str] = ("node-1 ready", "node-2 ready", "node-3 ready")
    """Node and condition of each."""
    spec: Object = field(default_factory=dict)
    ports: Sequence[tuple[str, str, int]] = (("http", "TCP", 80),)
    families: Sequence[int] = (4,)
    ingress: Sequence[Object] = ()
    labels: Object = field(default_factory=dict)

    def objects(self, number: int) -> list[Object]:
        """The Service and its slices."""
        metadata = {"namespace": NAMESPACE, "name": self.name, "labels": self.labels}
        ports = [
            {**({"name": name} if name else {}), "protocol": protocol, "port": port, "targetPort": port + 8000}
            for name, protocol, port in self.ports
        ]
        addresses = [f"10.96.200.{number}" if family == 4 else f"fd00:96::c8{number:02x}" for family in self.families]
        families: Object = {
            "ipFamilyPolicy": "SingleStack" if len(addresses) == 1 else "RequireDualStack",
            "ipFamilies": [f"IPv{family}" for family in self.families],
        }
        spec = {"ports": ports, "clusterIP": addresses[0], "clusterIPs": addresses, **families, **self.spec}
        if spec.get("type") == "ExternalName":
            spec = dict(self.spec)
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        return [service, *(self._slice(number, family) for family in self.families)]

    def _slice(self, number: int, family: int) -> Object:
        labels = {"kubernetes.io/service-name": self.name, "endpointslice.kubernetes.io/managed-by": "skoop-cluster", **self.labels}
        endpoints = []
        # Written in an order that is no order of text, nor of numbers.
        for place, described in enumerate(self.endpoints):
            node, condition = described.split()
            host = (9, 10, 100)[place % 3]
            subnet = int(node.rpartition("-")[2])
            address = f"10.244.{200 + subnet}.{host}" if family == 4 else f"fd00:244:0:c{subnet}::{host}"
            conditions = {
                "ready": condition == "ready", "serving": condition in ("ready", "ending"),
                "terminating": condition in ("ending", "ended"),
            }
            endpoints.append({"addresses": [address], "nodeName": node, "conditions": conditions})
        ports = [{"name": name, "protocol": protocol, "port": port + 8000} for name, protocol, port in self.ports]
        return {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{family}",
            "metadata": {"namespace": NAMESPACE, "name": f"{self.name}-{family}", "labels": labels},
            "endpoints": endpoints, "ports": ports,
        }


LOCAL: Object = {"externalTrafficPolicy": "Local"}
INTERNAL: Object = {"internalTrafficPolicy": "Local"}
ELSEWHERE = ("node-2 ready", "node-3 ready")
BALANCER: Sequence[Object] = ({"ip": "198.51.100.10"},)


def node_port(number: int, *more: Object) -> Object:
    """A Service with a node port, and other fields."""
    merged: Object = {"type": "NodePort", "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": number}]}
    for fields in more:
        merged.update(fields)
    return merged


def balancer(number: int, *more: Object) -> Object:
    """The same with a load balancer."""
    return {**node_port(number, *more), "type": "LoadBalancer"}


SAMPLES = (
    Sample("plain"),
    Sample("no-name", ports=(("", "TCP", 80),)),
    Sample("ports", ports=(("http", "TCP", 80), ("dns", "UDP", 53), ("dns-tcp", "TCP", 53))),
    Sample("nobody", endpoints=()),
    Sample("not-ready", endpoints=("node-1 failing", "node-2 failing")),
    Sample("one-ready", endpoints=("node-1 failing", "node-2 ready", "node-3 ending")),
    Sample("all-ending", endpoints=("node-1 ending", "node-2 ending", "node-3 ended")),
    Sample("affinity", spec={"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 600}}}),
    Sample("internal", spec=INTERNAL),
    Sample("internal-elsewhere", spec=INTERNAL, endpoints=ELSEWHERE),
    Sample("internal-nobody", spec=INTERNAL, endpoints=()),
    Sample("internal-ending", spec=INTERNAL, endpoints=("node-1 ending", "node-2 ready")),
    Sample("headless", spec={"clusterIP": "None", "clusterIPs": ["None"]}),
    Sample("alias", spec={"type": "ExternalName", "externalName": "example.org"}, endpoints=()),
    Sample("foreign", labels={"service.kubernetes.io/service-proxy-name": "another"}),
    Sample("external-ip", spec={"externalIPs": ["203.0.113.10"]}),
    Sample("external-ip-local", spec=node_port(30108, LOCAL, {"externalIPs": ["203.0.113.11"]}), endpoints=ELSEWHERE),
    Sample("external-ip-nobody", spec={"externalIPs": ["203.0.113.12"]}, endpoints=()),
    Sample("node-port", spec=node_port(30100)),
    Sample("node-port-local", spec=node_port(30101, LOCAL)),
    Sample("node-port-elsewhere", spec=node_port(30102, LOCAL), endpoints=ELSEWHERE),
    Sample("node-port-nobody", spec=node_port(30103), endpoints=()),
    Sample("node-port-local-nobody", spec=node_port(30104, LOCAL), endpoints=()),
    Sample("node-port-ending", spec=node_port(30105, LOCAL), endpoints=("node-1 ending", "node-2 ready")),
    Sample("node-port-both-local", spec=node_port(30106, LOCAL, INTERNAL)),
    Sample("node-port-affinity", spec=node_port(30107, LOCAL, {"sessionAffinity": "ClientIP"})),
    Sample("balancer", spec=balancer(30110), ingress=BALANCER),
    Sample("balancer-local", spec=balancer(30111, LOCAL, {"healthCheckNodePort": 30211}), ingress=({"ip": "198.51.100.11"},)),
    Sample("balancer-elsewhere", spec=balancer(30112, LOCAL, {"healthCheckNodePort": 30212}), endpoints=ELSEWHERE,
           ingress=({"ip": "198.51.100.12"},)),
    Sample("balancer-ranges", spec=balancer(30113, {"loadBalancerSourceRanges": ["203.0.113.0/24", "172.21.0.0/24"]}),
           ingress=({"ip": "198.51.100.13"},)),
    Sample("balancer-ranges-local", ingress=({"ip": "198.51.100.14"},),
           spec=balancer(30114, LOCAL, {"loadBalancerSourceRanges": ["203.0.113.0/24"], "healthCheckNodePort": 30214})),
    Sample("balancer-ranges-nobody", spec=balancer(30115, {"loadBalancerSourceRanges": ["203.0.113.0/24"]}), endpoints=(),
           ingress=({"ip": "198.51.100.15"},)),
    Sample("balancer-proxy", spec=balancer(30116), ingress=({"ip": "198.51.100.16", "ipMode": "Proxy"},)),
    Sample("balancer-ranges-other", spec=balancer(30117, {"loadBalancerSourceRanges": ["2001:db8::/32"]}),
           ingress=({"ip": "198.51.100.17"},)),
    Sample("both", families=(4, 6), spec=node_port(30120)),
    Sample("six", families=(6,), spec={"sessionAffinity": "ClientIP"}),
    Sample("six-local", families=(6,), spec=balancer(30121, LOCAL, {"healthCheckNodePort": 30221}),
           ingress=({"ip": "2001:db8:1::10"},)),
    Sample("six-nobody", families=(6,), spec=node_port(30122), endpoints=()),
)


def record(folder: Path) -> None:
    """Makes the objects, and stores them with the rules that both modes of kube-proxy, and flanneld, wrote for them."""
    client.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    Scene.set()  # Pods, for the sake of the devices that they have.
    client.apply([samples.namespace(NAMESPACE)])
    client.apply([item for number, sample in enumerate(SAMPLES, 1) for item in sample.objects(number)])
    for sample in SAMPLES:
        if sample.ingress:
            status = json.dumps({"status": {"loadBalancer": {"ingress": list(sample.ingress)}}})
            client.kubectl("patch", "service", sample.name, "--namespace", NAMESPACE, "--subresource=status", "--patch", status)
    machine = Machine(NODE)
    for mode, tools in TOOLS.items():
        use_proxy_mode(mode)
        for family, tool in zip((4, 6), tools, strict=True):
            _store(folder / f"kube-proxy-{mode}-{family}.txt", _settled(machine, tool))
    _store(folder / "kube-proxy-objects.json", _lists({"items": _objects()}))
    _store(folder / "flannel.json", _lists(_flannel(machine)))
    client.kubectl("delete", "namespace", NAMESPACE, "--wait")


def use_proxy_mode(mode: str) -> None:
    """Has kube-proxy start again in a mode, unless it is in it, and waits until it has on every node."""
    config = ("configmap", "kube-proxy", "--namespace=kube-system", "--ignore-not-found", "--output=jsonpath={.data.config\\.conf}")
    before = client.kubectl("get", *config)
    client.apply(addons.kube_proxy(mode))
    if before and json.loads(before)["mode"] != mode:
        client.kubectl("rollout", "restart", "daemonset/kube-proxy", "--namespace", "kube-system")
    client.kubectl("rollout", "status", "daemonset/kube-proxy", "--namespace", "kube-system", "--timeout=180s")


def _settled(machine: Machine, tool: str) -> str:
    """What a tool prints, once it holds a Service of both families and prints the same twice."""
    last = [""]

    def same_again() -> bool:
        try:
            now = without_counters(machine.run(tool.split()))
        except Failed:  # There is no such table yet.
            return False
        before, last[0] = last[0], now
        return now == before and f"{NAMESPACE}/both" in now

    wait_for(f"`{tool}` to settle", same_again, 60)
    return last[0]


def without_counters(text: str) -> str:
    """Rules without what changes with every packet."""
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[\d+:\d+\]", "[0:0]", text)
    return re.sub(r"counter packets \d+ bytes \d+", "counter packets 0 bytes 0", text)


def _flannel(machine: Machine) -> dict[str, Sequence[Object]]:
    """What tells how flanneld and the bridge plugin set a node up, as `ip` and `bridge` tell it."""

    def shown(command: str, *kept: str) -> list[Object]:
        entries = json.loads(machine.run(command.split()))
        own = [entry for entry in entries if (entry.get("ifname") or entry.get("dev")) in FLANNEL_DEVICES]
        return [{key: value for key, value in entry.items() if key in kept} for entry in own]

    tunnel = ("id", "local", "local6", "link", "port", "learning")
    links = shown("ip -details -json link show", "ifname", "mtu", "linkinfo")
    for link in links:
        data = link.pop("linkinfo").get("info_data", {})
        link.update({key: value for key, value in data.items() if key in tunnel})
    ports = json.loads(machine.run("ip -details -json link show master cni0".split()))
    addresses = shown("ip -json address show", "ifname", "addr_info")
    return {
        "links": links,
        "ports": [{"mtu": port["mtu"], "hairpin": port["linkinfo"]["info_slave_data"]["hairpin"]} for port in ports],
        "addresses": [
            {"dev": entry["ifname"], "address": f"{one['local']}/{one['prefixlen']}"}
            for entry in addresses for one in entry["addr_info"] if one["scope"] == "global"
        ],
        "routes": [
            route for family in ("-4", "-6") for route in shown(f"ip {family} -json route show", "dst", "gateway", "dev", "flags")
            if "gateway" in route
        ],
        "neighbours": shown("ip -json neighbour show nud permanent", "dst", "dev", "state"),
        "fdb": [entry for entry in shown("bridge -json fdb show", "ifname", "dst", "flags", "state") if "dst" in entry],
    }


def _lists(lists: Mapping[str, Sequence[Object]]) -> str:
    """Lists in JSON, with a line for each entry."""
    tables = (f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, entries)) + "\n]" for name, entries in lists.items())
    return "{" + ",\n".join(tables) + "}"


def _objects() -> Sequence[Object]:
    """Every Service and endpoint slice, and the node, without what no proxy reads."""
    items = []
    for item in client.read("services,endpointslices", "--all-namespaces")["items"]:
        item["metadata"] = {key: value for key, value in item["metadata"].items() if key in KEPT_METADATA}
        if item["metadata"]["namespace"] in (NAMESPACE, samples.NAMESPACE, "default", "kube-system"):
            items.append(item)
    return items


def _store(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    print(f"{file}: {len(text)} bytes", flush=True)
