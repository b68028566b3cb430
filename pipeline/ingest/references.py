"""What a check that looks into another dataset, or into a file, comes to in one run."""

from collections.abc import Callable

from pipeline.errors import JobFileError
from pipeline.ingest.dedupe.strangers import ReferenceSpec
from pipeline.ingest.reading.source_plan import SourcePlan
from pipeline.ingest.reference_config import ReferenceConfig
from pipeline.problems import unknown
from storage.errors import NotFoundError
from storage.store import Store

#: From a path or pattern to what is in the files.
PlanFiles = Callable[[str], SourcePlan]


def pinned(config: ReferenceConfig, store: Store, plan_files: PlanFiles, column: str, reason: str) -> ReferenceSpec:
    """What to look for in the version or the files as they are now: the same for the whole run.

    Parameters
    ----------
    config
        Where to look.
    store
        The job's store.
    plan_files
        Understands files.
    column
        The column to check.
    reason
        What rejected rows carry.

    Raises
    ------
    JobFileError
        If there is no such dataset, version or column.
    SourceError
        If the files cannot be read.
    """
    if config.file is not None:
        plan = plan_files(config.file)
        _require_column(config.column, plan.schema.names, config.file, reason)
        return ReferenceSpec(
            column=column, known_column=config.column, blocks=plan.blocks, reason=reason, told=config.file
        )
    names = store.names()
    if config.dataset not in names:
        raise JobFileError((f"{reason}: {unknown('dataset of this store', str(config.dataset), names)}",))
    try:
        snapshot = store.snapshot(config.dataset, config.version)
    except NotFoundError as error:
        raise JobFileError((f"{reason}: {error}",)) from error
    told = f"{config.dataset} version {snapshot.version.number}"
    _require_column(config.column, snapshot.schema.names, told, reason)
    return ReferenceSpec(column=column, known_column=config.column, files=snapshot.files, reason=reason, told=told)


def _require_column(column: str, names: list[str], where: str, reason: str) -> None:
    if column not in names:
        raise JobFileError((f"{reason}: {unknown(f'column of {where}', column, names)}",))
