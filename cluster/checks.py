"""Looking a cluster over before a job is given to it: each thing that can be wrong, and its cure."""

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from distributed import Client

from cluster import probes
from cluster.errors import ClusterError, WorkersUnfitError
from cluster.network import is_loopback
from cluster.preflight import asked, unfit
from cluster.profiles.settings import BatchProfile, SshProfile
from cluster.profiles.sources import Named
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.tls import RENEW, TlsFolder
from pipeline.config import ClusterConfig, JobConfig
from pipeline.ingest.memory_need import worker_bytes
from storage.files import make_folder

#: Clocks may differ by so much: files' times and certificates are compared across machines.
_CLOCKS_S = 2.0
_EXPIRES_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name
        What it was.
    ok
        Whether it is as it should be.
    told
        What was found.
    cure
        What to do; "" where nothing is to be done.
    """

    name: str
    ok: bool
    told: str
    cure: str = ""


def checked(named: Named, store: Path, job: JobConfig | None, scratch: Path) -> Iterator[Check]:
    """What is found, check by check, as it is found; it ends early where the cluster cannot be had.

    Parameters
    ----------
    named
        The profile.
    store
        The store that workers are to write to; made where missing.
    job
        A job whose need of memory is to be met.
    scratch
        A folder for the cluster's files, which its workers see.
    """
    profile = named.profile
    config = job.cluster if job is not None else ClusterConfig()
    if isinstance(profile, BatchProfile):
        config = config.model_copy(update={"workers": 1})
    elif isinstance(profile, SshProfile):
        # One on each machine: they are given out in turn.
        config = config.model_copy(update={"workers": len(profile.hosts)})
    began = time.monotonic()
    try:
        provider = provider_of(config, Places(scratch=scratch, logs=scratch / "logs"), named, scratch.name, fit=False)
    except (ClusterError, OSError, ValueError) as error:
        yield Check(
            name="settings", ok=False, told=str(error), cure=f"change [clusters.{named.name}] in {named.origin}"
        )
        return
    yield Check(name="settings", ok=True, told=f"kind {profile.kind}, from {named.origin}")
    try:
        try:
            client = provider.open()
        except (ClusterError, OSError) as error:
            yield Check(name="reachable", ok=False, told=str(error), cure="see what is said; then check again")
            return
        workers = client.scheduler_info(n_workers=-1)["workers"]
        told = f"{client.scheduler.address}, {len(workers)} workers after {time.monotonic() - began:.1f} s"
        yield Check(name="reachable", ok=True, told=told)
        yield from _of_workers(client, workers, store, job)
        yield from _tls(client, getattr(profile, "tls", None))
    finally:
        provider.close()


def _of_workers(client: Client, workers: Mapping[str, Any], store: Path, job: JobConfig | None) -> Iterator[Check]:
    before = time.time()
    try:
        described = asked(client, probes.describe)
    except WorkersUnfitError as error:
        yield Check(name="workers answer", ok=False, told=str(error), cure="look into the workers' logs")
        return
    yield _versions(described)
    yield _clocks(described, before, time.time())
    yield _store(client, store)
    yield _memory(workers, job)
    yield _listening(described)


def _versions(described: Mapping[str, Mapping[str, Any]]) -> Check:
    problems = list(unfit(described))
    if not problems:
        told = f"textmill {probes.versions()['textmill']} and its libraries are the same everywhere"
        return Check(name="versions", ok=True, told=told)
    cure = "do what is said for each, or set ship = true where the libraries are the same"
    return Check(name="versions", ok=False, told="\n".join(problems), cure=cure)


def _clocks(described: Mapping[str, Mapping[str, Any]], before: float, after: float) -> Check:
    off = {worker: max(before - one["clock"], one["clock"] - after, 0.0) for worker, one in described.items()}
    worst = max(off, key=lambda worker: off[worker])
    told = f"at most {off[worst]:.1f} s apart"
    if off[worst] <= _CLOCKS_S:
        return Check(name="clocks", ok=True, told=told)
    host = described[worst]["host"]
    cure = "set them by the network: timedatectl set-ntp true"
    return Check(name="clocks", ok=False, told=f"{host} is {off[worst]:.1f} s off", cure=cure)


def _store(client: Client, store: Path) -> Check:
    """Whether each worker can write to the store, and it is the same folder here and there."""
    cure = (
        f"mount {store} at the same path on all machines, writable for the user that the workers run as, "
        "or name another folder with --store"
    )
    try:
        make_folder(store)
        with TemporaryDirectory(prefix=".check-", dir=store) as folder:
            note, said = Path(folder) / "note", secrets.token_hex(8)
            note.write_text(said, encoding="ascii")
            answers = asked(client, probes.write_and_read, folder, str(note), said)
            problems = [f"{worker}: {told}" for worker, one in answers.items() if (told := _not_written(folder, one))]
    except OSError as error:
        return Check(name="store", ok=False, told=f"it cannot be written from here: {error}", cure=cure)
    if problems:
        return Check(name="store", ok=False, told="\n".join(problems), cure=cure)
    return Check(name="store", ok=True, told=f"{store} is written and read by all {len(answers)} workers")


def _not_written(folder: str, answer: Mapping[str, str]) -> str:
    """What is wrong with a worker's answer to `probes.write_and_read`; "" where nothing is."""
    if "error" in answer:
        return answer["error"]
    try:
        here = (Path(folder) / answer["name"]).read_text(encoding="ascii")
    except OSError:
        return "what it wrote cannot be seen here: the folder is another one there"
    return "" if here == answer["said"] else "what it wrote reads otherwise here"


def _memory(workers: Mapping[str, Any], job: JobConfig | None) -> Check:
    limits = {worker: int(one.get("memory_limit") or 0) for worker, one in workers.items()}
    limited = [limit for limit in limits.values() if limit]
    told = f"{min(limited) / 1e9:.1f} GB for the smallest worker" if limited else "the workers have no limit"
    if job is None:
        return Check(name="memory", ok=True, told=f"{told}; name a job with --job to compare")
    need = worker_bytes(job)
    told += f", {need / 1e9:.1f} GB for one worker on {job.name}"
    if not limited or min(limited) >= need:
        return Check(name="memory", ok=True, told=told)
    return Check(name="memory", ok=False, told=told, cure="raise memory in the profile, or make [source] block smaller")


def _listening(described: Mapping[str, Mapping[str, Any]]) -> Check:
    wide = sorted({f"{one['host']}:{port}" for one in described.values() for port in one["open_to_all"]})
    if not wide:
        return Check(name="ports", ok=True, told="no worker listens on all interfaces")
    cure = "start the workers with --host ADDRESS and --dashboard-address ADDRESS:0"
    return Check(name="ports", ok=False, told=f"open on all interfaces: {', '.join(wide)}", cure=cure)


def _tls(client: Client, folder: str | None) -> Iterator[Check]:
    address = client.scheduler.address
    if address.startswith("tls://") and folder is None:
        yield Check(name="tls", ok=True, told="on, with keys for this run alone")
    elif address.startswith("tls://") and folder is not None:
        until = TlsFolder(path=Path(folder)).expires_at()
        soon = until - datetime.now(UTC) < _EXPIRES_SOON
        yield Check(
            name="tls", ok=not soon, told=f"on; the keys are good until {until:%Y-%m-%d}", cure=RENEW if soon else ""
        )
    elif is_loopback(urlsplit(address).hostname or "") or address.startswith("inproc://"):
        yield Check(name="tls", ok=True, told="off; nothing leaves this machine")
    elif not address.startswith("gateway://"):
        cure = "make keys with `textmill cluster init-tls`, start scheduler and workers with them, and set tls"
        yield Check(name="tls", ok=False, told="off, and others can reach the ports", cure=cure)
