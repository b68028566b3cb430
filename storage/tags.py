"""Names for versions: an append-only table of what was said last about each."""

from collections.abc import Mapping

import pyarrow as pa

from storage.errors import TagError
from storage.layout import StoreLayout, require_id
from storage.system import SystemTable

_SCHEMA = pa.schema([("dataset", pa.string()), ("tag", pa.string()), ("version", pa.int64())])


class Tags:
    """The tags of all datasets of a store."""

    def __init__(self, layout: StoreLayout) -> None:
        self.table = SystemTable(layout.system("tags"), _SCHEMA)

    def all(self) -> dict[str, dict[str, int]]:
        """Dataset -> tag -> version number."""
        said: dict[str, dict[str, int]] = {}
        for row in self.table.read().to_pylist():
            of = said.setdefault(row["dataset"], {})
            of.pop(row["tag"], None)
            if row["version"] is not None:
                of[row["tag"]] = row["version"]
        return said

    def of(self, dataset: str) -> Mapping[str, int]:
        """Tag -> version number of one dataset."""
        return self.all().get(dataset, {})

    def put(self, dataset: str, tag: str, version: int, *, move: bool = False) -> None:
        """Nothing; the tag names the version afterwards.

        Raises
        ------
        TagError
            If it names another version and `move` is not given, or cannot be a tag.
        """
        require_id(tag, "tag")
        if not tag[0].isalpha():
            raise TagError(repr(tag), "a tag starts with a letter, to differ from numbers and times", "Rename it.")
        held = self.of(dataset).get(tag)
        if held == version:
            return
        if held is not None and not move:
            raise TagError(
                f"tag {tag!r} of {dataset}", f"already names version {held}", "Move it on purpose, or choose another."
            )
        self.table.append([{"dataset": dataset, "tag": tag, "version": version}])

    def drop(self, dataset: str, tag: str, version: int | None = None) -> None:
        """Nothing; the tag names nothing afterwards.

        Raises
        ------
        TagError
            If it named nothing before, or another version than `version` where that is given.
        """
        held = self.of(dataset).get(tag)
        if held is None or version not in (None, held):
            problem = "names no version" if held is None else f"names version {held}, not {version}"
            raise TagError(f"tag {tag!r} of {dataset}", problem, "List tags with `textmill versions`.")
        self.table.append([{"dataset": dataset, "tag": tag, "version": None}])
