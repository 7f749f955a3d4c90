"""What kubeadm and Flannel's manifest put into a new cluster: access, kube-proxy, flanneld, CoreDNS."""

from __future__ import annotations

import json
from collections.abc import Sequence

from . import image, settings
from .client import Object
from .settings import CLUSTER_DOMAIN, CONTROL, NODES, PODS, SERVICES, both

Mount = tuple[str, str, bool]
"""A path of the node, the same path in the container, and whether it is read only."""

HOST_TOOLS: tuple[Mount, ...] = (
    ("usr", "/usr", True), ("alternatives", "/etc/alternatives", True), ("xtables-lock", "/run/xtables.lock", False),
)
API_SERVER = [
    {"name": "KUBERNETES_SERVICE_HOST", "value": str(CONTROL.addresses[0])},
    {"name": "KUBERNETES_SERVICE_PORT", "value": str(settings.API_PORT)},
]
"""For what runs before services work."""


def access() -> list[Object]:
    """The API server may use kubelet's own API."""
    return [_binding("kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "kube-apiserver-kubelet-client"},
    ])]


def nodes() -> list[Object]:
    """The nodes before they register, so that each has the same part of the pods' network every time."""
    return [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": {"kubernetes.io/hostname": node.name}},
         "spec": {"podCIDR": str(node.pod_networks[0]), "podCIDRs": [str(network) for network in node.pod_networks]}}
        for node in NODES
    ]


def kube_proxy(mode: str) -> list[Object]:
    """kube-proxy on every node."""
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "mode": mode, "clusterCIDR": both(PODS), "bindAddress": "0.0.0.0",
        "clientConnection": {"kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf"},
        # Every namespace shares the host's table, whose size only the host may set.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
    account = "/var/run/secrets/kubernetes.io/serviceaccount"
    server = f"https://{CONTROL.addresses[0]}:{settings.API_PORT}"
    kubeconfig = {
        "apiVersion": "v1", "kind": "Config", "current-context": "default",
        "clusters": [{"name": "default", "cluster": {"certificate-authority": f"{account}/ca.crt", "server": server}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "namespace": "default", "user": "default"}}],
        "users": [{"name": "default", "user": {"tokenFile": f"{account}/token"}}],
    }
    account_object, subject = _account("kube-system", "kube-proxy")
    labels = {"k8s-app": "kube-proxy"}
    container = {
        "name": "kube-proxy", "image": image.reference("kube-proxy"), "imagePullPolicy": "Never",
        "command": ["/kube-proxy", "--config=/var/lib/kube-proxy/config.conf", "--hostname-override=$(NODE_NAME)"],
        "env": [_field("NODE_NAME", "spec.nodeName")], "securityContext": {"privileged": True},
    }
    return [
        account_object, _binding("kubeadm:node-proxier", "system:node-proxier", [subject]),
        _config_map("kube-system", "kube-proxy", {"app": "kube-proxy"}, {
            "config.conf": json.dumps(config, indent=1), "kubeconfig.conf": json.dumps(kubeconfig, indent=1),
        }),
        _daemon_set(subject, "kube-proxy", labels, container, ("kube-proxy", "/var/lib/kube-proxy"), HOST_TOOLS),
    ]


def flannel() -> list[Object]:
    """flanneld with its VXLAN backend on every node."""
    network = {
        "Network": str(PODS[0]), "IPv6Network": str(PODS[1]), "EnableIPv6": True, "EnableNFTables": False,
        "Backend": {"Type": "vxlan"},
    }
    labels = {"tier": "node", "app": "flannel", "k8s-app": "flannel"}
    account_object, subject = _account("kube-flannel", "flannel")
    container = {
        "name": "kube-flannel", "image": image.reference("flannel"), "imagePullPolicy": "Never",
        "command": ["/flanneld"], "args": ["--ip-masq", "--kube-subnet-mgr", "--iface=eth0"],
        "env": [
            _field("POD_NAME", "metadata.name"), _field("POD_NAMESPACE", "metadata.namespace"),
            {"name": "EVENT_QUEUE_DEPTH", "value": "5000"}, {"name": "CONT_WHEN_CACHE_NOT_READY", "value": "false"},
            *API_SERVER,
        ],
        "securityContext": {"privileged": True},
    }
    mounts = (*HOST_TOOLS, ("run", "/run/flannel", False))
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-flannel", "labels": {
            "k8s-app": "flannel", "pod-security.kubernetes.io/enforce": "privileged"}}},
        account_object, _binding("flannel", "flannel", [subject]),
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "flannel"}, "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
        ]},
        _config_map("kube-flannel", "kube-flannel-cfg", labels, {
            "cni-conf.json": json.dumps(CNI), "net-conf.json": json.dumps(network),
        }),
        _daemon_set(subject, "kube-flannel-ds", labels, container, ("kube-flannel-cfg", "/etc/kube-flannel"), mounts),
    ]


CNI = {
    "name": "cbr0", "cniVersion": "0.3.1",
    "plugins": [
        {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
"""What Flannel's manifest has each node put into `/etc/cni/net.d/10-flannel.conflist`."""


def coredns() -> list[Object]:
    """CoreDNS, which knows the cluster's names and asks nobody for others."""
    corefile = f""".:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    cache 30
    loadbalance
}}
"""
    labels = {"k8s-app": "kube-dns"}
    account_object, subject = _account("kube-system", "coredns")
    container = {
        "name": "coredns", "image": image.reference("coredns"), "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [_port("dns", 53, "UDP"), _port("dns-tcp", 53, "TCP")],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    pod = {
        "serviceAccountName": "coredns", "dnsPolicy": "Default", "containers": [container],
        "priorityClassName": "system-cluster-critical",
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    return [
        account_object, _binding("system:coredns", "system:coredns", [subject]),
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "system:coredns"}, "rules": [
            {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ]},
        _config_map("kube-system", "coredns", labels, {"Corefile": corefile}),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
         "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
         "spec": {"clusterIP": str(SERVICES[0][10]), "selector": labels, "ports": [
             {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]}},
    ]


def _account(namespace: str, name: str) -> tuple[Object, Object]:
    named = {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}}, named


def _binding(name: str, role: str, subjects: Sequence[Object]) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": list(subjects),
    }


def _config_map(namespace: str, name: str, labels: Object, data: Object) -> Object:
    metadata = {"namespace": namespace, "name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _port(name: str, number: int, protocol: str) -> Object:
    return {"name": name, "containerPort": number, "protocol": protocol}


def _daemon_set(
    account: Object, name: str, labels: Object, container: Object, config: tuple[str, str], mounts: Sequence[Mount],
) -> Object:
    """A program on every node, in the node's own network, with a config map and some of the node's paths."""
    config_map, config_path = config
    container["volumeMounts"] = [{"name": "config", "mountPath": config_path}]
    volumes: list[Object] = [{"name": "config", "configMap": {"name": config_map}}]
    for volume, path, read_only in mounts:
        container["volumeMounts"].append({"name": volume, "mountPath": path, "readOnly": read_only})
        kind = "FileOrCreate" if path.endswith(".lock") else "DirectoryOrCreate"
        volumes.append({"name": volume, "hostPath": {"path": path, "type": kind}})
    pod = {
        "hostNetwork": True, "priorityClassName": "system-node-critical", "serviceAccountName": account["name"],
        "tolerations": [{"operator": "Exists"}], "containers": [container], "volumes": volumes,
    }
    return {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"namespace": account["namespace"], "name": name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels}, "updateStrategy": {"type": "RollingUpdate"},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
