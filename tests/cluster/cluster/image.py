"""Images out of programs: an OCI archive with one layer, written by hand since no registry is needed for that."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

REGISTRY = "skoop.test"
"""Images of this name are never pulled."""
PREFIX = "application/vnd.oci.image"


def reference(name: str) -> str:
    """What a pod calls an image."""
    return f"{REGISTRY}/{name}:1"


def write(archive: Path, name: str, files: Mapping[str, Path], links: Mapping[str, str], entrypoint: Sequence[str]) -> None:
    """Writes the archive of an image that holds these programs and symbolic links."""
    layer = _layer(files, links)
    packed = gzip.compress(layer, compresslevel=1, mtime=0)
    config = _json({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    })
    manifest = _json({
        "schemaVersion": 2, "mediaType": f"{PREFIX}.manifest.v1+json",
        "config": _descriptor(f"{PREFIX}.config.v1+json", config),
        "layers": [_descriptor(f"{PREFIX}.layer.v1.tar+gzip", packed)],
    })
    named = _descriptor(f"{PREFIX}.manifest.v1+json", manifest)
    named["annotations"] = {"io.containerd.image.name": reference(name), "org.opencontainers.image.ref.name": "1"}
    index = _json({"schemaVersion": 2, "manifests": [named]})
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", index)
        for blob in (config, packed, manifest):
            _add(tar, "blobs/sha256/" + _digest(blob).partition(":")[2], blob)


def _layer(files: Mapping[str, Path], links: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("etc", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name, source in files.items():
            _add(tar, name, source.read_bytes(), 0o755)
        for name, target in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}
