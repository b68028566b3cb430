"""The Kubernetes objects of one job: plain dicts, made without asking anyone.

The driver is a ``Job``; scheduler and workers are a ``DaskCluster`` of the Dask operator; keys and variables are
``Secret`` objects. All but the first belong to it, so that Kubernetes takes them away with it, and nothing in a pod
needs the right to talk to Kubernetes.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cluster.profiles.settings import KubernetesProfile
from cluster.providers.commands import WorkerTerms, serve_words, worker_plan
from cluster.serve import Plan
from cluster.tls import TlsFolder

#: Where pods find the keys.
KEYS = PurePosixPath("/etc/textmill/tls")
#: Tells a driver inside Kubernetes where its scheduler is.
SCHEDULER_VARIABLE = "TEXTMILL_SCHEDULER"
PORT = 8786
#: The operator adds words to names, and names of services have at most 63 characters.
_LONGEST_NAME = 45
#: What nanny and interpreter take beside a worker's own memory.
_BESIDE_BYTES = 300 * 2**20
_SCHEDULER_BYTES = 2_000_000_000
#: A job that has ended goes after so long, and all that belongs to it.
_STAYS_S = 120
_BAD = re.compile(r"[^a-z0-9-]+")

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodJob:
    """What to run.

    Attributes
    ----------
    run
        The run's id.
    store
        The store's folder, on the volume.
    logs
        The folder of the job's logs, likewise.
    workers, threads, memory_bytes
        Of the cluster.
    environment
        Variables of driver and workers, with their values.
    """

    run: str
    store: str
    logs: Path
    workers: int
    threads: int
    memory_bytes: int
    environment: Mapping[str, str]


def object_name(run: str) -> str:
    """A name that Kubernetes takes, as unique as the run's id.

    Examples
    --------
    >>> object_name("Hotel_Reviews-20261125-101500-ab12")
    'textmill-hotel-reviews-20261125-101500-ab12'
    """
    plain = f"textmill-{_BAD.sub('-', run.lower())}".rstrip("-")
    if len(plain) <= _LONGEST_NAME:
        return plain
    digest = hashlib.sha256(run.encode()).hexdigest()[:8]
    return f"{plain[: _LONGEST_NAME - 9].rstrip('-')}-{digest}"


def scheduler_address(name: str, namespace: str) -> str:
    """Where the scheduler of the cluster `name` is found inside Kubernetes."""
    return f"tls://{name}-scheduler.{namespace}.svc:{PORT}"


def driver_manifest(job: PodJob, profile: KubernetesProfile) -> Manifest:
    """The ``Job`` whose pod is the driver."""
    name = object_name(job.run)
    words = shlex.join(["python", "-m", "cluster.detached", job.store, job.run])
    log = shlex.quote(str(job.logs / "driver.log"))
    container = _container(
        "driver",
        job,
        profile,
        profile.driver_memory,
        command=["sh", "-c", f"exec {words} >> {log} 2>&1"],
        env={SCHEDULER_VARIABLE: scheduler_address(name, profile.namespace)},
    )
    # What a driver says itself is final: the job failed or was cancelled. What ends a driver is not.
    final = {"action": "FailJob", "onExitCodes": {"containerName": "driver", "operator": "In", "values": [1, 2, 3]}}
    moved = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(name, profile, job.run),
        "spec": {
            "backoffLimit": profile.retries,
            "ttlSecondsAfterFinished": _STAYS_S,
            "podFailurePolicy": {"rules": [final, moved]},
            "template": {
                "metadata": {"labels": _labels(job.run)},
                "spec": {**_pod(container, job, profile), "restartPolicy": "Never"},
            },
        },
    }


def belongings(job: PodJob, profile: KubernetesProfile, keys: TlsFolder | None, owner: str) -> list[Manifest]:
    """All that belongs to the driver: secrets and the cluster.

    Parameters
    ----------
    job, profile
        What to run, and where.
    keys
        The keys to hand over; None where the profile names a secret that has them.
    owner
        The uid of the driver's ``Job``.
    """
    name = object_name(job.run)
    found = [_secret(f"{name}-env", dict(job.environment))]
    if keys is not None:
        found.append(_secret(f"{name}-tls", {path.name: path.read_text(encoding="ascii") for path in keys.files()}))
    found.append(_cluster(job, profile))
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": owner}
    for one in found:
        one["metadata"] = {**_metadata(one["metadata"]["name"], profile, job.run), "ownerReferences": [reference]}
    return found


def _secret(name: str, values: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": values}


def _cluster(job: PodJob, profile: KubernetesProfile) -> Manifest:
    name = object_name(job.run)
    address = scheduler_address(name, profile.namespace)
    terms = WorkerTerms(
        threads=job.threads,
        memory_bytes=job.memory_bytes,
        scratch=profile.scratch or "/tmp",  # noqa: S108 - the pod's own
    )
    plan = worker_plan(0, address, terms, host=None, watch=None)
    # The operator finds a worker's pod by the name that it gives it.
    plan["options"]["name"] = None
    worker = _container(
        "worker", job, profile, job.memory_bytes + _BESIDE_BYTES, command=serve_words("python", plan), cores=job.threads
    )
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": name},
        "spec": {
            "scheduler": {
                "spec": _pod(_scheduler(job, profile), job, profile),
                "service": {
                    "type": "ClusterIP",
                    "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
                    "ports": [{"name": "tcp-comm", "protocol": "TCP", "port": PORT, "targetPort": "tcp-comm"}],
                },
            },
            "worker": {"replicas": job.workers, "spec": _pod(worker, job, profile)},
        },
    }


def _scheduler(job: PodJob, profile: KubernetesProfile) -> Manifest:
    options = {
        # Kubernetes puts the pod's address here: nothing listens on all interfaces.
        "host": "$(POD_ADDRESS)",
        "port": PORT,
        "protocol": "tls",
        "dashboard": False,
        "dashboard_address": "$(POD_ADDRESS):0",
        "preload": ["cluster.worker_log"],
    }
    plan = Plan(cls="distributed.Scheduler", scheduler=None, options=options, environment_from_stdin=False)
    container = _container("scheduler", job, profile, _SCHEDULER_BYTES, command=serve_words("python", plan))
    container["env"].insert(0, {"name": "POD_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    container["ports"] = [{"name": "tcp-comm", "containerPort": PORT, "protocol": "TCP"}]
    container["readinessProbe"] = {"tcpSocket": {"port": "tcp-comm"}, "periodSeconds": 5}
    return container


def _container(
    name: str,
    job: PodJob,
    profile: KubernetesProfile,
    memory_bytes: int,
    *,
    command: list[str],
    cores: int = 1,
    env: Mapping[str, str] | None = None,
) -> Manifest:
    keys = TlsFolder(path=Path(KEYS)).environment()
    variables = {"TEXTMILL_LOGS": "json", "PYTHONUNBUFFERED": "1", **keys, **(env or {})}
    return {
        "name": name,
        "image": profile.image,
        # A first word that is an option would be the image's entry point's.
        "command": command,
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "envFrom": [{"secretRef": {"name": f"{object_name(job.run)}-env"}}],
        "resources": {
            "requests": {"cpu": str(cores), "memory": str(memory_bytes)},
            "limits": {"memory": str(memory_bytes)},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "data", "mountPath": profile.volume.mount},
            {"name": "keys", "mountPath": str(KEYS), "readOnly": True},
        ],
    }


def _pod(container: Manifest, job: PodJob, profile: KubernetesProfile) -> Manifest:
    keys = profile.tls_secret or f"{object_name(job.run)}-tls"
    pod: Manifest = {
        "containers": [container],
        # Nothing in our pods talks to Kubernetes.
        "automountServiceAccountToken": False,
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": profile.volume.claim}},
            {"name": "keys", "secret": {"secretName": keys, "defaultMode": 0o440}},
        ],
    }
    if profile.service_account:
        pod["serviceAccountName"] = profile.service_account
    if profile.pull_secret:
        pod["imagePullSecrets"] = [{"name": profile.pull_secret}]
    return pod


def _metadata(name: str, profile: KubernetesProfile, run: str) -> Manifest:
    return {"name": name, "namespace": profile.namespace, "labels": _labels(run), "annotations": {"textmill/run": run}}


def _labels(run: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "textmill", "app.kubernetes.io/instance": object_name(run)}


def shown(manifests: list[Manifest]) -> list[Manifest]:
    """The manifests for people's eyes: the values in secrets are left out."""
    shown: list[Manifest] = json.loads(json.dumps(manifests))
    for one in shown:
        if one["kind"] == "Secret":
            one["stringData"] = dict.fromkeys(one["stringData"], "left out here")
    return shown
