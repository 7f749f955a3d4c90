"""Kubeconfigs, as JSON: YAML's readers take it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from . import pki, settings


def write(path: Path, server: object, user: str) -> Path:
    """Writes what a client with this certificate needs to reach the API server at an address."""

    def embedded(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "skoop",
        "clusters": [{"name": "skoop", "cluster": {
            "server": f"https://{server}:{settings.API_PORT}",
            "certificate-authority-data": embedded(pki.certificate(pki.CLUSTER)),
        }}],
        "users": [{"name": user, "user": {
            "client-certificate-data": embedded(pki.certificate(user)),
            "client-key-data": embedded(pki.key(user)),
        }}],
        "contexts": [{"name": "skoop", "context": {"cluster": "skoop", "user": user}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return path
