"""The job file of the demonstration corpus."""

import json

from textmill.demo.grammar import LABELS
from textmill.demo.layout import PartLayout
from textmill.demo.noise import label_map

_JOB = """\
# Customer-service tickets, half English, half Chinese: exports of several systems, cleaned into one dataset,
# and a model that sorts them. Every table and key is described in docs/job-file.md.
#
#   textmill run job.toml                              again, with the same version fingerprint and the same model
#   textmill run job.toml --set features.bits=18       with one setting changed
name = "customer-service"
store = "store"

[source]
# Encodings and dialects differ from file to file; each is found out, recorded and shown in the report.
files = {files}
block = "16MB"
columns = {{ text = "message", label = "category" }}
types = {{ created_at = "timestamp", amount = "decimal(12,2)" }}

[[clean]]
op = "strip_html"

[[clean]]
op = "strip_control"

[[clean]]
op = "normalize_unicode"

[[clean]]
op = "collapse_whitespace"

[[clean]]
op = "trim"

[[clean]]
op = "map_values"
column = "label"
ignore_case = true

[clean.mapping]
{mapping}

[[check]]
column = "label"
one_of = {labels}

[dedupe]
exact = ["text"]

[dataset]
name = "tickets"

[features]
analyzer = "chinese"

[train]
split = {{ test = 0.2, seed = 42 }}
"""


def job_text(layouts: tuple[PartLayout, ...]) -> str:
    """The TOML of a job that cleans the corpus in these files and trains on it."""
    formats = sorted({layout.format for layout in layouts})
    mapping = {spelling.lower(): label for spelling, label in label_map().items() if spelling.lower() != label}
    return _JOB.format(
        files=_toml_list([f"raw/tickets-*.{suffix}" for suffix in formats]),
        mapping="\n".join(f"{_quoted(spelling)} = {_quoted(label)}" for spelling, label in mapping.items()),
        labels=_toml_list(LABELS),
    )


def _toml_list(values: tuple[str, ...] | list[str]) -> str:
    return "[" + ", ".join(_quoted(value) for value in values) + "]"


def _quoted(text: str) -> str:
    # A JSON text is a TOML text.
    return json.dumps(text, ensure_ascii=False)
