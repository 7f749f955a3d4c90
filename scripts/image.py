#!/usr/bin/env python3
"""Builds the container image: skoop, skoop-exporter, and the tools that dump firewalls, on nothing but the libraries that they need.

No container engine takes part: Debian packages are fetched by `apt-get` for the architecture asked for and unpacked, and the archive is
written in the form of the OCI image specification, which `ctr images import`, `podman load`, `skopeo copy oci-archive:` take.
The same inputs give the same bytes.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGES = ["iptables", "nftables", "ipset"]
PROGRAMS = {"skoop": "skoop-cli", "skoop-exporter": "skoop-exporter"}
"""Programs of the image, with the crates that they are in."""
TARGETS = {"amd64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
"""Architectures as images and Debian name them, with Rust's names."""
LINKERS = {"arm64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")}
"""Linkers for other machines, with the package that each is in."""
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders at the root that are links into usr."""
LEFT_OUT = ("usr/share", "usr/include", "usr/lib/systemd", "var", "etc/init.d", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/gconv")
MEDIA = "application/vnd.oci.image"
SOURCE = "https://github.com/skoop-dev/skoop"


def run(*command: str, **environment: str) -> None:
    """Runs a program; a failure ends the build with what it said."""
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


def build(architecture: str) -> dict[str, Path]:
    """The programs, built for this architecture."""
    target = TARGETS[architecture]
    environment = {}
    if architecture != MACHINES.get(platform.machine()):
        run("rustup", "target", "add", target)
        linker, package = LINKERS.get(architecture, ("", ""))
        if linker and not shutil.which(linker):
            run("apt-get", "install", "--yes", "--no-install-recommends", package, DEBIAN_FRONTEND="noninteractive")
        name = target.upper().replace("-", "_")
        environment = {f"CARGO_TARGET_{name}_LINKER": linker, f"CC_{target.replace('-', '_')}": linker}
    crates = [part for crate in PROGRAMS.values() for part in ("--package", crate)]
    run("cargo", "build", "--release", "--locked", "--target", target, *crates, **environment)
    folder = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / target / "release"
    return {name: folder / name for name in PROGRAMS}


def unpack(architecture: str, root: Path, work: Path) -> None:
    """Unpacks the packages with all that they depend on; none of their scripts is run."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    options = {
        "Dir::State": work / "state", "Dir::State::status": work / "status", "Dir::Cache": work / "cache",
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Install-Recommends": "false",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    run("apt-get", *words, "update")
    run("apt-get", *words, "--yes", "--download-only", "install", *PACKAGES)
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted((work / "cache/archives").glob("*.deb")):
        files = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True).stdout
        command = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", root]
        subprocess.run(command, input=files, check=True)
    for name in LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)


def layer(root: Path) -> bytes:
    """The files as a tar archive, without times and owners."""
    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = "root"
        return entry

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, str(path.relative_to(root)), recursive=False, filter=plain)
    return buffer.getvalue()


class Archive:
    """Blobs of an OCI archive, by digest."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: list[dict[str, object]] = []

    def add(self, kind: str, data: bytes) -> dict[str, object]:
        """Keeps a blob; its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    def image(self, architecture: str, root: Path, version: str, name: str) -> None:
        """Adds the image of one architecture."""
        files = layer(root)
        config = {
            "architecture": architecture, "os": "linux",
            "config": {
                "Entrypoint": ["skoop"], "Env": ["PATH=/usr/sbin:/usr/bin"], "WorkingDir": "/",
                "Labels": {"org.opencontainers.image.source": SOURCE, "org.opencontainers.image.version": version,
                           "org.opencontainers.image.licenses": "Apache-2.0"},
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(files).hexdigest()]},
        }
        manifest = {
            "schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json",
            "config": self.add("config.v1+json", encoded(config)),
            "layers": [self.add("layer.v1.tar+gzip", gzip.compress(files, compresslevel=6, mtime=0))],
        }
        described = self.add("manifest.v1+json", encoded(manifest))
        described["platform"] = {"architecture": architecture, "os": "linux"}
        self.manifests.append(described)
        self.name = name

    def write(self, path: Path) -> None:
        """Writes the archive; an image for several architectures has an index of them."""
        named = self.manifests[0]
        if len(self.manifests) > 1:
            index = {"schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json", "manifests": self.manifests}
            named = self.add("index.v1+json", encoded(index))
        tag = self.name.rpartition(":")[2]
        named["annotations"] = {"io.containerd.image.name": self.name, "org.opencontainers.image.ref.name": tag}
        files = {
            "oci-layout": encoded({"imageLayoutVersion": "1.0.0"}),
            "index.json": encoded({"schemaVersion": 2, "manifests": [named]}),
            **{f"blobs/sha256/{digest}": data for digest, data in sorted(self.blobs.items())},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))


def encoded(value: object) -> bytes:
    """JSON that does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def version() -> str:
    """The workspace's version."""
    for line in Path("Cargo.toml").read_text().splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    sys.exit("Cargo.toml names no version")


def main() -> None:
    """Builds what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", action="append", choices=sorted(TARGETS), help="may be given several times; this machine's unless told")
    parser.add_argument("--name", default=f"ghcr.io/skoop-dev/skoop:{version()}", help="name and tag (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("target/skoop.oci.tar"), help="(%(default)s)")
    parser.add_argument("--programs", type=Path, help="folder with programs that are built already")
    asked = parser.parse_args()
    archive = Archive()
    for architecture in asked.architecture or [MACHINES[platform.machine()]]:
        programs = {name: asked.programs / name for name in PROGRAMS} if asked.programs else build(architecture)
        with tempfile.TemporaryDirectory() as folder:
            root, work = Path(folder) / "root", Path(folder) / "work"
            root.mkdir()
            unpack(architecture, root, work)
            for name, program in programs.items():
                shutil.copy(program, root / "usr/bin" / name)
            for name in ("etc", "tmp", "run", "proc", "sys"):
                (root / name).mkdir(exist_ok=True)
            (root / "etc/passwd").write_text("root:x:0:0:root:/:/usr/sbin/nologin\n")
            archive.image(architecture, root, version(), asked.name)
    archive.write(asked.output)
    print(f"{asked.output}: {asked.name}, {asked.output.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    main()
