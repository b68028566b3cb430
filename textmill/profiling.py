"""Profiles of versions: here for small ones, on workers for large ones, with the same result."""

from typing import Any

from cluster.progress import ProgressListener, Silence
from pipeline.config import ClusterConfig
from pipeline.execute import run_here
from pipeline.profile.profile import SMALL_BYTES, profile_version
from storage.errors import VersionVacuumedError
from storage.store import Store
from storage.versions import Snapshot
from textmill.executing import executing


def profile_dataset(
    store: Store,
    name: str,
    at: int | str | None,
    *,
    versions: int,
    label: str,
    top: int,
    cluster: ClusterConfig,
    listener: ProgressListener | None,
) -> dict[str, Any]:
    """The profile; parameters and errors as for `textmill.api.profile`."""
    snapshot = store.snapshot(name, at)
    earlier = _earlier(store, snapshot, versions - 1)
    if not cluster.model_fields_set and sum(one.version.bytes for one in (snapshot, *earlier)) <= SMALL_BYTES:
        return profile_version(snapshot, earlier, run_here, label=label, top=top)
    quiet = listener if listener is not None else Silence()
    with executing(quiet, cluster, shared=store.layout.stagings) as (execute, _):
        return profile_version(snapshot, earlier, execute, label=label, top=top)


def _earlier(store: Store, snapshot: Snapshot, most: int) -> list[Snapshot]:
    """Up to `most` versions before this one, newest first; those whose files were given up are left out."""
    found: list[Snapshot] = []
    for version in store.versions(snapshot.version.dataset):
        if version.number < snapshot.version.number and len(found) < most:
            try:
                found.append(store.snapshot(version.dataset, version.number))
            except VersionVacuumedError:
                continue
    return found
