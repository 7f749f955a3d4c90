"""Objects that the cluster's tests use: pods that serve and dial, and Services of every kind that a proxy treats in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import image
from .client import Object
from .settings import NODES

NAMESPACE = "skoop-test"
HOST_PORT = 18080
NODE_PORT, LOCAL_NODE_PORT = 30080, 30081
REPLICAS = 4


def namespace(name: str) -> Object:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def workloads() -> list[Object]:
    """A server on several nodes, a client on each node, and Services before the server."""
    labels = {"app": "web"}
    server = _container("server", ["serve", "-tcp", "8080", "-udp", "8053"])
    server["readinessProbe"] = {"httpGet": {"port": 8080}, "periodSeconds": 2}
    client = _container("client", ["pause"])
    spread = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
               "labelSelector": {"matchLabels": labels}}]
    return [
        namespace(NAMESPACE),
        _workload("Deployment", "web", labels, {"containers": [server], "topologySpreadConstraints": spread}, replicas=REPLICAS),
        _workload("DaemonSet", "client", {"app": "client"}, {"containers": [client]}),
        _pod("host-port", _container("server", ["serve", "-tcp", "8080"], HOST_PORT), NODES[0].name),
        _service("web", labels, {"ipFamilyPolicy": "PreferDualStack"}),
        _service("web-node-port", labels, {"type": "NodePort"}, NODE_PORT),
        _service("web-local", labels, {"type": "NodePort", "externalTrafficPolicy": "Local"}, LOCAL_NODE_PORT),
        _service("nobody", {"app": "nobody"}, {}),
    ]


def _container(name: str, arguments: Sequence[str], host_port: int | None = None) -> Object:
    container: Object = {
        "name": name, "image": image.reference("workload"), "imagePullPolicy": "Never", "args": list(arguments),
    }
    if host_port:
        container["ports"] = [{"containerPort": 8080, "hostPort": host_port}]
    return container


def _pod(name: str, container: Object, node: str) -> Object:
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": NAMESPACE, "name": name}, "spec": spec}


def _workload(kind: str, name: str, labels: Mapping[str, str], pod: Object, replicas: int | None = None) -> Object:
    pod["terminationGracePeriodSeconds"] = 1
    spec: Object = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    if replicas:
        spec["replicas"] = replicas
    metadata = {"namespace": NAMESPACE, "name": name}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _service(name: str, selector: Mapping[str, str], more: Mapping[str, object], node_port: int | None = None) -> Object:
    http: Object = {"name": "http", "port": 80, "targetPort": 8080}
    if node_port:
        http["nodePort"] = node_port
    ports = [http, {"name": "udp", "port": 53, "protocol": "UDP", "targetPort": 8053}]
    metadata = {"namespace": NAMESPACE, "name": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": selector, "ports": ports, **more}}
