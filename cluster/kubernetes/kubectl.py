"""Handing objects to Kubernetes, and asking about them: ``kubectl``, with the user's own configuration."""

import json
from collections.abc import Sequence
from typing import Any

from cluster.batch.system import BatchState, told
from cluster.kubernetes.manifests import Manifest


def place_of(context: str | None, namespace: str, name: str) -> str:
    """One word for where a ``Job`` is."""
    return f"{context or ''}/{namespace}/{name}"


def _at(place: str) -> tuple[list[str], str]:
    """The words that lead to a place, and the name there."""
    context, namespace, name = place.rsplit("/", 2)
    return ["kubectl", *(["--context", context] if context else []), "--namespace", namespace], name


class Kubernetes:
    """What can be asked of it about drivers that are there."""

    name = "kubernetes"

    def apply(self, place: str, manifests: Sequence[Manifest]) -> list[str]:
        """The uids of the objects, which are there now.

        Raises
        ------
        BatchError
            If Kubernetes does not take them.
        """
        words, _ = _at(place)
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        answer = json.loads(told([*words, "apply", "-f", "-", "-o", "json"], said=content))
        items = answer["items"] if answer.get("kind") == "List" else [answer]
        return [str(item["metadata"]["uid"]) for item in items]

    def state(self, place: str) -> BatchState | None:
        """The state of a driver's ``Job``; None where it is gone."""
        words, name = _at(place)
        text = told([*words, "get", "job", name, "--ignore-not-found", "-o", "json"])
        return state_of(json.loads(text)) if text.strip() else None

    def states(self, name: str) -> dict[str, BatchState]:  # noqa: ARG002 - what batch systems take
        """Nothing: workers belong to their driver's ``Job``, and go with it."""
        return {}

    def cancel(self, places: Sequence[str]) -> None:
        """Nothing; the jobs go, and all that belongs to them."""
        for place in places:
            words, name = _at(place)
            told([*words, "delete", "job", name, "--ignore-not-found", "--wait=false", "--cascade=background"])


def state_of(job: dict[str, Any]) -> BatchState:
    """What a ``Job`` as Kubernetes shows it says of itself."""
    status = job.get("status", {})
    conditions = [one for one in status.get("conditions", ()) if one.get("status") == "True"]
    for one in conditions:
        if one["type"] in ("Complete", "Failed"):
            told_why = f" ({one['reason']})" if one.get("reason") else ""
            return BatchState(pending=False, running=False, word=one["type"].lower() + told_why)
    if status.get("ready"):
        return BatchState(pending=False, running=True, word="running")
    return BatchState(pending=True, running=False, word="pending")
