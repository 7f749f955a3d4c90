"""Keys and certificates, made by `openssl`: three authorities, and a certificate for everyone who serves or asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import settings
from .settings import CONTROL, NODES
from .shell import run

DAYS = "365"
CLUSTER, FRONT_PROXY, ETCD = "ca", "front-proxy-ca", "etcd-ca"
SERVICE_ACCOUNTS = "sa"


@dataclass(frozen=True)
class Certificate:
    """What one certificate says."""

    name: str
    common_name: str
    organization: str = ""
    names: Sequence[str] = ()
    """What it serves as; it is for a client too in any case."""
    authority: str = CLUSTER


def certificates() -> list[Certificate]:
    """All of them."""
    domain = settings.CLUSTER_DOMAIN
    services = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}"]
    addresses = [*settings.CONTROL_ADDRESSES, settings.CONTROL_UPLINK, settings.SERVICES[0][1], settings.SERVICES[1][1]]
    api = [f"DNS:{name}" for name in (*services, "localhost", CONTROL.name)]
    api += [f"IP:{address}" for address in (*addresses, "127.0.0.1")]
    found = [
        Certificate("apiserver", "kube-apiserver", names=api),
        Certificate("apiserver-kubelet-client", "kube-apiserver-kubelet-client"),
        Certificate("front-proxy-client", "front-proxy-client", authority=FRONT_PROXY),
        Certificate("etcd", "etcd", names=["DNS:localhost", "IP:127.0.0.1"], authority=ETCD),
        Certificate("apiserver-etcd-client", "kube-apiserver-etcd-client", authority=ETCD),
        Certificate("admin", "kubernetes-admin", "system:masters"),
        Certificate("controller-manager", "system:kube-controller-manager"),
        Certificate("scheduler", "system:kube-scheduler"),
    ]
    for node in NODES:
        serves = [f"DNS:{node.name}", *(f"IP:{address}" for address in node.addresses)]
        found.append(Certificate(node.name, f"system:node:{node.name}", "system:nodes", serves))
    return found


def certificate(name: str) -> Path:
    """A certificate's file."""
    return settings.PKI / f"{name}.crt"


def key(name: str) -> Path:
    """A private key's file."""
    return settings.PKI / f"{name}.key"


def create() -> None:
    """Makes what is not there yet."""
    settings.PKI.mkdir(mode=0o700, exist_ok=True)
    for authority in (CLUSTER, FRONT_PROXY, ETCD):
        if not certificate(authority).exists():
            _new_key(authority)
            run(["openssl", "req", "-x509", "-new", "-key", key(authority), "-subj", f"/CN=skoop-cluster {authority}",
                 "-days", DAYS, "-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-out", certificate(authority)])
    if not key(SERVICE_ACCOUNTS).exists():
        _new_key(SERVICE_ACCOUNTS)
        run(["openssl", "pkey", "-in", key(SERVICE_ACCOUNTS), "-pubout", "-out", settings.PKI / "sa.pub"])
    for wanted in certificates():
        if not certificate(wanted.name).exists():
            _sign(wanted)


def _new_key(name: str) -> None:
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key(name)])


def _sign(wanted: Certificate) -> None:
    _new_key(wanted.name)
    subject = f"/O={wanted.organization}/CN={wanted.common_name}" if wanted.organization else f"/CN={wanted.common_name}"
    request = run(["openssl", "req", "-new", "-key", key(wanted.name), "-subj", subject])
    extensions = ["keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth,clientAuth"]
    if wanted.names:
        extensions.append("subjectAltName=" + ",".join(wanted.names))
    file = settings.PKI / f"{wanted.name}.ext"
    file.write_text("\n".join(extensions) + "\n", encoding="utf-8")
    run(["openssl", "x509", "-req", "-days", DAYS, "-CA", certificate(wanted.authority), "-CAkey", key(wanted.authority),
         "-extfile", file, "-out", certificate(wanted.name)], text=request)
    file.unlink()
