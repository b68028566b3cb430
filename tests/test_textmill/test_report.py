import doctest
import io
import re
import shlex

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles_report import INCOMPLETE, StrictPage, result_of
from rich.console import Console
from sklearn.metrics import precision_recall_fscore_support

from textmill.report import charts, facts, plots, units
from textmill.report.page import render_page, write_page
from textmill.report.terminal import print_report

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><b>",
    "{{ 7 * 7 }}",
    "[red]markup[/red]",
    "a\u202eb\x1b[31m\nc",
    "http://example.org/x.png",
)


def printed(result, width=100, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    print_report(result, console)
    return console.file.getvalue()


@pytest.mark.parametrize("lacking", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_both_reports_do_without_what_a_run_lacks(lacking):
    result = {key: value for key, value in result_of().items() if key not in lacking}
    page = StrictPage(render_page(result))
    assert "succeeded" in page.text
    assert "succeeded" in printed(result)
    emptied = result | {key: type(result_of()[key])() if result_of()[key] is not None else None for key in lacking}
    StrictPage(render_page(emptied))
    printed(emptied)


def test_a_failed_run_says_what_went_wrong():
    result = result_of(state="failed", error="raw/*.csv: no file <there>", dataset=None, model=None)
    assert "no file <there>" in StrictPage(render_page(result)).text
    assert "no file <there>" in printed(result)


def test_an_empty_ledger_is_shown_as_such():
    ledger = {"read": 0, "kept": 0, "rejected": {}, "filtered": {}, "duplicates": {"exact": 0, "near": 0}}
    assert StrictPage(render_page(result_of(ledger=ledger, sources=[], label_counts={})))
    assert re.search(r"read\s+0", printed(result_of(ledger=ledger)))


@pytest.mark.parametrize("size", [1, 2, 12, 13, 77])
def test_any_number_of_labels_fits(size):
    labels = tuple(f"label_{number}_{'x' * (number % 30)}" for number in range(size))
    result = result_of(labels)
    page = StrictPage(render_page(result))
    assert all(label in page.text for label in labels)
    assert max(map(len, printed(result).splitlines())) <= 160
    svgs = [attrs.get("class") for tag, attrs in page.tags if tag == "svg"]
    assert ("heat" in svgs) == (size > 12)


def test_hostile_text_never_acts():
    labels = HOSTILE
    result = result_of(
        labels,
        name=HOSTILE[0],
        job=HOSTILE[1],
        warnings=list(HOSTILE),
        top_features={label: [(ngram, 1.0) for ngram in HOSTILE] for label in labels},
        settings={"name": HOSTILE[2], "source": {"files": list(HOSTILE)}},
        versions={HOSTILE[0]: HOSTILE[1]},
    )
    result["sources"][0] |= {"file": HOSTILE[0], "note": HOSTILE[1]}
    plain, page = (
        StrictPage(render_page(result_of(("a", "b", "c", "d", "e", "f", "g")))),
        StrictPage(render_page(result)),
    )
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in render_page(result)
    text = printed(result, force_terminal=True, color_system="truecolor")
    assert "[red]markup[/red]" in text
    assert "\x1b[31m\n" not in text
    assert "\u202e" not in text


def test_the_page_needs_nothing_from_outside():
    page = render_page(result_of())
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    assert "url(" not in page
    tags = StrictPage(page).tags
    assert not [tag for tag, _ in tags if tag in {"script", "img", "iframe", "object", "base", "form"}]
    links = [attrs["href"] for _, attrs in tags if "href" in attrs]
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not [attrs for _, attrs in tags if "src" in attrs]


def test_the_page_can_be_walked_through():
    page = StrictPage(render_page(result_of()))
    assert len(set(page.ids)) == len(page.ids)
    targets = {attrs["href"][1:] for _, attrs in page.tags if attrs.get("href", "").startswith("#")}
    named = {attrs["aria-labelledby"] for _, attrs in page.tags if "aria-labelledby" in attrs}
    assert targets | named <= set(page.ids)
    assert [tag for tag, _ in page.tags if tag in {"h1", "h2"}].count("h1") == 1
    pictures = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert pictures
    assert all(attrs.get("aria-label") for attrs in pictures)


def test_the_page_shows_every_fact():
    page = StrictPage(render_page(result_of())).text
    for fact in ("1,000", "800", "80.0 %", "short_row", "empty_text", "gb18030", "123.5 MB", "a note", "look here",
                 "0.912", "sha256:feed", "beef", "退 款", "300.0 MB", "3.11.7", "trim", "4.5 s"):  # fmt: skip
        assert fact in page, fact
    assert "bad_encoding" not in page


def test_the_terminal_shows_every_fact_without_colour_codes_in_a_pipe():
    text = printed(result_of())
    for fact in ("1,000", "80.0 %", "short_row", "gb18030", "look here", "0.912", "sha256:feed", "beef", "退 款"):
        assert fact in text, fact
    assert "\x1b" not in text


def test_commands_can_be_pasted():
    text = printed(result_of(), width=40)
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("  textmill ")]
    assert len(commands) == 7
    assert all(command[-2:] == ["--store", "/data/my store"] for command in commands)
    without = facts.next_commands(result_of(), store="")
    assert not [command for command, _ in without if "--store" in command]


def test_the_page_is_written_whole(tmp_path):
    path = write_page(result_of(), tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8") == render_page(result_of())


counts = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=n, max_size=n)
)


@given(counts)
def test_class_quality_equals_scikit_learn(matrix):
    labels = [f"l{number}" for number in range(len(matrix))]
    cells = [(row, column) for row, values in enumerate(matrix) for column, n in enumerate(values) for _ in range(n)]
    made = facts.Confusion(labels=tuple(labels), counts=tuple(map(tuple, matrix)))
    assert made.total == len(cells)
    if not cells:
        assert made.majority_share == 0
        return
    truth, predicted = zip(*cells, strict=True)
    expected = precision_recall_fscore_support(truth, predicted, labels=range(len(labels)), zero_division=0)
    classes = made.classes()
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose([getattr(each, name) for each in classes], values)
    assert made.majority_share == max(map(truth.count, range(len(labels)))) / len(cells)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=30))
def test_the_flow_stays_in_its_frame_and_in_order(rows):
    read = sum(rows)
    portions = [facts.Portion(fate="kept", reason=str(n), rows=n, share=n / read) for n in rows]
    flow = charts.flow(portions)
    assert len(flow.ribbons) == len(rows)
    edges = [0.0]
    for ribbon in flow.ribbons:
        assert ribbon.node_y >= edges[-1] - 1e-9
        assert ribbon.node_height >= 2
        edges.append(ribbon.node_y + ribbon.node_height)
    assert edges[-1] <= flow.height + 1e-9
    assert flow.source_y >= -1e-9
    assert flow.source_height == pytest.approx(sum(ribbon.node_height for ribbon in flow.ribbons))


def test_portions_add_up_to_the_ledger():
    result = result_of()
    assert sum(portion.rows for portion in facts.portions(result)) == 1000
    assert facts.fate_totals(result) == {"kept": 800, "duplicates": 100, "filtered": 60, "rejected": 40}


@given(st.text())
def test_visible_text_is_one_line_that_cannot_act(text):
    shown = units.visible(text)
    assert len(shown.splitlines()) <= 1
    assert len(shown) == len(text)
    assert all(a == b for a, b in zip(shown, text, strict=True) if b.isprintable())
    assert "\x1b" not in shown


def test_examples_in_the_documentation_hold():
    assert doctest.testmod(units).failed == 0
    assert doctest.testmod(units).attempted >= 5


def curve(label, area):
    points = [[0.0, 0.0], [0.2, area], [1.0, 1.0]]
    return {"label": label, "roc_auc": area, "average_precision": area, "roc": points, "precision_recall": points}


def test_curves_calibration_and_thresholds_are_drawn():
    labels = [*HOSTILE[:3], "d", "e", "f", "g"]
    evaluation = {
        **result_of(tuple(labels))["evaluation"],
        "curves": [curve(label, 0.5 + number / 20) for number, label in enumerate(labels)],
        "calibration": {"expected_error": 0.04, "brier": 0.2, "bins": [
            {"rows": 5, "confidence": 0.5, "accuracy": 0.4}, {"rows": 5, "confidence": 0.9, "accuracy": 0.95},
        ]}, "learning_curve": [{"rows": 10, "accuracy": 0.5}, {"rows": 1000, "accuracy": 0.9}], "course": [{"epoch": at,
        "loss": 1 / at, "validation_loss": 2 / at} for at in (1, 2, 3)], "thresholds": {"undecided": True, "expected":
        {HOSTILE[0]: {"threshold": 0.5, "precision": 0.9, "recall": 0.8}}},
    }  # fmt: skip
    drawn = plots.plots(evaluation)
    assert [plot.title for plot in drawn] == [
        "ROC", "Precision and recall", "Calibration", "Learning curve", "Loss by epoch",
    ]  # fmt: skip
    # Five of seven labels, the weakest first, their points in the square: y grows downwards.
    assert [line.name for line in drawn[0].lines] == [
        f"{label} {0.5 + at / 20:.3f}" for at, label in enumerate(labels[:5])
    ]
    assert drawn[0].lines[0].points == "0.0,220.0 44.0,110.0 220.0,0.0"
    assert len(drawn[4].lines) == 2
    metrics = {**result_of()["metrics"], "roc_auc": 0.875, "calibration_error": 0.0425}
    page = StrictPage(render_page(result_of(tuple(labels), evaluation=evaluation, metrics=metrics)))
    lines = [attributes for tag, attributes in page.tags if tag == "polyline"]
    assert len(lines) == 5 + 5 + 1 + 1 + 2
    for told in ("the weakest 5 of 7 labels", "expected error 0.040", "Thresholds", "0.875", "gets no label"):
        assert told in page.text
    assert "calibration error" in printed(result_of(tuple(labels), evaluation=evaluation, metrics=metrics))


def test_one_of_two_roc_curves_is_enough():
    evaluation = {"curves": [curve("a", 0.7), curve("b", 0.7)]}
    assert [len(plot.lines) for plot in plots.plots(evaluation)] == [1, 2]
    assert plots.plots({}) == []


def test_rows_that_got_no_label_count_as_missed():
    evaluation = {"labels": ["a", "b"], "confusion": [[3, 1], [0, 4]], "undecided": [4, 0]}
    matrix = facts.confusion(result_of(evaluation=evaluation))
    assert matrix.total == 12
    assert [(each.recall, each.support) for each in matrix.classes()] == [(3 / 8, 8), (1.0, 4)]
