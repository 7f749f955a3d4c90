"""The control plane: etcd, the API server, the controller manager and the scheduler, each as kubeadm would start it."""

from __future__ import annotations

from . import kubeconfig, pki, settings
from .client import kubectl_succeeds
from .machine import Machine
from .settings import CONTROL, PKI, PODS, PROGRAMS, SERVICES, STATE, both
from .shell import wait_for

ETCD_PORT = 2379


def start() -> None:
    """Starts what does not run, and waits until the API server serves."""
    machine = Machine(CONTROL)
    machine.start()
    kubeconfig.write(settings.ADMIN_KUBECONFIG, settings.CONTROL_UPLINK, "admin")
    machine.daemon("etcd", [PROGRAMS / "etcd", *_etcd()])
    machine.daemon("kube-apiserver", [PROGRAMS / "kube-apiserver", *_api_server()])
    for name, flags in (("controller-manager", _controller_manager()), ("scheduler", ())):
        config = kubeconfig.write(STATE / f"{name}.kubeconfig", CONTROL.addresses[0], name)
        access = [f"--{purpose}={config}" for purpose in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
        machine.daemon(f"kube-{name}", [PROGRAMS / f"kube-{name}", *access, "--leader-elect=false", *flags])
    wait_for("the API server", lambda: kubectl_succeeds("get", "--raw", "/readyz"), 120)


def _etcd() -> list[str]:
    url = f"https://127.0.0.1:{ETCD_PORT}"
    return [
        "--data-dir=/var/lib/etcd", f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync=true", "--log-level=warn",
        f"--cert-file={pki.certificate('etcd')}", f"--key-file={pki.key('etcd')}",
        f"--trusted-ca-file={pki.certificate(pki.ETCD)}", "--client-cert-auth=true",
    ]


def _api_server() -> list[str]:
    return [
        f"--advertise-address={CONTROL.addresses[0]}", f"--secure-port={settings.API_PORT}",
        f"--etcd-servers=https://127.0.0.1:{ETCD_PORT}", f"--etcd-cafile={pki.certificate(pki.ETCD)}",
        f"--etcd-certfile={pki.certificate('apiserver-etcd-client')}",
        f"--etcd-keyfile={pki.key('apiserver-etcd-client')}",
        f"--tls-cert-file={pki.certificate('apiserver')}", f"--tls-private-key-file={pki.key('apiserver')}",
        f"--client-ca-file={pki.certificate(pki.CLUSTER)}", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        f"--kubelet-certificate-authority={pki.certificate(pki.CLUSTER)}",
        f"--kubelet-client-certificate={pki.certificate('apiserver-kubelet-client')}",
        f"--kubelet-client-key={pki.key('apiserver-kubelet-client')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={both(SERVICES)}",
        f"--service-account-issuer=https://kubernetes.default.svc.{settings.CLUSTER_DOMAIN}",
        f"--service-account-key-file={PKI / 'sa.pub'}",
        f"--service-account-signing-key-file={pki.key(pki.SERVICE_ACCOUNTS)}",
        f"--requestheader-client-ca-file={pki.certificate(pki.FRONT_PROXY)}",
        "--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki.certificate('front-proxy-client')}",
        f"--proxy-client-key-file={pki.key('front-proxy-client')}",
    ]


def _controller_manager() -> list[str]:
    return [
        "--allocate-node-cidrs=true", f"--cluster-cidr={both(PODS)}", f"--service-cluster-ip-range={both(SERVICES)}",
        f"--node-cidr-mask-size-ipv4={settings.POD_PREFIXES[0]}", f"--node-cidr-mask-size-ipv6={settings.POD_PREFIXES[1]}",
        "--controllers=*,bootstrapsigner,tokencleaner",
        f"--client-ca-file={pki.certificate(pki.CLUSTER)}", f"--root-ca-file={pki.certificate(pki.CLUSTER)}",
        f"--cluster-signing-cert-file={pki.certificate(pki.CLUSTER)}",
        f"--cluster-signing-key-file={pki.key(pki.CLUSTER)}",
        f"--requestheader-client-ca-file={pki.certificate(pki.FRONT_PROXY)}",
        f"--service-account-private-key-file={pki.key(pki.SERVICE_ACCOUNTS)}", "--use-service-account-credentials=true",
    ]
