"""The verb that shows what a dataset holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from pipeline.config import ClusterConfig
from storage.store import Store
from textmill.cli.job_options import on_cluster
from textmill.cli.names import DATASET, VERSION
from textmill.cli.output import cell, messages, print_json, print_pairs, print_table, results
from textmill.cli.progress import listening
from textmill.cli.verb import AtLeast, verb
from textmill.profiling import profile_dataset
from textmill.report.profile_page import about, columns_of, label_table, languages, write_profile_page
from textmill.report.units import count, share, visible

Facts = Mapping[str, Any]


@verb(
    examples=[
        ("textmill profile tickets", "columns, lengths, labels, top tokens, and what is odd"),
        ("textmill profile tickets --output tickets.html", "the same as one page that needs nothing else"),
        ("textmill profile tickets --at approved --versions 10 --json", "a tagged version, for programs"),
    ]
)
@click.argument("name", type=DATASET)
@click.option("--at", type=VERSION, help="A version: its number, tag, or a time.")
@click.option(
    "--versions", type=AtLeast(1), default=5, show_default=True, help="Versions whose label shares are shown."
)
@click.option("--label", default="label", show_default=True, help="The column with the labels.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page, and print where."
)
@click.option("--top", type=AtLeast(1), default=20, show_default=True, help="Values and tokens told of a column.")
@on_cluster
def profile(
    name: str,
    at: int | str | None,
    versions: int,
    label: str,
    output: Path | None,
    top: int,
    cluster: ClusterConfig,
    store: str,
    as_json: bool,
) -> None:
    """Show what a version holds: types, nulls, different values, lengths, languages, tokens, labels, and what is odd.

    It is computed as sketches that merge: memory does not grow with the rows. Numbers that are estimates say so.
    """
    with listening(messages(), silent=as_json) as listener:
        facts = profile_dataset(
            Store.open(store), name, at, versions=versions, label=label, top=top, cluster=cluster, listener=listener
        )
    if output is not None:
        path = write_profile_page(facts, output)
        if not as_json:
            return click.echo(path)
    return print_json(facts) if as_json else _print_profile(facts)


def _print_profile(facts: Facts) -> None:
    rows = facts["rows"]
    print_pairs(
        [
            ("dataset", f"{facts['dataset']} version {facts['version']}"),
            ("rows", count(rows)),
            ("different rows", about(facts["distinct_rows"])),
        ]
    )
    _section("Columns")
    print_table(
        ("column", "type", ">nulls", ">different", ">least", ">5 %", ">median", ">95 %", ">most", ">mean"),
        [
            (
                one.name,
                one.type,
                share(one.nulls, rows),
                one.distinct,
                one.least,
                *(one.quantile(part) for part in ("0.05", "0.5", "0.95")),
                one.most,
                one.mean,
            )
            for one in columns_of(facts)
        ],
    )
    click.echo("Of texts: their lengths in characters.")
    for column in facts["columns"]:
        _print_frequent(column)
    if facts["versions"]:
        _section(f'Label shares ("{facts["label"]}")')
        versions, lines = label_table(facts)
        print_table(
            ("label", *(f">version {number}" for number in versions)),
            [(label, *(share(part, 1) for part in shares)) for label, shares in lines],
        )
    if facts["examples"]:
        _section("Examples")
    for number, row in enumerate(facts["examples"]):
        if number:
            results().print()
        print_pairs((column, cell(value, cut=True)) for column, value in row.items())
    _section("Worth knowing")
    for line in facts["anomalies"] or ["Nothing stands out."]:
        results().print(cell(f"- {line}", cut=False), soft_wrap=True)


def _print_frequent(column: Facts) -> None:
    parts = column.get("scripts") or {}
    scripts = ", ".join(f"{name} {share(part, 1)}" for name, part in sorted(parts.items(), key=lambda one: -one[1]))
    pairs = [
        ("scripts", scripts),
        ("languages", _languages(column)),
        ("values", _listed(column["values"])),
        ("tokens", _listed(column.get("tokens"))),
    ]
    if any(value for _, value in pairs):
        _section(f'Column "{column["column"]}"')
        print_pairs(pairs)


def _languages(column: Facts) -> str:
    told = ", ".join(f"{language} {share(part, 1)}" for language, part in languages(column))
    sample = column.get("languages") or {"exact": True}
    return told if sample["exact"] else f"{told} (of a sample of {count(sample['rows'])} rows)"


def _listed(found: Facts | None) -> str:
    """The frequent ones in a line; empty where none comes twice."""
    if not found or not found["top"] or found["top"][0]["count"] < 2:
        return ""
    told = ", ".join(f"{one['value']} {count(one['count'])}" for one in found["top"])
    error = found["count_error"]
    return f"{told} (counts may be too small by up to {count(error)})" if error else told


def _section(title: str) -> None:
    results().print(Text(f"\n{visible(title)}", "bold"))
