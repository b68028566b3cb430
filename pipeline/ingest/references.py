"""What a check that looks into another dataset comes to in one store."""

from pipeline.errors import JobFileError
from pipeline.ingest.dedupe.strangers import ReferenceSpec
from pipeline.ingest.reference_config import ReferenceConfig
from pipeline.problems import unknown
from storage.errors import NotFoundError
from storage.store import Store


def pinned(config: ReferenceConfig, store: Store, column: str, reason: str) -> ReferenceSpec:
    """What to look for in the version as it is now: the same for the whole run.

    Parameters
    ----------
    config
        Where to look.
    store
        The job's store.
    column
        The column to check.
    reason
        What rejected rows carry.

    Raises
    ------
    JobFileError
        If there is no such dataset, version or column.
    """
    names = store.names()
    if config.dataset not in names:
        raise JobFileError((f"{reason}: {unknown('dataset of this store', config.dataset, names)}",))
    try:
        snapshot = store.snapshot(config.dataset, config.version)
    except NotFoundError as error:
        raise JobFileError((f"{reason}: {error}",)) from error
    if config.column not in snapshot.schema.names:
        kind = f"column of {config.dataset} version {snapshot.version.number}"
        raise JobFileError((f"{reason}: {unknown(kind, config.column, snapshot.schema.names)}",))
    return ReferenceSpec(
        column=column,
        known_column=config.column,
        files=snapshot.files,
        reason=reason,
        told=f"{config.dataset} version {snapshot.version.number}",
    )
