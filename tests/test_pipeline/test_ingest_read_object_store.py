"""Inputs in an object store: a real S3 server, and servers that refuse, fail or cut the line."""

import gzip
import io
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from object_store import SECRET, bad_server
from s3_server import s3_server

from cluster.driver import run_job
from cluster.inputs import inputs_digest
from pipeline.config import load_job, parse_job
from pipeline.errors import JobFileError, SourceError, SourceNotFoundError
from pipeline.execute import run_here
from pipeline.ingest.reading.files import remote
from pipeline.ingest.reading.files.listing import list_files
from pipeline.ingest.reading.files.remote import Address, filesystem_of
from pipeline.ingest.reading.plan import plan_source
from pipeline.ingest.reading.read import read_block
from pipeline.ingest.reading.source_config import SourceConfig
from storage.store import Store

_KEY = "an-id"


@pytest.fixture(scope="module")
def endpoint():
    with s3_server() as variables:
        yield variables["AWS_ENDPOINT_URL"]


@pytest.fixture
def options(endpoint, monkeypatch):
    monkeypatch.setenv("S3_KEY", _KEY)
    monkeypatch.setenv("S3_SECRET", SECRET)
    return {"endpoint_url": endpoint, "key": "${S3_KEY}", "secret": "${S3_SECRET}"}


@pytest.fixture
def bucket(options, request):
    filesystem, _ = filesystem_of(Address("s3://any", options))
    name = f"bucket-{abs(hash(request.node.name))}"
    filesystem.mkdir(name)

    def put(path, content):
        filesystem.pipe_file(f"{name}/{path}", content)

    return f"s3://{name}", put


def rows_of(files, options, folder, **source):
    config = SourceConfig(files=files, storage_options=options, **source)
    plan = plan_source(config, folder, run_here, folder / "scratch")
    tables = [read_block(block) for block in plan.blocks]
    return plan, pa.concat_tables([table.drop_columns(["_record"]) for table in tables]).to_pylist()


def parquet(rows):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def test_every_format_by_pattern_folder_and_partition(bucket, options, tmp_path):
    address, put = bucket
    put("raw/day=01/part-2.csv", b"id,text\n2,two\n")
    put("raw/day=01/part-10.csv.gz", gzip.compress(b"id,text\n10,ten\n"))
    put("raw/day=02/a.jsonl", b'{"id": "3", "text": "three"}\n')
    put("raw/day=02/b.parquet", parquet([{"id": "4", "text": "four"}]))
    put("raw/day=02/empty.csv", b"")
    put("raw/_hidden/c.csv", b"id,text\n9,no\n")
    for files in (f"{address}/raw", f"{address}/raw/**/*.*"):
        plan, rows = rows_of(files, options, tmp_path)
        assert [(row["id"], row["text"], row["day"], row["_source"]) for row in rows] == [
            ("2", "two", "01", "day=01/part-2.csv"),
            ("10", "ten", "01", "day=01/part-10.csv.gz"),
            ("3", "three", "02", "day=02/a.jsonl"),
            ("4", "four", "02", "day=02/b.parquet"),
        ]
        assert [file.name for file in plan.files if file.empty] == ["day=02/empty.csv"]


def test_a_large_file_is_read_in_blocks(bucket, options, tmp_path):
    address, put = bucket
    lines = [f'{n},"text {n}\nwith a break"' for n in range(3000)]
    put("large.csv", "\n".join(["id,text", *lines]).encode())
    plan, rows = rows_of(f"{address}/large.csv", options, tmp_path, block="10KB")
    assert len(plan.blocks) > 5
    assert [row["id"] for row in rows] == [str(n) for n in range(3000)]
    assert SECRET.encode() not in pickle.dumps(plan)


def test_files_that_came_later_are_seen_and_a_changed_one_is_another_input(bucket, options):
    address, put = bucket
    put("a.csv", b"id\n1\n")
    job = parse_job(
        {
            "name": "job",
            "source": {"files": f"{address}/*.csv", "storage_options": options},
            "dataset": {"name": "rows"},
        }
    )
    before = inputs_digest(job)
    assert inputs_digest(job) == before
    put("a.csv", b"id\n2\n")
    changed = inputs_digest(job)
    put("b.csv", b"id\n3\n")
    assert len({before, changed, inputs_digest(job)}) == 3


def test_no_secret_is_kept_by_a_run(bucket, options, tmp_path):
    address, put = bucket
    put("in.csv", b"id,text\n1,one\n2,two\n3,\n")
    (tmp_path / "job.toml").write_text(
        f"""
name = "remote"
store = "store"
[source]
files = "{address}/in.csv"
storage_options = {{ endpoint_url = "{options["endpoint_url"]}", key = "${{S3_KEY}}", secret = "${{S3_SECRET}}" }}
[dataset]
name = "rows"
[cluster]
workers = 1
processes = false
"""
    )
    job = load_job(tmp_path / "job.toml")
    assert SECRET not in job.model_dump_json()
    result = run_job(job)
    assert (result.ledger.read, result.ledger.kept) == (3, 2)
    with Store.open(tmp_path / "store").sql("select id, _source from rows order by id") as found:
        rows = found.read_all().to_pylist()
    assert rows == [{"id": "1", "_source": "in.csv"}, {"id": "2", "_source": "in.csv"}]
    kept = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]
    assert SECRET not in str(result.to_dict())


def job_with(options):
    return {"name": "j", "source": {"files": "s3://b/x", "storage_options": options}, "dataset": {"name": "d"}}


def test_secrets_are_given_by_name():
    literal = {"secret": "abc", "client_kwargs": {"aws_session_token": "t", "region_name": "x"}}
    with pytest.raises(JobFileError, match=r"secret, client_kwargs\.aws_session_token would be kept in the store"):
        parse_job(job_with(literal))
    unset = {"secret": "${NO_SUCH}"}
    with pytest.raises(JobFileError, match=r"\$\{NO_SUCH\}: this environment variable is not set"):
        parse_job(job_with(unset))
    with pytest.raises(SourceError, match=r"NO_SUCH, which .* is not set here"):
        filesystem_of(Address("s3://bucket/x", unset))
    with pytest.raises(SourceError, match=r"s3://\*\*\*@bucket/x: it holds a password"):
        filesystem_of("s3://me:hunter22@bucket/x")


@pytest.mark.parametrize("path", ["none.csv", "*.csv", "folder/"])
def test_what_is_not_there_is_told(bucket, options, tmp_path, path):
    address, put = bucket
    put("other.txt", b"x")
    for place in (address, "s3://no-such-bucket"):
        with pytest.raises(SourceNotFoundError, match=r"not found|matches no object"):
            list_files([f"{place}/{path}"], tmp_path, options)


@pytest.mark.parametrize(("status", "words"), [(403, "the server refuses access"), (None, "cannot be reached or read")])
def test_a_server_that_refuses_or_cuts_the_line_is_told(tmp_path, options, status, words):
    with bad_server(status) as bad:
        hasty = {**options, "endpoint_url": bad, "config_kwargs": {"retries": {"max_attempts": 0}}}
        with pytest.raises(SourceError, match=words) as caught:
            list_files(["s3://bucket/x.csv"], tmp_path, hasty)
    assert SECRET not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch):
    def missing(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(remote.fsspec.core, "url_to_fs", missing)
    with pytest.raises(SourceError, match=r"Install s3fs to access S3\)\. Install it: pip install 'textmill\[s3\]'"):
        filesystem_of("s3://bucket/x")


def test_a_protocol_that_nobody_knows_is_told():
    with pytest.raises(SourceError, match="Protocol not known: foo"):
        filesystem_of("foo://x")
