"""The errors of the pipeline: one root, each leaf with its facts and what to do next.

All take positional arguments only and keep them in ``args``, so that they survive pickling on their way back
from a worker.
"""


class PipelineError(Exception):
    """The root of everything the pipeline raises on purpose."""

    #: Whether trying the same work again can help.
    retryable = False


class JobFileError(PipelineError, ValueError):
    """The job file or an option is wrong; nothing was read or written.

    Parameters
    ----------
    problems
        One complete sentence a problem: key, value, expectation, nearest valid name.
    origin
        The job file's path, or another word for where the settings came from.
    """

    def __init__(self, problems: tuple[str, ...], origin: str = "job") -> None:
        super().__init__(problems, origin)
        self.problems = problems
        self.origin = origin

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.origin}: {count} problem{'s' if count != 1 else ''}"
        return "\n".join([head, *(f"  - {problem}" for problem in self.problems)])


class SourceError(PipelineError):
    """An input cannot be read as declared or as it was understood.

    Parameters
    ----------
    path
        The input as the user named it.
    problem
        What was found, where, and what was expected.
    cure
        What to do next.
    """

    def __init__(self, path: str, problem: str, cure: str) -> None:
        super().__init__(path, problem, cure)
        self.path = path
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.cure}"


class SourceNotFoundError(SourceError, FileNotFoundError):
    """A named input does not exist, or a pattern matches nothing."""

    def __str__(self) -> str:
        return SourceError.__str__(self)


class DataError(PipelineError, ValueError):
    """The input was read, but what it holds cannot do what the job asks.

    Parameters
    ----------
    problem
        What was found, with the value and the expectation.
    cure
        What to do next.
    """

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem, cure)
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem}. {self.cure}"


class TaskDiedError(PipelineError):
    """The process that ran a task died, again and again; raised by whoever executes tasks.

    Attributes
    ----------
    tasks
        The numbers of the tasks that were running then, one of which is likely to blame; empty where nobody knows.
    memory_bytes
        What the process may use; 0 where there is no limit.
    """

    tasks: tuple[int, ...] = ()
    memory_bytes = 0


class PackageMissingError(PipelineError, ImportError):
    """What is asked for needs a package that is not installed.

    Parameters
    ----------
    wanted
        What needs it, as the user wrote it.
    package
        Its name.
    extra
        The extra of textmill that brings it.
    """

    def __init__(self, wanted: str, package: str, extra: str) -> None:
        super().__init__(wanted, package, extra)
        self.wanted = wanted
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.wanted} needs the package {self.package}, which is not installed. Install it, on the workers too: "
            f"pip install 'textmill[{self.extra}]'."
        )


class LedgerError(PipelineError, AssertionError):
    """The ledger does not balance: rows would have been lost in silence. Nothing is committed."""


class ModelError(PipelineError):
    """A model cannot be used as asked.

    Parameters
    ----------
    model
        The model's id or folder.
    problem
        What is wrong with it or with the request.
    cure
        What to do next.
    """

    def __init__(self, model: str, problem: str, cure: str) -> None:
        super().__init__(model, problem, cure)
        self.model = model
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"model {self.model}: {self.problem}. {self.cure}"
