"""Kubernetes objects: valid by the schemas of Kubernetes itself and of the Dask operator, and private by design."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

from cluster.errors import BatchError, ProfileError
from cluster.kubernetes.kubectl import Kubernetes, place_of, state_of
from cluster.kubernetes.manifests import (
    KEYS,
    SCHEDULER_VARIABLE,
    PodJob,
    belongings,
    driver_manifest,
    object_name,
    shown,
)
from cluster.kubernetes.placing import hand_over, pod_job
from cluster.profiles.settings import KINDS
from cluster.profiles.sources import Named
from cluster.providers.open import provider_of
from cluster.providers.provider import Places
from cluster.serve import command
from cluster.tls import init_tls
from pipeline.config import ClusterConfig, parse_job

PROFILE = {
    "kind": "kubernetes",
    "image": "registry.example.org/textmill:0.1.0",
    "namespace": "data",
    "workers": 3,
    "memory": "4GB",
    "volume": {"claim": "textmill", "mount": "/data"},
    "service_account": "runner",
    "pull_secret": "registry",
    "environment": {"DATA_TOKEN": "${MY_TOKEN}"},
}
#: The oldest and the newest that are in wide use.
VERSIONS = ("1.31", "1.37")


def profile(**more):
    return KINDS["kubernetes"].model_validate({**PROFILE, **more})


JOB = PodJob(
    run="Hotel_Reviews.v2-20261125-101500-ab12",
    store="/data/store",
    logs=Path("/data/store/_jobs/x/logs"),
    workers=3,
    threads=2,
    memory_bytes=4_000_000_000,
    environment={"DATA_TOKEN": "hunter2hunter2"},
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return init_tls(tmp_path_factory.mktemp("keys") / "tls", days=1, keep_key=False)


@pytest.fixture(scope="module")
def objects(keys):
    return [driver_manifest(JOB, profile()), *belongings(JOB, profile(), keys, "4f3a")]


def dask_schema():
    """The operator's own schema of a DaskCluster, closed: a key that it does not know is a mistake."""
    [root] = find_spec("dask_kubernetes").submodule_search_locations
    crd = Path(root) / "operator/deployment/helm/dask-kubernetes-operator/crds/daskcluster.yaml"
    [version] = yaml.safe_load(crd.read_text())["spec"]["versions"]
    return closed(version["schema"]["openAPIV3Schema"])


def closed(schema):
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema and "additionalProperties" not in schema:
            schema.setdefault("x-kubernetes-preserve-unknown-fields", False)
            if not schema["x-kubernetes-preserve-unknown-fields"]:
                schema["additionalProperties"] = False
        if schema.get("x-kubernetes-int-or-string"):
            schema.pop("type", None)
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


def problems(found):
    schema = dask_schema()
    for name in ("apiVersion", "kind", "metadata"):
        schema["properties"].setdefault(name, {})
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(found)]


def of_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_kubernetes_knows_is_valid_by_its_own_schemas(objects, version):
    known = [*of_kind(objects, "Job"), *of_kind(objects, "Secret")]
    assert len(known) == 3
    for one in known:
        kubernetes_validate.validate(one, version, strict=True)
    [cluster] = of_kind(objects, "DaskCluster")
    for part in ("scheduler", "worker"):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": cluster["spec"][part]["spec"]}
        kubernetes_validate.validate(pod, version, strict=True)


def test_the_cluster_is_valid_by_the_operator_s_schema(objects):
    [cluster] = of_kind(objects, "DaskCluster")
    assert problems(cluster) == []
    # The schema does say no.
    spoiled = json.loads(json.dumps(cluster))
    spoiled["spec"]["worker"]["replica"] = 3
    spoiled["spec"]["worker"]["spec"]["containers"][0]["env"][0]["value"] = 1
    assert len(problems(spoiled)) == 2


def test_the_operator_makes_valid_deployments_of_it(objects):
    """In a process of its own: the operator's modules warn, and change how asyncio works."""
    [cluster] = of_kind(objects, "DaskCluster")
    code = (
        "import json, sys\n"
        "from dask_kubernetes.operator.controller.controller import *\n"
        "spec, name = json.load(sys.stdin), sys.argv[1]\n"
        "made = [build_scheduler_deployment_spec(name, spec['scheduler']['spec'], {}, {}),\n"
        "        build_scheduler_service_spec(name, spec['scheduler']['service'], {}, {}),\n"
        "        build_worker_deployment_spec(\n"
        "            f'{name}-default', 'data', name, 'ab12cd34ef', spec['worker']['spec'], {}, {})]\n"
        "print(json.dumps(made))\n"
    )
    name = cluster["metadata"]["name"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, name], input=json.dumps(cluster["spec"]), capture_output=True,
        text=True, timeout=120, check=True,
    )  # fmt: skip
    scheduler, service, worker = json.loads(done.stdout.splitlines()[-1])
    for one in (scheduler, service, worker):
        kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
        assert len(one["metadata"]["name"]) <= 63 or one is worker
    assert service["metadata"]["name"] == f"{name}-scheduler"
    assert service["spec"]["selector"].items() <= scheduler["spec"]["template"]["metadata"]["labels"].items()
    # What the operator calls the worker's pod is what the worker calls itself.
    [container] = worker["spec"]["template"]["spec"]["containers"]
    assert {"name": "DASK_WORKER_NAME", "value": worker["metadata"]["name"]} in container["env"]


def test_a_worker_takes_the_name_and_the_address_of_its_pod(objects, monkeypatch):
    [cluster] = of_kind(objects, "DaskCluster")
    [container] = cluster["spec"]["worker"]["spec"]["containers"]
    assert container["command"][:3] == ["python", "-m", "cluster.serve"]
    plan = json.loads(container["command"][3])
    name = cluster["metadata"]["name"]
    assert plan["scheduler"] == f"tls://{name}-scheduler.data.svc:8786"
    monkeypatch.setenv("DASK_WORKER_NAME", "pod-7")
    spec = json.loads(command({**plan, "scheduler": "tls://127.0.0.1:8786"})[-1])
    assert (spec["opts"]["name"], spec["opts"]["host"]) == ("pod-7", "127.0.0.1")
    assert (spec["opts"]["nthreads"], spec["opts"]["memory_limit"]) == (2, 4_000_000_000)


def test_secrets_are_in_secrets_and_nowhere_else(objects):
    for one in objects:
        if one["kind"] != "Secret":
            text = json.dumps(one)
            assert "hunter2" not in text
            assert "PRIVATE KEY" not in text
    for one in shown(objects):
        text = json.dumps(one)
        assert "hunter2" not in text
        assert "PRIVATE KEY" not in text
    env, tls = of_kind(objects, "Secret")
    assert env["stringData"] == {"DATA_TOKEN": "hunter2hunter2"}
    assert set(tls["stringData"]) == {path.name for path in init_files()}
    assert "ca-key.pem" not in tls["stringData"]


def init_files():
    return [Path(name) for role in ("scheduler", "worker", "client") for name in (f"{role}.pem", f"{role}-key.pem")] + [
        Path("ca.pem")
    ]


def test_everything_goes_with_the_driver_and_no_pod_may_talk_to_kubernetes(objects):
    [job] = of_kind(objects, "Job")
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    for one in objects[1:]:
        [owner] = one["metadata"]["ownerReferences"]
        assert owner == {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": "4f3a"}
        assert one["metadata"]["namespace"] == "data"
    [cluster] = of_kind(objects, "DaskCluster")
    pods = [job["spec"]["template"]["spec"], cluster["spec"]["scheduler"]["spec"], cluster["spec"]["worker"]["spec"]]
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        [container] = pod["containers"]
        variables = {one["name"]: one.get("value") for one in container["env"]}
        assert variables["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "true"
        assert variables["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] == f"{KEYS}/ca.pem"
        # Nothing on all interfaces, dashboards included.
        assert "0.0.0.0" not in json.dumps(pod)
    [scheduler] = cluster["spec"]["scheduler"]["spec"]["containers"]
    options = json.loads(scheduler["command"][3])["options"]
    assert (options["host"], options["dashboard_address"]) == ("$(POD_ADDRESS)", "$(POD_ADDRESS):0")


def test_a_driver_that_fails_is_not_tried_again_and_one_that_dies_is(objects):
    [job] = of_kind(objects, "Job")
    [final, moved] = job["spec"]["podFailurePolicy"]["rules"]
    assert final["onExitCodes"]["values"] == [1, 2, 3]
    assert moved["action"] == "Ignore"
    assert job["spec"]["backoffLimit"] == 3
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("run", ["a", "A_b.C", "x" * 90 + "-1", "x" * 90 + "-2", "-_-", "名字-20261125"])
def test_names_are_names_that_kubernetes_takes(run):
    name = object_name(run)
    assert len(name) <= 45
    assert all(part.isalnum() or part == "-" for part in name)
    assert name == name.lower()
    assert name.isascii()
    assert not name.endswith("-")


def test_long_names_stay_apart():
    assert object_name("x" * 90 + "-1") != object_name("x" * 90 + "-2")


def test_store_and_inputs_must_lie_on_the_volume(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    named = Named(name="cloud", profile=profile(), origin="test")
    tables = {"name": "x", "store": "/data/s", "source": {"files": ["/data/a.csv"]}, "dataset": {"name": "x"}}
    made = pod_job("x-1", parse_job(tables), named, profile(), Path("/data/s/_jobs"))
    assert (made.workers, made.memory_bytes, made.environment) == (3, 4_000_000_000, {"DATA_TOKEN": "hunter2"})
    tables["source"]["files"] = ["/home/me/a.csv"]
    with pytest.raises(ProfileError, match=r"pods see /data alone, and these lie elsewhere: /home/me/a.csv"):
        pod_job("x-1", parse_job(tables), named, profile(), Path("/data/s/_jobs"))


def test_the_driver_s_pod_knows_its_scheduler(monkeypatch, tmp_path):
    named = Named(name="cloud", profile=profile(), origin="test")
    places = Places(scratch=tmp_path, logs=tmp_path)
    with pytest.raises(ProfileError, match="use `textmill submit`"):
        provider_of(ClusterConfig(), places, named, "x-1")
    monkeypatch.setenv(SCHEDULER_VARIABLE, "tls://textmill-x-1-scheduler.data.svc:8786")
    assert type(provider_of(ClusterConfig(), places, named, "x-1")).__name__ == "AddressCluster"


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A stand-in that writes down how it was called: there is no Kubernetes here."""
    program = tmp_path / "bin/kubectl"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        f"with open({str(tmp_path / 'calls')!r}, 'a') as calls:\n"
        "    said = json.load(sys.stdin) if '-' in sys.argv else None\n"
        "    print(json.dumps([sys.argv[1:], said]), file=calls)\n"
        "if said and any(one['kind'] == 'Secret' and not one['stringData'] for one in said['items']):\n"
        "    sys.exit('error: no data')\n"
        "items = [{'metadata': {'uid': f'uid-{n}'}} for n, _ in enumerate(said['items'])] if said else []\n"
        "print(json.dumps({'kind': 'List', 'items': items} if said else {'status': {'active': 1, 'ready': 1}}))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return lambda: [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def test_the_driver_goes_first_and_what_belongs_to_it_carries_its_uid(kubectl):
    placed = hand_over(JOB, profile(context="prod"))
    assert placed["system"] == "kubernetes"
    (first, one), (second, more) = kubectl()
    assert first == second == ["--context", "prod", "--namespace", "data", "apply", "-f", "-", "-o", "json"]
    assert [item["kind"] for item in one["items"]] == ["Job"]
    assert [item["kind"] for item in more["items"]] == ["Secret", "Secret", "DaskCluster"]
    assert {item["metadata"]["ownerReferences"][0]["uid"] for item in more["items"]} == {"uid-0"}
    kubernetes = Kubernetes()
    assert kubernetes.state(placed["id"]).running
    kubernetes.cancel([placed["id"]])
    name = object_name(JOB.run)
    assert kubectl()[-1][0][:7] == ["--context", "prod", "--namespace", "data", "delete", "job", name]


def test_a_context_may_hold_slashes():
    assert place_of("arn:aws:eks/cluster/x", "data", "job") == "arn:aws:eks/cluster/x/data/job"


@pytest.mark.parametrize(
    ("status", "pending", "running", "word"),
    [
        ({}, True, False, "pending"),
        ({"active": 1, "ready": 0}, True, False, "pending"),
        ({"active": 1, "ready": 1}, False, True, "running"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, False, False, "complete"),
        (
            {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]},
            False, False, "failed (BackoffLimitExceeded)",
        ),
    ],
)  # fmt: skip
def test_a_job_s_state_is_read_from_what_kubernetes_shows(status, pending, running, word):
    state = state_of({"status": status})
    assert (state.pending, state.running, state.word) == (pending, running, word)


def test_without_kubectl_the_message_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BatchError, match="kubectl: there is no such command here"):
        Kubernetes().state("/data/x")
