"""The page of benchmarks: what was recorded is what it says, and losses are on it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.harness.figures import Measured, Sample
from benchmarks.harness.machine import machine_facts
from benchmarks.harness.recorded import BenchRun, CaseResult
from benchmarks.harness.targets import Verdict
from benchmarks.page import DOCS, pages, write
from benchmarks.plots import Bar, bars, log_lines

RUNS = DOCS / "benchmarks" / "runs"


def test_the_page_is_what_the_recorded_runs_say() -> None:
    made = pages(RUNS)
    for name, content in made.items():
        assert (DOCS / name).read_text(encoding="utf-8") == content, f"docs/{name}: run python -m benchmarks.page"
    shown = {f"benchmarks/{path.name}" for path in (DOCS / "benchmarks").glob("*.svg")}
    assert shown == set(made) - {"benchmarks.md"}


def recorded(folder: Path) -> None:
    def sample(name: str, seconds: float) -> Sample:
        return Sample(contender=name, seconds=seconds, cpu_s=1.0, peak_bytes=10**8, measures={}, outputs={})

    rounds = [{"textmill": sample("textmill", 3.0), "<peer>": sample("<peer>", 2.0)}]
    verdicts = [
        Verdict(claim="small", wanted="at most 5", figure=1.0, holds=True),
        Verdict(claim="fast", wanted="at least 2", figure=0.667, holds=False, issue=9),
    ]
    case = CaseResult(suite="sorting", measured=Measured(case="a b", work={}, rounds=rounds), verdicts=verdicts)
    settings = {"repeats": 1, "seed": 4, "peers": True, "only": ["a b"], "profile": "lab", "workers": 3}
    settings["environments"] = {"<peer>": ["one==1", "other==2"]}
    run = BenchRun(
        id="r", started_at="2026-01-01", size_bytes=10**6, machine=machine_facts(), settings=settings, cases=[case]
    )
    folder.mkdir(parents=True)
    (folder / "sorting.json").write_text(json.dumps(run.to_dict()))


def test_losses_come_first_and_every_run_can_be_repeated(tmp_path: Path) -> None:
    recorded(tmp_path / "benchmarks" / "runs")
    (tmp_path / "benchmarks" / "old.svg").write_text("<svg/>")
    written = write(tmp_path)
    assert [path.name for path in written] == ["benchmarks.md", "sorting-a-b.svg"]
    assert write(tmp_path) == []
    assert not (tmp_path / "benchmarks" / "old.svg").exists()
    page = (tmp_path / "benchmarks.md").read_text()
    command = "textmill bench sorting --size 1MB --repeats 1 --seed 4 --case 'a b' --profile lab --workers 3 --peers"
    assert f"    {command}\n" in page
    assert "In environments of their own: <peer>: one==1, other==2.\n" in page
    assert page.index("| FALLS SHORT | sorting | a b | fast | at least 2 | 0.667 | 9 |") < page.index("| PASS |")
    assert "| <peer> | 2.00 (2.00 to 2.00) |" in page
    svg = ElementTree.parse(tmp_path / "benchmarks" / "sorting-a-b.svg")
    texts = [one.text for one in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.index("<peer>") < texts.index("textmill")


def test_a_record_of_no_known_kind_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "weather.json").write_text("{}")
    with pytest.raises(KeyError, match=r"weather.json is neither of a suite nor named after one of memory, "):
        pages(tmp_path)


@pytest.mark.parametrize(
    "svg",
    [
        bars("a & b", "s", [Bar(name="x", middle=0.0, least=0.0, most=0.0)]),
        log_lines("t", "x", "y", {"one": [(1.0, 5.0)], "two": [(4.0, 0.001), (10_000.0, 1e9)]}),
    ],
)
def test_plots_are_whole_at_their_edges(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for line in root.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
