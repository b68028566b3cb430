"""Whose job it is: one driver at a time, by tokens that only rise.

To claim a job is to make the file of the next token, which one driver alone can do. A driver that was taken for dead
and wakes up finds a higher token, and stops before it writes anything that counts.
"""

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from cluster.errors import LeaseLostError
from storage.files import explained, sync_folder

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_host() -> str:
    """A name for this machine as long as it runs."""
    boot = _BOOT.read_text(encoding="ascii").strip()[:8] if _BOOT.exists() else str(int(psutil.boot_time()))
    return f"{socket.gethostname()}/{boot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that drives a job.

    Attributes
    ----------
    host
        Its machine, see `this_host`.
    pid
        Its number there.
    born
        When it was started, in seconds since 1970: numbers come again.
    alone
        Whether it does nothing but drive the job, so that it may be ended by force. Others are somebody's session.
    done
        Whether it has let go of the job, and may be busy with something else by now.
    """

    host: str = field(default_factory=this_host)
    pid: int = field(default_factory=os.getpid)
    born: float = field(default_factory=lambda: psutil.Process().create_time())
    alone: bool = False
    done: bool = False

    @property
    def here(self) -> bool:
        """Whether it is or was on this machine."""
        return self.host == this_host()

    def process(self) -> psutil.Process | None:
        """The process, where it is on this machine, runs, and has not let go of the job."""
        if self.done or not self.here:
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One driver's right to a job, as long as no higher token is there.

    Attributes
    ----------
    folder
        The job's folder.
    token
        Rises with each claim.
    holder
        The driver.
    """

    folder: Path
    token: int
    holder: Holder

    @property
    def held(self) -> bool:
        """Whether nobody has claimed the job since."""
        return newest_token(self.folder) == self.token

    def require(self) -> None:
        """Nothing where it is held.

        Raises
        ------
        LeaseLostError
            If another driver has the job now.
        """
        if not self.held:
            raise LeaseLostError(self.folder.name, self.token, newest_token(self.folder))

    def let_go(self) -> None:
        """Nothing; whoever looks sees that this process no longer works on the job, whatever else it does."""
        # Where it cannot be written, or the job is gone, the end of the process says the same.
        with suppress(OSError):
            _let_go(self.folder, self.token).touch()


def _let_go(folder: Path, token: int) -> Path:
    return folder / f"lease-{token:06d}.done"


def newest_token(folder: Path) -> int:
    """The highest token of the job in `folder`; 0 where nobody has claimed it."""
    return max((int(path.stem.removeprefix("lease-")) for path in folder.glob("lease-*.json")), default=0)


def claim(folder: Path, *, alone: bool = False) -> Lease:
    """The job in `folder` for this process, see `Holder.alone`.

    Whether the driver before is dead, the caller has to know; if it is not, it loses the job.

    Raises
    ------
    LeaseLostError
        If another driver claims it at the same moment.
    DiskFullError, StoreNotWritableError
        If the claim cannot be written.
    """
    token, holder = newest_token(folder) + 1, Holder(alone=alone)
    path = folder / f"lease-{token:06d}.json"
    with explained(path):
        aside = folder / f".lease-{os.getpid()}-{time.time_ns()}"
        try:
            with open(aside, "x", encoding="utf-8") as file:
                json.dump(asdict(holder), file)
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, fails where the name is taken, and shows the file whole or not at all.
            os.link(aside, path)
        except FileExistsError as error:
            raise LeaseLostError(folder.name, token, token) from error
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(folder)
    return Lease(folder=folder, token=token, holder=holder)


def holder_of(folder: Path) -> Holder | None:
    """The driver of the job in `folder`, dead or alive; None where nobody has claimed it."""
    token = newest_token(folder)
    if not token:
        return None
    facts = json.loads((folder / f"lease-{token:06d}.json").read_text(encoding="utf-8"))
    return Holder(**{**facts, "done": _let_go(folder, token).exists()})
