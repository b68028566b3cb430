"""One driver's attempt at a job: all that is not done yet, then the commit."""

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from distributed import Client

from cluster.checkpoints import Checkpoints
from cluster.control import Control
from cluster.errors import BlocksTooLargeError, ClusterLostError, JobError, WorkerLostError
from cluster.execute import ClientExecute
from cluster.inputs import inputs_digest, work_digest
from cluster.job import Kind
from cluster.outcome import Outcome
from cluster.performance import Performance, shown_dashboard
from cluster.progress import ProgressListener
from cluster.providers.provider import Provider
from cluster.result import RunResult
from cluster.secrets import redacted, redacted_facts
from cluster.session import Session
from cluster.told import library_versions, result_of
from pipeline.config import JobConfig
from pipeline.ingest.flow import ROWS, prepare
from pipeline.ingest.memory_need import known_worker_bytes, worker_bytes
from pipeline.text.config import FeatureConfig
from storage.compiled import load_compiler
from storage.errors import DatasetNotFoundError
from storage.loading import load_beside, loading
from storage.store import Store
from storage.versions import Snapshot, Version

if TYPE_CHECKING:
    from pipeline.ingest.prepared import Ingested, Prepared
    from pipeline.train.fit import FitResult

LOG = logging.getLogger("textmill.job")
#: Blocks are halved where workers die under them, so often and no further.
_MOST_HALVINGS = 3
_LEAST_BLOCK = 1_000_000
#: Comes with scikit-learn and dask-ml, which a run that trains no model does not need.
_FIT = "pipeline.train.fit"


class Attempt:
    """One driver at work.

    Parameters
    ----------
    job
        What to do.
    store
        The job's store.
    control
        The hold on the job.
    listener
        Hears how it gets on.
    provider
        Opens its cluster.
    allow_code
        Whether operations may run functions named in the job file.
    """

    def __init__(
        self,
        job: JobConfig,
        store: Store,
        control: Control,
        listener: ProgressListener,
        provider: Provider,
        *,
        allow_code: bool,
    ) -> None:
        # The message goes into the version's own record.
        message = redacted(job.dataset.message) if job.dataset.message else job.dataset.message
        dataset = job.dataset.model_copy(update={"message": message})
        self.job = job.model_copy(update={"dataset": dataset})
        self.provider = provider
        self.store = store
        self.control = control
        self.listener = listener
        self.allow_code = allow_code
        self.run = control.job.id
        self.staging = store.staging(self.run)
        self.performance = Performance(job.cluster, control.job.path)

    def result(self) -> RunResult:
        """The result, once everything is committed."""
        # While workers come up and look at the input.
        if self.job.train is None:
            load_beside(ROWS)
        else:
            load_beside(ROWS, _FIT, then=load_compiler)
        self.control.tell(Kind.STARTED)
        landed = self._landed()
        inputs = "" if landed else inputs_digest(self.job)
        work = "" if landed else work_digest(self.job, inputs)
        outcome = Outcome.saved(self.staging)
        if landed and outcome is None:
            raise JobError(
                self.run,
                f"its dataset was committed as {landed.dataset} version {landed.number}, and what was left to do for "
                "it is lost. The version is whole; submit the job again for a model.",
            )
        provider = self.provider
        self._tell_memory(provider.memory_bytes)
        with Session(provider, self._cluster_lost, self._cluster_opened, self.performance.closing) as session:
            execute = ClientExecute(
                session,
                self.listener,
                self.job.cluster.task_timeout_s,
                provider.memory_bytes,
                checkpoints=Checkpoints(self.staging / "done", self.staging.parent.parent, inputs),
                check=self.control.check,
                on_workers=lambda workers: self.control.show(workers=workers),
            )
            if outcome is None or not (landed or outcome.work == work):
                outcome = self._worked_out(work, execute, session)
            return replace(self._committed(outcome, execute), workers=provider.workers)

    def _tell_memory(self, limit_bytes: int) -> None:
        """Nothing; whoever listens knows what a worker needs, and whether it has that."""
        need = worker_bytes(self.job)
        block = self.job.source.block
        text = f"a worker needs up to {need / 1e9:.2g} GB of memory with blocks of {block / 1e6:g} MB"
        # A cluster of others does not say before it is opened.
        if limit_bytes and need > limit_bytes:
            text += (
                f", and may take {limit_bytes / 1e9:.2g} GB; blocks are halved where that is not enough. Give it more "
                "with [cluster] memory, or make [source] block smaller"
            )
        self.listener.note(text)

    def _tell_training_memory(self, version: Version, labels: int) -> None:
        """Nothing; whoever listens knows where training these rows needs more than was said before they were read."""
        need = known_worker_bytes(self.job, version, labels)
        if need <= worker_bytes(self.job):
            return
        text = f"training on these rows, with {labels} labels, a worker needs up to {need / 1e9:.2g} GB of memory"
        limit_bytes = self.provider.memory_bytes
        if limit_bytes and need > limit_bytes:
            text += (
                f", and may take {limit_bytes / 1e9:.2g} GB. Give it more with [cluster] memory, or make bits in "
                "[features] or block_rows in [train] smaller"
            )
        self.listener.note(text)

    def _landed(self) -> Version | None:
        """The version that an earlier attempt committed."""
        try:
            versions = self.store.versions(self.job.dataset.name)
        except DatasetNotFoundError:
            return None
        return next((version for version in versions if version.run == self.run), None)

    def _cluster_opened(self, client: Client) -> None:
        self.control.tell(Kind.OPENED)
        self.performance.opened(client)
        if self.job.cluster.dashboard:
            link = shown_dashboard(client)
            self.control.show(dashboard=link)
            self.listener.note(f"dashboard: {link or 'not shown, since others than this machine would see it'}")

    def _cluster_lost(self, error: ClusterLostError) -> None:
        LOG.warning("%s", error)
        self.control.tell(Kind.CLUSTER_LOST, text=f"stage {error.stage}: {error.detail}; opening a new cluster")

    def _worked_out(self, work: str, execute: ClientExecute, session: Session) -> Outcome:
        """The outcome, on disk."""
        began = time.perf_counter()
        prepared = self._prepared(execute, session)
        seconds = {**execute.seconds, "ingest": time.perf_counter() - began}
        fitted, trained_on = None, ""
        if self.job.train is not None:
            # The model first, then the commit: a run that fails in training leaves the versions as they were.
            snapshot = self.store.preview(prepared.request)
            self._tell_training_memory(snapshot.version, len(prepared.labels))
            fitted, trained_on = self._fit(snapshot, execute), snapshot.version.fingerprint
            seconds |= fitted.seconds
        outcome = Outcome(work=work, prepared=prepared, fitted=fitted, trained_on=trained_on, seconds=seconds)
        outcome.save(self.staging)
        return outcome

    def _prepared(self, execute: ClientExecute, session: Session) -> "Prepared":
        """The rows, staged, with blocks as large as the workers can bear."""
        tried = [self._first_block()]
        while True:
            job = self.job.model_copy(update={"source": self.job.source.model_copy(update={"block": tried[-1]})})
            try:
                note = self.listener.note
                return prepare(job, self.store, self.run, execute, note=note, allow_code=self.allow_code)
            except (WorkerLostError, MemoryError) as error:
                smaller = tried[-1] // 2
                if len(tried) > _MOST_HALVINGS or smaller < _LEAST_BLOCK:
                    told = str(getattr(error, "detail", error))
                    stage = getattr(error, "stage", "ingest")
                    memory_bytes = getattr(error, "memory_bytes", 0)
                    raise BlocksTooLargeError(stage, memory_bytes, tuple(tried), told) from error
                text = f"workers died with blocks of {tried[-1] / 1e6:g} MB; trying blocks of {smaller / 1e6:g} MB"
                LOG.warning("%s (%s)", text, error)
                self.control.tell(Kind.ADAPTED, text=text, block=smaller)
                tried.append(smaller)
                # Workers that are full stay full: they do not come along.
                session.close()

    def _first_block(self) -> int:
        """The size of blocks that an earlier attempt has come to, else the job's own."""
        events = self.control.job.journal.events()
        sizes = [int(event.facts["block"]) for event in events if event.kind is Kind.ADAPTED]
        return min([self.job.source.block, *sizes])

    def _fit(self, snapshot: Snapshot, execute: ClientExecute) -> "FitResult":
        if self.job.train is None:
            raise ValueError("the job trains no model")
        with loading():
            from pipeline.train.fit import fit_model
            from pipeline.train.start import find_start

        train = self.job.train
        start = None if train.start is None else find_start(self.store, train.start)
        features = self.job.features or FeatureConfig()
        return fit_model(snapshot, features, train, self.store.cache("features"), execute, {}, start)

    def _committed(self, outcome: Outcome, execute: ClientExecute) -> RunResult:
        self.control.check()
        self.control.tell(Kind.COMMIT_BEGAN)
        from pipeline.ingest.prepared import commit

        ingested = commit(self.store, outcome.prepared)
        fitted, seconds = outcome.fitted, outcome.seconds
        if fitted is not None:
            if ingested.version.fingerprint != outcome.trained_on:
                self.listener.note(
                    "another run appended rows meanwhile; training again on the version as it was committed"
                )
                fitted = self._fit(self.store.snapshot(self.job.dataset.name, ingested.version.number), execute)
            self._save_model(ingested, fitted)
        self.control.tell(
            Kind.COMMITTED,
            dataset=ingested.version.dataset,
            version=ingested.version.number,
            fingerprint=ingested.version.fingerprint,
        )
        result = result_of(self.job, self.store, self.run, ingested, fitted)
        return replace(result, seconds=seconds)

    def _save_model(self, ingested: "Ingested", fitted: "FitResult") -> None:
        version = ingested.version
        lineage = {
            "dataset": version.dataset,
            "version": version.number,
            "fingerprint": version.fingerprint,
            "run": self.run,
            "job": redacted_facts(self.job.model_dump(mode="json")),
            "libraries": library_versions(),
        }
        model = replace(fitted.model, lineage={**fitted.model.lineage, **lineage})
        folder = self.staging / "model"
        model.save(folder)
        if "start" in model.lineage:
            lineage["start"] = model.lineage["start"]
        record = {**lineage, "sha256": model.sha256, "metrics": dict(fitted.metrics), "name": self.job.name}
        self.store.save_model(self.run, folder, record)
