import json
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from oracles_demo import cleaned

import textmill
from pipeline.execute import run_here
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.store import Store
from storage.versions import CommitRequest
from textmill.cli.main import cli
from textmill.demo.layout import PartLayout
from textmill.demo.rates import FATES, Rates
from textmill.demo.rows import PartRows

CLEAN = [
    {"op": "strip_html"},
    {"op": "normalize_unicode", "columns": ["text", "note"]},
    {"op": "strip_control"},
    {"op": "collapse_whitespace"},
    {"op": "filter_length", "min": 3},
    {"op": "trim"},
    {"op": "map_values", "column": "label", "mapping": {"投诉": "complaint"}},
]


def tickets(rows, seed):
    """Texts as written, dressed, with their classes."""
    rates = Rates(**dict.fromkeys(FATES, 0.0), spelling=0.0)
    made = PartRows(PartLayout(rows=rows), seed, rates)
    return [(row.message, row.category) for batch in made.batches() for row in batch]


def commit(store, name, rows):
    table = pa.table(
        {
            "text": [cleaned(text) for text, _ in rows],
            "label": [label for _, label in rows],
            "_source": ["a.csv"] * len(rows),
            "_position": list(range(len(rows))),
        }
    )
    part = write_part(table, store.staging(name) / "part.parquet")
    return store.commit(
        CommitRequest(
            dataset=name, mode="replace", parts=(part,), schema=table.schema,
            fingerprint=fingerprint_of(table, ["text", "label"]), run=f"run-{name}",
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("scoring") / "store", create=True)
    version = commit(store, "tickets", tickets(3000, seed=1))
    commit(store, "later", tickets(500, seed=2))
    lineage = {
        "dataset": "tickets", "version": version.number, "fingerprint": version.fingerprint, "run": "m1",
        "job": {"clean": CLEAN, "source": {"columns": {"text": "message"}}},
    }  # fmt: skip
    features = FeatureConfig(analyzer="chinese", bits=16)
    fitted = fit_model(store.snapshot("tickets"), features, TrainConfig(), store.cache("features"), run_here, lineage)
    folder = store.staging("m1") / "model"
    fitted.model.save(folder)
    store.save_model("m1", folder, {**lineage, "sha256": fitted.model.sha256, "metrics": dict(fitted.metrics)})
    return store


@pytest.fixture
def go(store, monkeypatch):
    """The command line with this thread in the place of a cluster."""

    @contextmanager
    def here(listener, cluster, *, beside=None, shared=None):
        scratch = store.cache("scratch", str(cluster.workers))
        yield run_here, scratch

    monkeypatch.setattr("textmill.cli.scoring.executing", here)
    monkeypatch.setattr("textmill.cli.comparing.executing", here)
    monkeypatch.setattr("textmill.cli.review.executing", here)
    monkeypatch.setattr("textmill.cli.search.executing", here)

    def invoke(*words):
        return CliRunner().invoke(cli, [*map(str, words), "--store", store.uri])

    return invoke


@pytest.fixture
def inputs(tmp_path):
    rows = tickets(400, seed=3)
    frame = pd.DataFrame({"n": range(400), "text": [text for text, _ in rows]})
    frame.to_csv(tmp_path / "new.csv", index=False)
    return frame


def predictions_of(store, texts):
    return textmill.load_model("m1", store).predict(list(texts))


@pytest.mark.parametrize(("suffix", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_predict_adds_labels_and_keeps_everything_else(go, store, inputs, tmp_path, suffix, read):
    output = tmp_path / f"scored.{suffix}"
    ended = go("predict", "m1", tmp_path / "new.csv", "--output", output)
    assert ended.exit_code == 0, ended.output
    assert "400 of 400 records scored" in ended.stdout
    scored = read(output)
    assert list(scored.columns) == ["n", "text", "predicted", "probability"]
    assert scored["text"].tolist() == inputs["text"].tolist()
    assert scored["predicted"].tolist() == predictions_of(store, inputs["text"])
    chances = textmill.load_model("m1", store).predict_proba(inputs["text"].tolist())
    np.testing.assert_allclose(scored["probability"], chances.max(axis=1))


def test_predict_accounts_for_records_that_cannot_be_read(go, tmp_path):
    (tmp_path / "bad.csv").write_text('n,text\n1,Where is my parcel?\n2\n3,a,b\n4,""\n5,我要退钱\n', encoding="utf-8")
    output = tmp_path / "scored.jsonl"
    ended = go("predict", "m1", tmp_path / "bad.csv", "-o", output, "--json")
    told = json.loads(ended.stdout)
    assert told["ledger"]["rejected"] == {"long_row": 1, "short_row": 1}
    assert (told["ledger"]["read"], told["ledger"]["kept"]) == (5, 3)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row["n"] for row in rows] == ["1", "4", "5"]
    assert rows[1]["predicted"] is None
    assert sum(told["labels"].values()) == 2
    plain = go("predict", "m1", tmp_path / "bad.csv", "-o", output)
    assert "1 record could not be read, not in the output: short_row" in plain.stderr


def test_a_prediction_ends_where_most_records_have_another_shape(go, tmp_path):
    lines = ['{"text": "Where is my parcel?"}'] * 40 + ["Where is my parcel?"] * 160
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    ended = go("predict", "m1", tmp_path / "bad.jsonl", "-o", tmp_path / "scored.csv")
    assert ended.exit_code == 1
    assert "160 of 200 records do not have the shape expected" in ended.stderr
    assert not (tmp_path / "scored.csv").exists()


def test_predict_finds_the_text_column(go, tmp_path):
    pd.DataFrame({"message": ["还有货吗？"], "other": ["x"]}).to_csv(tmp_path / "raw.csv", index=False)
    output = tmp_path / "scored.jsonl"
    assert go("predict", "m1", tmp_path / "raw.csv", "-o", output).exit_code == 0
    assert json.loads(output.read_text())["message"] == "还有货吗？"
    named = go("predict", "m1", tmp_path / "raw.csv", "-o", output, "--text", "other", "--reasons", "2")
    assert named.exit_code == 0, named.output
    assert "reasons" in json.loads(output.read_text())
    wrong = go("predict", "m1", tmp_path / "raw.csv", "-o", output, "--text", "nothing")
    assert wrong.exit_code == 1
    assert "message, other" in wrong.stderr


def test_the_text_is_cleaned_before_it_is_scored_and_shown_as_it_was(go, store, tmp_path):
    dressed = "<p>Is the tent in stock at the shop in Leeds?\u200b</p>  "
    pd.DataFrame({"text": [dressed, cleaned(dressed)]}).to_csv(tmp_path / "in.csv", index=False)
    output = tmp_path / "scored.jsonl"
    assert go("predict", "m1", tmp_path / "in.csv", "-o", output).exit_code == 0
    first, second = (json.loads(line) for line in output.read_text().splitlines())
    assert first["text"] == dressed
    assert first["probability"] == second["probability"]
    both = textmill.load_model("m1", store).predict_proba([dressed, cleaned(dressed)])
    np.testing.assert_array_equal(both[0], both[1])


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("predict", "m1", "in.csv"), 2, "--output"),
        (("predict", "m1", "in.csv", "-o", "out.xlsx"), 2, ".parquet"),
        (("predict", "m1", "-o", "out.csv"), 2, "INPUT"),
        (("predict", "m1", "in.csv", "-o", "/no/such/folder/out.csv"), 2, "make it first"),
        (("predict", "m1", "/no/such.csv", "-o", "/tmp/out.csv"), 1, "/no/such.csv"),
        (("predict", "nope", "in.csv", "-o", "/tmp/out.csv"), 2, "nope"),
        (("evaluate", "m1", "nope"), 2, "nope"),
        (("evaluate", "m1", "tickets", "--label", "nope"), 1, "nope"),
        (("reproduce", "nope"), 2, "nope"),
    ],
)
def test_wrong_use_has_one_message(go, words, status, told):
    ended = go(*words)
    assert (ended.exit_code, ended.stdout) == (status, ""), ended.output
    assert told in ended.stderr


def test_evaluate_on_other_rows_equals_counting_predictions(go, store):
    rows = tickets(500, seed=2)
    told = json.loads(go("evaluate", "m1", "later", "--json").stdout)
    expected = predictions_of(store, [text for text, _ in rows])
    right = sum(label == got for (_, label), got in zip(rows, expected, strict=True))
    assert told["metrics"]["accuracy"] == right / 500
    assert told["metrics"]["test_rows"] == np.sum(told["confusion"]) == 500
    assert told["only_test_rows"] is False
    text = go("evaluate", "m1", "later").stdout
    assert "500 rows of later version 0" in text


def test_evaluate_on_the_training_version_counts_only_rows_not_learned_from(go, store):
    told = json.loads(go("evaluate", "m1", "tickets", "--json").stdout)
    recorded = store.model("m1")["metrics"]
    assert told["only_test_rows"] is True
    assert told["metrics"]["test_rows"] == recorded["test_rows"]
    assert told["metrics"]["accuracy"] == pytest.approx(recorded["accuracy"])
    assert told["metrics"]["log_loss"] == pytest.approx(recorded["log_loss"])
    assert 0.85 < told["metrics"]["accuracy"] < 0.99


def test_reproduce(go, store):
    ended = go("reproduce", "m1", "--json")
    told = json.loads(ended.stdout)
    assert (ended.exit_code, told["equal"]) == (0, True)
    assert told["actual"] == told["expected"] == store.model("m1")["sha256"]
    assert "The same bytes" in go("reproduce", "m1").stdout


def test_the_model_in_python(store, tmp_path):
    model = textmill.load_model("m", store.uri)
    assert model.labels == ("complaint", "inquiry", "suggestion")
    assert model.predict(["我要投诉！退款！", None, "Where is my parcel?"]) == ["complaint", None, "inquiry"]
    assert model.predict([]) == []
    chances = model.predict_proba(["x", ""])
    assert chances.shape == (2, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert model.lineage["dataset"] == "tickets"
    assert model.metrics["test_rows"] > 0
    assert model.sha256[:12] in repr(model)
    assert textmill.load_model(model.folder).sha256 == model.sha256
    with pytest.raises(TypeError, match="list of texts"):
        model.predict("one text")


def test_code_in_a_models_job_needs_permission(store, tmp_path):
    lineage = {"job": {"clean": [{"op": "python", "function": "oracles_demo:cleaned"}]}}
    trained = textmill.load_model("m1", store)._trained
    folder = tmp_path / "model"
    type(trained)(
        labels=trained.labels, weighting=trained.weighting, weights=trained.weights, intercept=trained.intercept,
        text="text", lineage=lineage,
    ).save(folder)  # fmt: skip
    with pytest.raises(textmill.JobFileError, match="allow it with --allow-code"):
        textmill.load_model(folder)
    model = textmill.load_model(folder, allow_code=True)
    both = model.predict_proba(["<p>還</p>  x", "還 x"])
    np.testing.assert_array_equal(both[0], both[1])


def test_two_models_side_by_side(go):
    told = json.loads(go("models", "--compare", "m1", "m1", "--json").stdout)
    assert told["dataset"] == {"name": "tickets", "version": 0}
    assert told["models"][0] == told["models"][1]
    assert told["significance"]["p_value"] == 1.0
    text = go("models", "--compare", "m1", "m1", "--on", "later").stdout
    assert "500 rows of later version 0" in text
    assert "no more than chance" in text
    assert go("models", "--on", "later").exit_code == 2


def test_input_that_moved_is_told(go, tmp_path):
    same = pd.DataFrame({"text": [text for text, _ in tickets(300, seed=5)]})
    same.to_csv(tmp_path / "same.csv", index=False)
    told = json.loads(go("drift", "m1", tmp_path / "same.csv", "--fail", "--json").stdout)
    assert told["moved"] is False
    assert {each["measure"] for each in told["measures"]} == {"labels", "lengths", "unseen"}
    pd.DataFrame({"text": ["zzqq xxyy vvww"] * 200}).to_csv(tmp_path / "other.csv", index=False)
    ended = go("drift", "m1", tmp_path / "other.csv", "--fail")
    assert ended.exit_code == 1
    assert "moved" in ended.stdout
    scored = go("predict", "m1", tmp_path / "other.csv", "-o", tmp_path / "out.csv")
    assert "! drift in unseen" in scored.stderr
    quiet = go("predict", "m1", tmp_path / "same.csv", "-o", tmp_path / "out.csv")
    assert "drift" not in quiet.stderr


def test_stages_on_the_command_line(go):
    assert "m1 is in stage production now: good" in go("model", "m1", "--stage", "production", "-m", "good").stdout
    assert "already" in go("model", "m1", "--stage", "production").stdout
    told = json.loads(go("model", "m1", "--json").stdout)
    assert told["stage"] == "production"
    assert [each["message"] for each in told["stages"]] == ["good"]
    assert told["evaluation"]["profile"]["grams"] > 0
    assert "production" in go("models").stdout
    shown = go("model", "m1@production").stdout
    assert "good" in shown
    assert "ROC AUC" in shown
    assert go("model", "m1", "-m", "why").exit_code == 2


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "jsonl.zst", "parquet"])
def test_any_format_in_many_blocks_scores_as_one_table(go, store, inputs, tmp_path, kind, monkeypatch):
    # Blocks of two kilobytes: the rows of 400 texts are read, scored and put together block by block.
    small = partial(SourceConfig, block=2000)
    monkeypatch.setattr("pipeline.scoring.SourceConfig", small)
    halves = inputs.iloc[:250], inputs.iloc[250:]
    for number, half in enumerate(halves):
        path = tmp_path / f"part-{number}.{kind}"
        if kind.startswith("csv"):
            half.to_csv(path, index=False)
        elif kind.startswith("jsonl"):
            half.to_json(path, orient="records", lines=True, force_ascii=False)
        else:
            half.to_parquet(path, row_group_size=40)
    output = tmp_path / "scored.parquet"
    ended = go(
        "predict", "m1", tmp_path / f"part-*.{kind}", "-o", output, "--probabilities", "--reasons", "2", "--json"
    )
    told = json.loads(ended.stdout)
    assert told["ledger"]["read"] == told["ledger"]["kept"] == 400, ended.stderr
    scored = pd.read_parquet(output)
    assert scored["text"].tolist() == inputs["text"].tolist()
    assert scored["predicted"].tolist() == predictions_of(store, inputs["text"])
    chances = scored[[f"probability of {label}" for label in ("complaint", "inquiry", "suggestion")]].to_numpy()
    np.testing.assert_array_equal(chances, textmill.load_model("m1", store).predict_proba(inputs["text"].tolist()))
    np.testing.assert_array_equal(scored["probability"], chances.max(axis=1))
    assert told["labels"] == scored["predicted"].value_counts().sort_index().to_dict()
    # Each reason is an n-gram of its text, whatever the case.
    first = next(row for row in scored.to_dict("records") if row["reasons"])
    assert first["reasons"].split(", ")[0].strip("_ ").lower() in cleaned(first["text"]).lower()


def test_bad_records_of_every_file_are_accounted_for(go, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.scoring.SourceConfig", partial(SourceConfig, block=2000))
    rows = "".join(f"{n},Where is parcel {n}?\n" if n % 10 else f"{n}\n" for n in range(300))
    (tmp_path / "a.csv").write_text(f"n,text\n{rows}", encoding="utf-8")
    lines = "".join(json.dumps({"n": str(n), "text": "我要退钱"}) + "\n" if n % 7 else "{broken\n" for n in range(70))
    (tmp_path / "b.jsonl").write_text(lines, encoding="utf-8")
    output = tmp_path / "scored.jsonl"
    told = json.loads(go("predict", "m1", tmp_path / "a.csv", "-o", output, "--json").stdout)
    assert (told["ledger"]["read"], told["ledger"]["kept"]) == (300, 270)
    assert told["ledger"]["rejected"] == {"short_row": 30}
    assert len(output.read_text(encoding="utf-8").splitlines()) == 270
    told = json.loads(go("predict", "m1", tmp_path / "b.jsonl", "-o", output, "--json").stdout)
    assert (told["ledger"]["read"], told["ledger"]["kept"]) == (70, 60)
    assert sum(told["ledger"]["rejected"].values()) == 10


def test_doubtful_labels_are_reviewed_and_taken_back(go, store, tmp_path):
    file = tmp_path / "doubtful.csv"
    told = json.loads(go("review", "m1", "-o", file, "--folds", "2", "--limit", "5", "--json").stdout)
    rows = pd.read_csv(file)
    assert (told["rows"], len(rows)) == (5, 5)
    assert rows["doubt"].is_monotonic_decreasing
    assert (rows["label"] == rows["label_was"]).all()
    assert (rows["suggested"] != rows["label"]).all()
    assert "nothing was committed" in go("review", "m1", "--apply", file).stderr
    rows.loc[:1, "label"] = rows.loc[:1, "suggested"]
    rows.to_csv(file, index=False)
    before = store.version("tickets")
    ended = go("review", "m1", "--apply", file)
    assert "2 labels corrected" in ended.stdout, ended.output
    after = store.version("tickets")
    assert (after.rows, after.changes["updated"], after.changes.get("inserted", 0)) == (before.rows, 2, 0)
    with store.sql("SELECT _position AS p, label FROM tickets ORDER BY p") as result:
        now = dict(zip(*(column.to_pylist() for column in result.read_all().columns), strict=True))
    assert [now[position] for position in rows["_position"][:2]] == rows["suggested"][:2].tolist()
    assert go("review", "m1").exit_code == 2
    assert "for a job file" in go("review", "m1", "-o", file, "--at", "1").stderr


def test_doubtful_labels_are_found_by_a_job_file_before_any_model(go, store, tmp_path):
    job, file = tmp_path / "job.toml", tmp_path / "doubtful.csv"
    plain = 'name = "t"\nstore = "elsewhere"\n[source]\nfiles = ["x.csv"]\n[dataset]\nname = "tickets"\n'
    job.write_text(plain)
    assert "[train]: a review trains models" in go("review", job, "-o", file).stderr
    job.write_text(f'{plain}[features]\nanalyzer = "chinese"\nbits = 16\n[train]\n')
    words = ("review", job, "-o", file, "--folds", "2", "--limit", "4", "--set", "train.epochs=2")
    told = json.loads(go(*words, "--at", "0", "--json").stdout)
    assert (told["dataset"], told["version"], told["rows"]) == ("tickets", 0, 4)
    rows = pd.read_csv(file)
    assert (rows["suggested"] != rows["label"]).all()
    newest = json.loads(go(*words, "--json").stdout)
    assert newest["version"] == store.version("tickets").number
    rows = pd.read_csv(file)
    rows.loc[0, "label"] = rows.loc[0, "suggested"]
    rows.to_csv(file, index=False)
    assert "1 label corrected" in go("review", job, "--apply", file).stdout
    assert "no such file" in go("review", tmp_path / "other.toml", "-o", file).stderr


SEARCH = """
name = "tickets-job"
[source]
files = ["x.csv"]
[dataset]
name = "tickets"
[features]
analyzer = "chinese"
bits = 12
[train]
[search]
values = { "train.l2" = [0.1, 100.0] }
most_epochs = 2
keep_one_of = 2
"""


def test_settings_are_searched_and_the_trials_kept(go, store, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text(SEARCH, encoding="utf-8")
    told = json.loads(go("search", job, "--json").stdout)
    assert [trial["settings"] for trial in told["trials"]] == [{"train.l2": 0.1}, {"train.l2": 100.0}]
    assert [trial["epochs"] for trial in told["trials"]] == [2, 1]
    with store.sql("SELECT search, job, trial FROM _system.searches ORDER BY place") as result:
        kept = result.read_all().to_pylist()
    assert [(row["search"], row["job"], row["trial"]) for row in kept] == [
        (told["search"], "tickets-job", 0), (told["search"], "tickets-job", 1),
    ]  # fmt: skip
    assert f"textmill run {job} --set train.l2=0.1" in go("search", job).stdout
    job.write_text(SEARCH.partition("[search]")[0], encoding="utf-8")
    assert "[search]: a search needs this table" in go("search", job).stderr
