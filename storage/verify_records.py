"""Damage among models, and versions that the store's records name and no log has."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from storage.errors import StoreError
from storage.layout import StoreLayout, is_dataset_name
from storage.log import entry_numbers
from storage.parquet import sha256_of
from storage.places import Place, below
from storage.problems import BROKEN_LOG, CHANGED, FOREIGN, MISSING, Problem
from storage.registry import Models, Runs, saved_files
from storage.stages import Stages
from storage.tags import Tags


def verify_records(store: StoreLayout) -> Iterator[Problem]:
    """The problems of models, and of versions that records name; one where the records cannot be read."""
    try:
        yield from [*_models(store), *_names(store)]
    except (StoreError, OSError, ValueError, pa.ArrowException) as error:
        detail, cure = f"the records cannot be read ({error})", "Restore what is told of _system from a backup."
        path = below(store.system("models").folder.parent, store.root)
        yield Problem(dataset="", kind=BROKEN_LOG, path=path, detail=detail, versions=(), cure=cure)


def _models(store: StoreLayout) -> Iterator[Problem]:
    """Models and files of theirs that are not as they were saved, and folders that no record names."""
    models = Models(store)
    # In this order, since a model may be saved in between.
    named, rows = _named_models(store), models.table.last("model")
    there = models.folders()
    for name in sorted(named.keys() & rows.keys() - there):
        path = below(store.models / name, store.root)
        detail = f"the folder of the model, which {named[name]} names, is not there"
        cure = "Restore it from a backup, or run its job again: the same rows give the same model."
        yield Problem(dataset=name, kind=MISSING, path=path, detail=detail, versions=(), cure=cure)
    for name in sorted(there):
        if name not in rows:
            path = below(store.models / name, store.root)
            detail, cure = "no record names this model", "Move it elsewhere."
            yield Problem(dataset=name, kind=FOREIGN, path=path, detail=detail, versions=(), cure=cure)
        else:
            yield from _model_files(store, name, rows[name])


def _named_models(store: StoreLayout) -> dict[str, str]:
    """Model -> what names it, of those that were there once: a model's own record is written before its folder."""
    named = dict.fromkeys((change.model for change in Stages(store).history()), "a stage")
    for run, row in Runs(store).table.last("run").items():
        model = json.loads(row["record"]).get("model")
        if isinstance(model, Mapping) and isinstance(model.get("id"), str):
            named[model["id"]] = f"run {run}"
    return named


def _model_files(store: StoreLayout, name: str, row: Mapping[str, Any]) -> Iterator[Problem]:
    saved = saved_files(row)
    there: list[Place] = [path for path in (store.models / name).rglob("*") if path.is_file()]
    for path in sorted(there, key=str) if saved else ():
        if below(path, store.models / name) not in saved:
            where, detail = below(path, store.root), "the model was saved without this file"
            yield Problem(dataset=name, kind=FOREIGN, path=where, detail=detail, versions=(), cure="Move it elsewhere.")
    for file, sha in saved.items():
        path = store.models / name / file
        try:
            found = sha256_of(path)
        except FileNotFoundError:
            kind, detail = MISSING, "the model's file is not there"
        else:
            if found == sha:
                continue
            kind, detail = CHANGED, "the model's file is not as it was saved"
        cure = "Restore the file from a backup, or train the model again: see `textmill reproduce`."
        where = below(path, store.root)
        yield Problem(dataset=name, kind=kind, path=where, detail=detail, versions=(), cure=cure)


def _names(store: StoreLayout) -> Iterator[Problem]:
    """Versions that tags, models and runs name, and that no log has."""
    known: dict[str, frozenset[int]] = {}
    for path, dataset, number, whose in _named(store):
        if dataset not in known:
            there = is_dataset_name(dataset)
            known[dataset] = frozenset(entry_numbers(store.dataset(dataset).log)) if there else frozenset()
        if number not in known[dataset]:
            detail = f"the log has no version {number}, which {whose} names"
            cure = "Restore the log of the dataset from a backup."
            where = below(path, store.root)
            yield Problem(dataset=dataset, kind=BROKEN_LOG, path=where, detail=detail, versions=(number,), cure=cure)


def _named(store: StoreLayout) -> Iterator[tuple[Place, str, int, str]]:
    """Where the log would be, dataset, version, and what names it."""
    named = [
        (dataset, number, f"tag {tag}") for dataset, tags in Tags(store).all().items() for tag, number in tags.items()
    ]
    for what, table in (("model", Models(store).table), ("run", Runs(store).table)):
        named += [(row["dataset"], row["version"], f"{what} {row[what]}") for row in table.last(what).values()]
    for dataset, number, whose in named:
        if dataset is not None and number is not None:
            yield store.root / dataset, dataset, number, whose
