"""Two models side by side."""

import click

from pipeline.comparison import compare_models
from pipeline.config import ClusterConfig
from pipeline.train.evaluate import metrics
from pipeline.train.model import load_model
from storage.store import Store
from textmill.api import model_folder
from textmill.cli.output import messages, print_json, print_pairs, print_table
from textmill.cli.progress import listening
from textmill.executing import executing
from textmill.report.units import count, score

#: Below this, a difference is more than chance would make of it once in twenty times.
_CHANCE = 0.05


def compare_two(
    store: Store,
    first: str,
    second: str,
    on: str | None,
    at: int | str | None,
    cluster: ClusterConfig,
    *,
    as_json: bool,
) -> None:
    """Nothing; the metrics of two models on the same rows are on stdout, with the difference's significance."""
    folders = model_folder(first, store), model_folder(second, store)
    models = [load_model(folder) for folder in folders]
    lineage = models[0].lineage
    name = on or str(lineage.get("dataset"))
    if at is None and name == lineage.get("dataset"):
        at = lineage.get("version")
    snapshot = store.snapshot(name, at)
    with (
        listening(messages(), silent=as_json) as listener,
        executing(listener, cluster, shared=store.layout.stagings) as (execute, scratch),
    ):
        paired = compare_models(*folders, snapshot, execute, scratch)
    if not paired.first.rows:
        raise click.ClickException(
            f"no labelled row of {name} version {snapshot.version.number} was kept from both models; "
            "compare them on another dataset or version with --on and --at"
        )
    figures = [metrics(paired.first, models[0].labels), metrics(paired.second, models[1].labels)]
    found = paired.significance()
    if as_json:
        return print_json(
            {
                "dataset": {"name": name, "version": snapshot.version.number},
                "models": [
                    {"model": folder.name, "metrics": each} for folder, each in zip(folders, figures, strict=True)
                ],
                "significance": found,
            }
        )
    print_table(
        ("", f">{folders[0].name}", f">{folders[1].name}", ">difference"),
        [
            (key.replace("_", " "), score(value), score(figures[1][key]), f"{figures[1][key] - value:+.3f}")
            for key, value in figures[0].items()
            if key in figures[1] and not key.endswith("_rows")
        ],
    )
    click.echo()
    told = "more than chance" if found["p_value"] < _CHANCE else "no more than chance may make"
    return print_pairs(
        [
            ("measured on", f"{count(found['rows'])} rows of {name} version {snapshot.version.number}"),
            ("only the first right", count(found["only_first_right"])),
            ("only the second right", count(found["only_second_right"])),
            ("accuracy differs by", f"{found['difference']:+.4f} (95 %: {found['low']:+.4f} to {found['high']:+.4f})"),
            ("McNemar's test", f"p = {found['p_value']:.3g}, {told}"),
        ]
    )
