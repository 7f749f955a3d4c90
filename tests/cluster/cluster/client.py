"""The cluster's own `kubectl`, as the administrator."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from . import settings
from .shell import run, succeeds

Object = dict[str, Any]
"""A Kubernetes object, or a part of one."""


def command(*words: str) -> list[str]:
    """The command line of a call."""
    return [str(settings.PROGRAMS / "kubectl"), f"--kubeconfig={settings.ADMIN_KUBECONFIG}", *words]


def kubectl(*words: str, text: str | None = None) -> str:
    """One call; returns what it printed."""
    return run(command(*words), text=text, environment={**os.environ, "KUBECONFIG": ""})


def kubectl_succeeds(*words: str) -> bool:
    """Whether a call succeeds."""
    return succeeds(command("--request-timeout=5s", *words))


def apply(objects: Sequence[Object]) -> None:
    """Makes objects as given."""
    items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=json.dumps(items))


def read(*words: str) -> Object:
    """What `kubectl get` says."""
    answer: Object = json.loads(kubectl("get", *words, "-o", "json"))
    return answer
