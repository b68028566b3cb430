"""The encoding of each file, once all of its bytes were seen; pieces of one dataset decide together."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.errors import SourceError
from pipeline.ingest.reading.csv.scan import BlockScan
from pipeline.ingest.reading.text.agreement import family
from pipeline.ingest.reading.text.encoding import detected_encoding, reads_nearly_all
from pipeline.ingest.reading.text.inspection import Inspected
from pipeline.ingest.reading.text.utf8_evidence import LITTLE, SHOWN, utf8_evidence

_SAMPLE_LINES = 400
#: So few bytes that are not UTF-8, in a file that is otherwise ASCII, say nothing about its encoding.
_FEW_STRAYS = 3
#: With so many lines beyond ASCII a file shows its encoding by itself, whatever its neighbours are in.
_SURE_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bytes:
    """Multi-byte UTF-8 sequences of a file, bytes that belong to none, and lines that hold such bytes.

    `shown` is what the sequences show of UTF-8 (`utf8_evidence`).
    """

    valid: int
    invalid: int
    sample: tuple[bytes, ...]
    json: bool
    shown: str

    @property
    def foreign(self) -> bool:
        """Whether it is clearly not UTF-8.

        Stray bytes in UTF-8 text are few beside its sequences, while text in another encoding hardly ever holds a
        UTF-8 sequence by chance, or then none that is part of a word. JSON is UTF-8 by its standard (RFC 8259, section
        8.1), so that there a few bytes prove nothing.
        """
        if self.json:
            return self.invalid > self.valid and not self.strayed
        return self.invalid > self.valid or self.shown != SHOWN

    @property
    def strayed(self) -> bool:
        """Whether it may as well be UTF-8 with a stray byte."""
        return self.valid == 0 and 0 < self.invalid <= _FEW_STRAYS

    @property
    def slight(self) -> bool:
        """Whether it may as well be UTF-8, for a stray byte or letters that stand alone are all that it has."""
        return self.strayed or (self.valid > 0 and self.invalid <= _FEW_STRAYS and self.shown == LITTLE)

    @property
    def sure(self) -> bool:
        """Whether there are lines enough to tell its encoding from it alone."""
        return len(self.sample) >= _SURE_LINES and (self.strayed or not self.slight)


def choose_encodings(seen: Sequence[Inspected], scans: Sequence[Sequence[BlockScan]]) -> list[str]:
    """The encoding of each file: as known before, or by all of its bytes.

    Files whose names differ in digits only are pieces of one dataset: the same rows in one file or in seven have to
    be read alike, so that a piece which shows little follows those which show more.

    Raises
    ------
    SourceError
        If a file is text in no known encoding.
    """
    opened = [file.opened for file in seen]
    encodings = [file.encoding for file in opened]
    families: dict[str, list[int]] = defaultdict(list)
    for place, file in enumerate(opened):
        if not file.encoding:
            path = PurePosixPath(file.path)
            families[f"{path.parent}/{family(path.name)}"].append(place)
    for places in families.values():
        facts = [_bytes_of(scans[place], json=seen[place].format == "jsonl") for place in places]
        chosen = _choose([opened[place].told for place in places], facts)
        for place, encoding in zip(places, chosen, strict=True):
            encodings[place] = encoding
    return encodings


def _bytes_of(scans: Sequence[BlockScan], *, json: bool) -> _Bytes:
    valid, sample = sum(scan.valid for scan in scans), [line for scan in scans for line in scan.sample]
    telling = valid == 0 or any(scan.long_ones for scan in scans)
    return _Bytes(
        valid=valid,
        invalid=sum(scan.invalid for scan in scans),
        sample=tuple(sample[:_SAMPLE_LINES]),
        json=json,
        shown=SHOWN if telling else utf8_evidence(sample),
    )


def _choose(names: Sequence[str], facts: Sequence[_Bytes]) -> list[str]:
    foreign = [each for each in facts if each.foreign]
    utf8 = any(each.valid and not each.foreign for each in facts)
    if not foreign or (utf8 and all(each.slight for each in foreign)):
        return ["utf-8"] * len(facts)
    sure = [_own(name, each) if each.foreign and each.sure else "" for name, each in zip(names, facts, strict=True)]
    votes = Counter(encoding for encoding in sure if encoding)
    telling = [each for each in foreign if not each.slight]
    # most_common() keeps the order of first sight among equals, which is that of the files.
    shared = votes.most_common(1)[0][0] if votes else detected_encoding(_mixed_sample(telling or foreign))
    return [
        own
        or ("utf-8" if not each.foreign else shared if shared and telling and each.slight else _led(name, each, shared))
        for name, own, each in zip(names, sure, facts, strict=True)
    ]


def _mixed_sample(foreign: Sequence[_Bytes]) -> list[bytes]:
    """Lines of all files, about equally many of each."""
    most = -(-_SAMPLE_LINES // len(foreign))
    return [line for each in foreign for line in each.sample[:most]][:_SAMPLE_LINES]


def _led(name: str, each: _Bytes, shared: str | None) -> str:
    """The encoding of a file that shows little: the others' where it reads so."""
    if each.slight and not each.strayed:
        raise SourceError(
            name,
            f"its encoding cannot be told: all that is beyond ASCII stands alone, such as in {each.sample[0][:40]!r}, "
            "and may be a letter in UTF-8 or a Chinese character",
            "Declare [source] encoding.",
        )
    return shared if shared is not None and reads_nearly_all(each.sample, shared) else _own(name, each)


def _own(name: str, each: _Bytes) -> str:
    encoding = detected_encoding(each.sample)
    if encoding is None:
        raise SourceError(
            name,
            f"its encoding cannot be told: {each.invalid} bytes are not UTF-8, such as in {each.sample[0][:40]!r}",
            "Declare [source] encoding.",
        )
    return encoding
