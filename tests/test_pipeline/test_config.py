"""The job file: every problem at once, each with its key, value, expectation and nearest valid name."""

import pickle
from pathlib import Path

import pytest

from pipeline.config import apply_override, load_job, parse_job
from pipeline.errors import JobFileError
from pipeline.settings import parse_size


def minimal(**changes):
    return {"name": "job", "source": {"files": ["a.csv"]}, "dataset": {"name": "rows"}, **changes}


def problems_of(tables):
    with pytest.raises(JobFileError) as caught:
        parse_job(tables, "job.toml")
    return caught.value.problems


def test_the_smallest_job_has_its_defaults():
    job = parse_job(minimal())
    assert (job.store, job.dataset.mode, job.cluster.profile, job.train) == ("store", "replace", "local", None)
    assert job.source.block == 64_000_000


def test_all_problems_are_reported_together():
    tables = minimal(
        source={"files": ["a.csv"], "blok": "64MB", "block": "lots"},
        train={"solver": "incrementl"},
        clean=[{"op": "normalise_unicode"}, {"op": "trim", "colum": "text"}],
    )
    problems = problems_of(tables)
    text = "\n".join(problems)
    assert len(problems) == 5, problems
    assert '"blok" is not a known key. Did you mean "block"?' in text
    assert "source.block: 'lots'" in text
    assert 'train.solver: "incrementl" is not a known value here. Did you mean "incremental"?' in text
    assert 'clean[1]: "normalise_unicode" is not a known value here. Did you mean "normalize_unicode"?' in text
    assert '"colum" is not a known key. Did you mean "column"?' in text


def test_missing_keys_are_named():
    problems = problems_of({"name": "job", "dataset": {"name": "rows"}})
    assert problems == ("source: this key is required and missing",)


def test_an_unknown_top_level_table_names_the_nearest():
    assert 'Did you mean "dedupe"?' in problems_of(minimal(dedup={"exact": ["text"]}))[0]


@pytest.mark.parametrize("name", ["1rows", "a b", "", "x" * 101, "näme"])
def test_dataset_names_must_need_no_quotes_in_sql(name):
    assert any("dataset.name" in problem for problem in problems_of(minimal(dataset={"name": name})))


def test_features_without_train_are_not_ignored_in_silence():
    assert any("[train]" in problem for problem in problems_of(minimal(features={"bits": 18})))


def test_variables_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CORPUS", "/somewhere")
    assert parse_job(minimal(source={"files": "${CORPUS}/a.csv"})).source.files == ("/somewhere/a.csv",)


def test_an_unset_variable_is_a_problem():
    assert "NO_SUCH_VARIABLE_SET" in problems_of(minimal(source={"files": "${NO_SUCH_VARIABLE_SET}/a.csv"}))[0]


def test_relative_paths_belong_to_the_job_files_folder(tmp_path: Path):
    path = tmp_path / "job.toml"
    path.write_text('name = "j"\n[source]\nfiles = ["raw/*.csv", "/abs/b.csv"]\n[dataset]\nname = "d"\n')
    job = load_job(path)
    assert job.source.files == (str(tmp_path / "raw/*.csv"), "/abs/b.csv")
    assert job.store == str(tmp_path / "store")
    assert Path(job.source.root) == tmp_path


def test_overrides_are_toml_values_and_their_paths_belong_to_the_current_folder(tmp_path, monkeypatch):
    path = tmp_path / "jobs" / "job.toml"
    path.parent.mkdir()
    path.write_text('name = "j"\n[source]\nfiles = "x.csv"\n[dataset]\nname = "d"\n')
    monkeypatch.chdir(tmp_path)
    job = load_job(path, ["cluster.workers=2", "source.files=here.csv", "dataset.mode=append", 'source.block="1MB"'])
    assert job.cluster.workers == 2
    assert job.source.files == (str(tmp_path / "here.csv"),)
    assert job.dataset.mode == "append"
    assert job.source.block == 1_000_000


@pytest.mark.parametrize("override", ["no-equals", "=1", "a..b=1"])
def test_overrides_that_say_nothing_are_refused(override):
    with pytest.raises(ValueError, match="--set"):
        apply_override({}, override)


def test_a_missing_file_and_bad_toml_are_job_file_errors(tmp_path):
    with pytest.raises(JobFileError, match="no such file"):
        load_job(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "x\n')
    with pytest.raises(JobFileError, match="line 1"):
        load_job(bad)


def test_a_job_file_error_survives_pickling():
    error = JobFileError(("one", "two"), "job.toml")
    again = pickle.loads(pickle.dumps(error))
    assert (again.problems, again.origin, str(again)) == (error.problems, error.origin, str(error))


@pytest.mark.parametrize(
    ("text", "size"), [("64MB", 64_000_000), ("1.5 GiB", 1_610_612_736), ("10", 10), (4096, 4096), ("2k", 2000)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1MB", 0, True, "1XB", None, 1.5, "0"])
def test_things_that_are_no_sizes(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    "line",
    [
        "内容 = 'a'",
        "name = 内容",
        "[source]\ncolumns = { 正文 = 'text' }",
        "列a = 1",
        "[[clean]]\nmapping = { a = 'b', 好评 = 'good' }",
    ],
)
def test_names_in_other_scripts_without_quotes_say_what_they_need(tmp_path, line):
    bad = tmp_path / "bad.toml"
    bad.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(JobFileError, match=r'need quotes: "(内容|正文|列a|好评)"'):
        load_job(bad)
