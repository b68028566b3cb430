"""Profiles: where they are found, who goes before whom, and what is said of those that are wrong."""

from pathlib import Path

import pytest

from cluster.errors import ProfileError
from cluster.profiles.kept import keep_profile, kept_profile, sized, worker_environment
from cluster.profiles.settings import KINDS, AdaptiveConfig
from cluster.profiles.sources import Profiles, user_folder
from cluster.providers.adapting import Adapting
from pipeline.config import ClusterConfig
from pipeline.errors import JobFileError


@pytest.fixture
def places(tmp_path):
    """A project, a folder in it, a user's home, and a file that the environment names."""
    home, project, named = tmp_path / "home", tmp_path / "project", tmp_path / "named.toml"
    (home / "textmill").mkdir(parents=True)
    (project / "jobs").mkdir(parents=True)
    return {"user": home / "textmill/textmill.toml", "project": project / "textmill.toml", "environment": named}


def seen(places, folder="jobs", **more):
    environment = {"XDG_CONFIG_HOME": str(places["user"].parent.parent), **more}
    if places["environment"].exists():
        environment["TEXTMILL_CONFIG"] = str(places["environment"])
    return Profiles.seen_from(places["project"].parent / folder, environment)


def local(workers):
    return f'[clusters.box]\nkind = "local"\nworkers = {workers}\n'


def test_local_is_always_there(places):
    assert list(seen(places).named) == ["local"]
    assert seen(places).find("local").origin == "built in"


@pytest.mark.parametrize(
    ("written", "first"),
    [
        (["user"], "user"),
        (["user", "project"], "project"),
        (["user", "project", "environment"], "environment"),
        (["user", "environment"], "environment"),
    ],
)
def test_the_nearest_file_that_names_a_profile_gives_all_of_it(places, written, first):
    order = ["environment", "project", "user"]
    for number, place in enumerate(order):
        if place in written:
            places[place].write_text(local(number + 1) + ("threads = 3\n" if place != first else ""))
    found = seen(places).find("box")
    assert (found.profile.workers, found.profile.threads) == (order.index(first) + 1, 1)
    assert found.origin == str(places[first])


def test_only_the_nearest_project_counts(places):
    places["project"].write_text(local(1))
    inner = places["project"].parent / "jobs/textmill.toml"
    inner.write_text('[clusters.inner]\nkind = "local"\n')
    assert list(seen(places).named) == ["inner", "local"]


def test_local_itself_can_be_set(places):
    places["user"].write_text('[clusters.local]\nkind = "local"\nmemory = "1GB"\n')
    assert seen(places).find("local").profile.memory == 10**9


def test_all_problems_of_all_files_are_told_at_once(places):
    places["project"].write_text(
        '[clusters.a]\nkind = "slrm"\n[clusters.b]\nkind = "slurm"\nwalltme = "1"\nmemory = "many"\n'
        '[clusters.c]\nkind = "ssh"\n[cluster]\nx = 1\n'
    )
    places["user"].write_text(
        '[clusters.d]\nworkers = 2\n[clusters.e]\nkind = "local"\nadaptive = { minimum = 4, maximum = 2 }\n'
    )
    with pytest.raises(JobFileError) as caught:
        seen(places)
    told = "\n".join(caught.value.problems)
    for part in (
        '"cluster" is not a known table. Did you mean "clusters"?',
        'clusters.a.kind: "slrm" is not a kind of cluster. Did you mean "slurm"?',
        'clusters.b: "walltme" is not a known key. Did you mean "walltime"?',
        "clusters.b.memory: 'many' is not a size",
        "clusters.c.hosts: this key is required and missing",
        "clusters.d.kind: this key is required and missing",
        "clusters.e.adaptive: minimum 4 is more than maximum 2",
    ):
        assert part in told
    assert len(caught.value.problems) == 7
    assert str(places["user"]) in told


def test_an_unknown_name_is_answered_with_the_nearest(places):
    places["project"].write_text(local(1))
    with pytest.raises(ProfileError, match=r'"bax" is not a known profile. Did you mean "box"'):
        seen(places).find("bax")


def test_a_named_file_that_is_missing_is_an_error(places):
    with pytest.raises(ProfileError, match="there is no such file"):
        Profiles.seen_from(places["project"].parent, {"TEXTMILL_CONFIG": "/nowhere.toml", "HOME": "/nowhere"})


def test_variables_are_asked_for_when_their_profile_is_used(places):
    places["project"].write_text(
        '[clusters.one]\nkind = "ssh"\nhosts = ["${BOX}"]\nenvironment = { KEY = "${BOX_TOKEN}" }\n' + local(1)
    )
    assert seen(places).find("box").profile.workers == 1
    with pytest.raises(JobFileError, match="BOX_TOKEN"):
        seen(places).find("one")
    found = seen(places, BOX="box7", BOX_TOKEN="hunter2").find("one")
    assert found.profile.hosts == ("box7",)
    assert worker_environment(found, {"BOX_TOKEN": "hunter2"}) == {"KEY": "hunter2"}
    with pytest.raises(ProfileError, match="BOX_TOKEN"):
        worker_environment(found, {})


def test_what_is_kept_with_a_job_holds_no_secret_and_comes_back_whole(places, tmp_path):
    places["project"].write_text(
        '[clusters.one]\nkind = "ssh"\nhosts = ["a"]\nmemory = "2GB"\ntls = "keys"\n'
        'environment = { KEY = "${BOX_TOKEN}" }\n'
    )
    found = seen(places, BOX_TOKEN="hunter2").find("one")
    keep_profile(tmp_path, found)
    assert "hunter2" not in (tmp_path / "profile.json").read_text()
    assert kept_profile(tmp_path) == found
    assert found.profile.tls == str(places["project"].parent / "keys")
    assert kept_profile(tmp_path / "nothing").name == "local"


def test_a_job_s_own_word_goes_before_the_profile_s():
    profile = KINDS["local"].model_validate({"kind": "local", "workers": 3, "threads": 2, "memory": "1GB"})
    assert sized(ClusterConfig(workers=5), profile) == ClusterConfig(workers=5, threads=2, memory=10**9, processes=True)
    assert sized(ClusterConfig(threads=1), profile).threads == 1


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_what_each_of_its_keys_means(kind):
    assert all(field.description for field in KINDS[kind].model_fields.values())


def test_a_cluster_grows_at_once_and_shrinks_only_when_it_is_sure():
    adapting = Adapting(AdaptiveConfig(minimum=1, maximum=4))
    assert adapting.decide(1, 9) == 4
    assert [adapting.decide(4, 2) for _ in range(5)] == [4, 4, 4, 4, 2]
    assert [adapting.decide(4, target) for target in (2, 2, 4, 2, 2)] == [4] * 5
    assert adapting.decide(2, 0) == 2


def test_the_user_s_folder_follows_the_system_s_rules():
    assert user_folder({"HOME": "/home/me"}) == Path("/home/me/.config/textmill")
    assert user_folder({"XDG_CONFIG_HOME": "/x", "HOME": "/home/me"}) == Path("/x/textmill")
