"""Places in a store: paths on disk, and objects in a bucket that can be asked the same questions.

A bucket has no folders and no renames. A folder is there where an object lies below it, and an object is either absent
or whole: it appears when all of its bytes are there.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

from storage.buckets import bucket_client, client_module, is_object_uri
from storage.errors import BucketError


class Stat(Protocol):
    """Size in bytes, and when it was last written, in seconds since 1970."""

    @property
    def st_size(self) -> int:
        """Bytes."""
        ...

    @property
    def st_mtime(self) -> float:
        """Seconds since 1970."""
        ...


@dataclass(frozen=True, slots=True)
class _ObjectStat:
    st_size: int
    st_mtime: float


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """An object, or what lies below a prefix, in a bucket; with the methods of `pathlib.Path` that the store needs.

    Attributes
    ----------
    bucket
        Such as ``s3://corpora``.
    key
        What comes after it, without slashes at its ends.
    known
        What a listing told of it, if it came from one.
    """

    bucket: str
    key: str
    known: Stat | None = field(default=None, compare=False, repr=False)

    @classmethod
    def parse(cls, uri: str) -> "ObjectPath":
        """The place that a URI names."""
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        return cls(f"{scheme}://{bucket}", "/".join(part for part in key.split("/") if part))

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"

    def __truediv__(self, name: str) -> "ObjectPath":
        return self.joinpath(name)

    def joinpath(self, *names: str) -> "ObjectPath":
        """The place below this one."""
        return ObjectPath(self.bucket, "/".join([*([self.key] if self.key else []), *names]))

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> "ObjectPath":
        """The place above."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    # -- reading

    def stat(self) -> Stat:
        """Size and time; raises `FileNotFoundError`."""
        if self.known is not None:
            return self.known
        with _told(self):
            return _stat_of(client_module().head(bucket_client(self.bucket), self.key))

    def is_file(self) -> bool:
        """Whether there is an object of this key."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether an object lies below."""
        return next(self.rglob("*"), None) is not None

    def exists(self) -> bool:
        """Whether it is an object, or has some below it."""
        return self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator["ObjectPath"]:
        """What lies directly below: objects with their size and time, and folders."""
        with _told(self):
            found = client_module().list_with_delimiter(bucket_client(self.bucket), self.key or None)
        yield from (ObjectPath(self.bucket, str(prefix).rstrip("/")) for prefix in found["common_prefixes"])
        yield from self._listed(found["objects"])

    def rglob(self, pattern: str) -> Iterator["ObjectPath"]:
        """All objects below whose name fits; they come as they are listed."""
        return (path for path in self._pages(None) if fnmatchcase(path.name, pattern))

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """The objects directly below whose name fits."""
        return (path for path in self.rglob(pattern) if path.parent == self)

    def after(self, name: str) -> Iterator["ObjectPath"]:
        """The objects below that come after `name` in the order of names."""
        return self._pages(f"{self.key}/{name}")

    def _pages(self, offset: str | None) -> Iterator["ObjectPath"]:
        prefix = f"{self.key}/" if self.key else None
        with _told(self):
            for page in client_module().list(bucket_client(self.bucket), prefix, offset=offset):
                yield from self._listed(page)

    def _listed(self, objects: Iterable[object]) -> Iterator["ObjectPath"]:
        for facts in objects:
            path = str(cast(dict[str, object], facts)["path"])
            yield ObjectPath(self.bucket, path, _stat_of(facts))

    def read_bytes(self) -> bytes:
        """All of it; raises `FileNotFoundError`."""
        with _told(self):
            return bytes(client_module().get(bucket_client(self.bucket), self.key).bytes())

    # -- writing

    def write_bytes(self, content: bytes) -> int:
        """Bytes written: whole, in place of what was there."""
        with _told(self):
            client_module().put(bucket_client(self.bucket), self.key, content)
        return len(content)

    def upload(self, source: Path) -> None:
        """Nothing; it has the content of a file, in several pieces where that is large."""
        with _told(self):
            client_module().put(bucket_client(self.bucket), self.key, source)

    def copy_to(self, target: "ObjectPath") -> None:
        """Nothing; `target`, in the same bucket, has its content, copied by the server."""
        with _told(self):
            client_module().copy(bucket_client(self.bucket), self.key, target.key)

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: ARG002 - as in pathlib
        """Nothing; it is gone. One that was not there is none the less gone."""
        with _told(self):
            client_module().delete(bucket_client(self.bucket), self.key)


#: A path on disk or in a bucket.
Place = Path | ObjectPath


def place_at(path: str) -> Place:
    """The place that a path or URI names."""
    return ObjectPath.parse(path) if is_object_uri(path) else Path(path)


def below(path: Place, root: Place) -> str:
    """What comes after `root` in `path`, with slashes; raises `ValueError` where it does not lie there."""
    if isinstance(path, Path) and isinstance(root, Path):
        return path.relative_to(root).as_posix()
    return PurePosixPath(str(path)).relative_to(str(root)).as_posix()


@contextmanager
def _told(path: ObjectPath) -> Iterator[None]:
    """A block in which the client's errors become this package's and `FileNotFoundError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no object {path}") from error
    except Exception as error:
        if not isinstance(error, client_module().exceptions.BaseError):
            raise
        problem = str(error).partition("\n")[0]
        raise BucketError(
            str(path),
            f"the bucket cannot be used ({problem})",
            "Check its name, AWS_ENDPOINT_URL, AWS_REGION and the keys in the environment, then run again.",
        ) from error


def _stat_of(facts: object) -> _ObjectStat:
    told = cast(dict[str, object], facts)
    return _ObjectStat(int(cast(int, told["size"])), told["last_modified"].timestamp())  # type: ignore[attr-defined]


class _Ranges(io.RawIOBase):
    """An object read in ranges, a request for each: readers of Parquet ask for whole column chunks."""

    def __init__(self, path: ObjectPath) -> None:
        self._path, self._size, self._at = path, path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        length = min(len(view), max(0, self._size - self._at))
        if length:
            client = bucket_client(self._path.bucket)
            with _told(self._path):
                view[:length] = client_module().get_range(client, self._path.key, start=self._at, length=length)
            self._at += length
        return length


@contextmanager
def opened(path: Place | str) -> Iterator[BinaryIO]:
    """A file open for reading at any position.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    """
    place = place_at(path) if isinstance(path, str) else path
    if isinstance(place, Path):
        with open(place, "rb") as file:
            yield file
        return
    yield cast(BinaryIO, _Ranges(place))


def remove_all(places: Iterable[Place]) -> None:
    """Nothing; all of them are gone."""
    by_bucket: dict[str, list[ObjectPath]] = {}
    for place in places:
        if isinstance(place, Path):
            place.unlink(missing_ok=True)
        else:
            by_bucket.setdefault(place.bucket, []).append(place)
    for bucket, paths in by_bucket.items():
        with _told(paths[0]):
            client_module().delete(bucket_client(bucket), [path.key for path in paths])


def read_lines(path: Place) -> Iterator[bytes]:
    """The lines of a file, its one empty line where it is empty; read as they are asked for where it lies on disk."""
    if isinstance(path, Path):
        with open(path, "rb") as file:
            yield from file if path.stat().st_size else (b"",)
    else:
        yield from io.BytesIO(path.read_bytes() or b"\n")
