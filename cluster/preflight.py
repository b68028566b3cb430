"""Looking at a cluster's workers before any work is given to them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cloudpickle
from distributed import Client

from cluster import probes
from cluster.errors import WorkersUnfitError

cloudpickle.register_pickle_by_value(probes)

_ANSWER_S = 30.0


def descriptions(client: Client) -> dict[str, dict[str, Any]]:
    """Worker -> what it says about itself, see `probes.describe`.

    Raises
    ------
    WorkersUnfitError
        If they cannot even be asked.
    """
    return asked(client, probes.describe)


def asked(client: Client, function: Any, *arguments: Any) -> dict[str, Any]:
    """Worker -> what `function` answers there.

    Raises
    ------
    WorkersUnfitError
        If one does not answer.
    """
    try:
        answers = client.run(function, *arguments, on_error="return", callback_timeout=_ANSWER_S)
    except (OSError, TimeoutError) as error:
        raise WorkersUnfitError((f"the workers do not answer within {_ANSWER_S:g} s: {error}",)) from error
    silent = [f"{worker}: {answer}" for worker, answer in answers.items() if isinstance(answer, Exception)]
    if silent:
        raise WorkersUnfitError(tuple(silent))
    return dict(answers)


class Vetting:
    """Who of a cluster's workers was found to have the same textmill, so that those who come later are looked at too.

    Parameters
    ----------
    wanted
        Whether anyone is looked at.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._fit: set[str] = set()

    def begin(self, client: Client) -> None:
        """Nothing where every worker of a new cluster is fit.

        Raises
        ------
        WorkersUnfitError
            If one is not, or does not answer.
        """
        self._fit = set()
        if self._wanted:
            self._fit = set(require_fit(client))

    def go_on(self, client: Client) -> None:
        """Nothing where those who came since are fit too. One that does not answer now is asked the next time.

        Raises
        ------
        WorkersUnfitError
            If one is not.
        OSError
            If the scheduler is lost.
        """
        if not self._wanted:
            return
        there = set(client.scheduler_info(n_workers=-1)["workers"])
        new = there - self._fit
        if not new:
            return
        answers = client.run(probes.describe, workers=sorted(new), on_error="return", callback_timeout=_ANSWER_S)
        told = {worker: answer for worker, answer in answers.items() if not isinstance(answer, Exception)}
        _require_same(told)
        self._fit = (self._fit & there) | set(told)


def require_fit(client: Client) -> Iterable[str]:
    """The workers' addresses, where every one has the same textmill and the same libraries as this process.

    Raises
    ------
    WorkersUnfitError
        With every difference found.
    """
    told = descriptions(client)
    _require_same(told)
    return told


def _require_same(told: Mapping[str, Mapping[str, Any]]) -> None:
    problems = tuple(unfit(told))
    if problems:
        raise WorkersUnfitError(problems)


def unfit(workers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each difference between workers and this process, with the workers it is about."""
    ours, code = probes.versions(), probes.code_digest()
    found: dict[str, list[str]] = {}
    for worker, told in workers.items():
        for sentence in _differences(ours, code, told):
            found.setdefault(sentence, []).append(f"{worker} ({told['host']})")
    for sentence, where in found.items():
        some = ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
        yield f"{sentence} [{some}]"


def _differences(ours: Mapping[str, str], code: str, told: Mapping[str, Any]) -> Iterator[str]:
    theirs = told["versions"]
    for name, version in ours.items():
        # What this process lacks, no task of it asks for.
        if theirs.get(name, "") == version or not version:
            continue
        if name == "python":
            yield f"Python is {theirs.get(name)} there and {version} here; use the same for both"
        elif not theirs.get(name):
            yield f"{name} is missing there; run there: {told['python']} -m pip install {name}=={version}"
        else:
            yield (
                f"{name} is {theirs[name]} there and {version} here; run there: "
                f"{told['python']} -m pip install {name}=={version}"
            )
    if theirs.get("textmill") == ours["textmill"] and told["code"] != code:
        yield f"textmill says {ours['textmill']} here and there, but its code differs; install the same build"
