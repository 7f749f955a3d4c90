"""`python3 -m cluster COMMAND`: see `--help`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import addons, build, checks, client, control, diagnosing, image, network, node, pki, recording, settings
from .machine import Machine
from .settings import CONTROL, NODES
from .shell import Failed

PROXY_MODES = ("iptables", "nftables")


def up(arguments: argparse.Namespace) -> None:
    """Starts the cluster, or what of it does not run."""
    build.build()
    for folder in (settings.STATE, settings.LOGS, settings.MACHINES):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    step("keys", pki.create)
    step("network", network.create)
    step("images", node.write_images)
    step("control plane", control.start)
    client.apply([*addons.access(), *addons.nodes(), *addons.flannel(), *addons.coredns()])
    step("nodes", start_nodes)
    step("kube-proxy", lambda: recording.use_proxy_mode(arguments.proxy))
    step("pods", wait_until_ready)
    print(f"export KUBECONFIG={settings.ADMIN_KUBECONFIG} PATH={settings.PROGRAMS}:$PATH")


def start_nodes() -> None:
    """All nodes at once."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(node.start, NODES))


def wait_until_ready() -> None:
    """Waits for every node and every pod of the system."""
    client.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s")
    for kind, name in (("daemonset/kube-flannel-ds", "kube-flannel"), ("daemonset/kube-proxy", "kube-system"),
                       ("deployment/coredns", "kube-system")):
        client.kubectl("rollout", "status", kind, "--namespace", name, "--timeout=180s")


def down(_: argparse.Namespace) -> None:
    """Ends everything that `up` started, and removes its state."""
    for member in (*NODES, CONTROL):
        Machine(member).stop()
    network.remove()
    shutil.rmtree(settings.STATE, ignore_errors=True)


def status(_: argparse.Namespace) -> None:
    """Says what runs."""
    for member in (CONTROL, *NODES):
        first = Machine(member).first()
        print(f"{member.name}\t{'process ' + str(first.number) if first else 'down'}\t{member.netns}")
    if Machine(CONTROL).first():
        print(client.kubectl("get", "nodes,pods", "--all-namespaces", "--output=wide"), end="")


def kubeconfig(_: argparse.Namespace) -> None:
    """Prints where the administrator's kubeconfig is."""
    print(settings.ADMIN_KUBECONFIG)


def enter(arguments: argparse.Namespace) -> None:
    """Runs a command on a node, as a login there would."""
    member = next((member for member in (CONTROL, *NODES) if member.name == arguments.node), None)
    if member is None:
        raise Failed(f"no node {arguments.node}")
    command = Machine(member).inside(arguments.words or ["bash"])
    os.execvp(command[0], command)


def load(arguments: argparse.Namespace) -> None:
    """Makes an image out of a static program, and gives it to every node."""
    archive = settings.STATE / "images" / f"{arguments.name}.tar"
    image.write(archive, arguments.name, {arguments.name: arguments.program}, node.ROOT_LINKS, [f"/{arguments.name}"])
    for member in NODES:
        node.import_image(Machine(member), archive)
    print(image.reference(arguments.name))


def test(_: argparse.Namespace) -> None:
    """Tries pods, Services, names and ports with real packets."""
    checks.run_all()


def diagnose(arguments: argparse.Namespace) -> None:
    """Breaks the cluster in known ways, and has skoop diagnose each."""
    diagnosing.run_all(arguments.skoop, arguments.ways, arguments.only)


def bench(arguments: argparse.Namespace) -> None:
    """How long a live diagnosis takes, by each way to nodes."""
    diagnosing.bench(arguments.skoop)


def load_image(arguments: argparse.Namespace) -> None:
    """Gives every node an image that is in an archive."""
    archive = settings.STATE / "images" / arguments.archive.name
    shutil.copy(arguments.archive, archive)
    for member in NODES:
        node.import_image(Machine(member), archive)


def record(arguments: argparse.Namespace) -> None:
    """Stores what kube-proxy and flanneld wrote for Services of every kind."""
    recording.record(arguments.folder)


def step(name: str, work: Callable[[], None]) -> None:
    """Does a part of the work and says how long it took."""
    start = time.monotonic()
    work()
    print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="cluster", description="A real Kubernetes cluster of namespaces on this host.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in (up, down, status, kubeconfig, test, record, enter, load, load_image, diagnose, bench):
        command = commands.add_parser(run.__name__.replace("_", "-"), help=run.__doc__)
        command.set_defaults(run=run)
        if run is up:
            command.add_argument("--proxy", choices=PROXY_MODES, default=PROXY_MODES[0], help="kube-proxy's mode")
        if run is enter:
            command.add_argument("node")
            command.add_argument("words", nargs=argparse.REMAINDER)
        if run is load:
            command.add_argument("name")
            command.add_argument("program", type=Path)
        if run is load_image:
            command.add_argument("archive", type=Path)
        if run in (diagnose, bench):
            command.add_argument("skoop", type=Path, help="the program")
        if run is diagnose:
            command.add_argument("--ways", default="agent,pod", help="ways to nodes (%(default)s)")
            command.add_argument("--only", default="", help="cases whose name contains this")
        if run is record:
            command.add_argument("folder", type=Path)
    commands.add_parser("build", help=build.build.__doc__).set_defaults(run=lambda _: build.build())
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except Failed as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
