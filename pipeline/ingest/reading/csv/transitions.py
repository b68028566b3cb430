"""Splitting delimited text at true record boundaries, in parallel.

Whether a line feed ends a record depends on everything before it. So each block is run through the automaton from
*every* state it could be entered in; the result is a function from entry state to exit state, and functions compose.
A sequential walk over the blocks, a few bytes of work each, then tells the one true entry state of each block and with
it where its first record starts. This is exact for any automaton, without guessing.

References
----------
Stehle and Jacobsen, "ParPaRaw: Massively Parallel Parsing of Delimiter-Separated Raw Data", PVLDB 13(5), 2020.
Hillis and Steele, "Data Parallel Algorithms", CACM 29(12), 1986 (parsing by composing functions).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ingest.reading.csv.dialect import (
    CLOSES_BADLY,
    CLOSES_WELL,
    CLOSING,
    CR,
    ESCAPED,
    FIELD,
    LF,
    NEXT_STATE,
    QUOTED,
    QUOTED_ESCAPED,
    SPACE,
    START,
    STARTS_RECORD,
    STATES,
    UNQUOTED,
    Dialect,
    transition_table,
)
from pipeline.ingest.reading.csv.runs import find_byte, pattern
from storage.compiled import Buffer, kernel

#: Columns of a scan, one row for each entry state.
EXIT, FIRST, LAST, WELL, BADLY = range(5)
FACTS = 5
#: From most entry states the automaton is in the same state after a few fields, and from all of them, as a rule, after
#: the first quotes that are out of place for some. Until then all are followed side by side, so far at most.
_STEP_BYTES = 512
_LOCKSTEP_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """What one block does to the automaton, for each state it could be entered in.

    Attributes
    ----------
    exits
        The state after the block, by entry state.
    first, last
        Offsets in the block of the first and last record start (the byte after a record's end, so possibly the
        block's length); -1 for none.
    well, badly
        How many quoted fields were closed well and badly.
    """

    exits: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    well: tuple[int, ...]
    badly: tuple[int, ...]


def transitions(data: npt.NDArray[np.uint8], dialect: Dialect, lockstep_bytes: int = _LOCKSTEP_BYTES) -> Transitions:
    """What `data`, one block's bytes, does to the automaton of `dialect`.

    Parameters
    ----------
    data
        Shape (bytes,); may be empty: then every state stays as it is.
    dialect
        The dialect.
    lockstep_bytes
        How far all entry states are followed side by side at most; at least 1, for some are left with the first byte.
    """
    facts = np.empty((STATES, FACTS), dtype=np.int64)
    _follow_all(data, transition_table(dialect), dialect.marks, lockstep_bytes, facts)
    columns = [tuple(int(value) for value in facts[:, column]) for column in range(FACTS)]
    return Transitions(
        exits=columns[EXIT], first=columns[FIRST], last=columns[LAST], well=columns[WELL], badly=columns[BADLY]
    )


@kernel
def _follow_all(  # noqa: C901 - one compiled loop
    data: Buffer, table: Buffer, marks: Buffer, lockstep_bytes: int, facts: Buffer
) -> None:
    size = data.shape[0]
    states = facts.shape[0]
    for entry in range(states):
        facts[entry, EXIT] = entry
        facts[entry, FIRST] = -1
        facts[entry, LAST] = -1
        facts[entry, WELL] = 0
        facts[entry, BADLY] = 0
    head, met = 0, False
    most = min(size, lockstep_bytes)
    while not met and head < most:
        begin, head = head, min(head + _STEP_BYTES, most)
        met = True
        for entry in range(states):
            state = facts[entry, EXIT]
            for i in range(begin, head):
                step = table[state, data[i]]
                state = step & NEXT_STATE
                if step > NEXT_STATE:
                    _note(facts, entry, step, i)
            facts[entry, EXIT] = state
            met &= state == facts[0, EXIT]
    # Entry states that have met go the same way from here: each meeting point is followed once.
    for meeting in range(states):
        leader = -1
        for entry in range(states):
            if facts[entry, EXIT] == meeting and leader < 0:
                leader = entry
        if leader >= 0:
            rest = _follow(data, head, meeting, marks)
            for entry in range(states):
                # Exits of the rest are kept apart (negative) until every meeting point is done.
                if facts[entry, EXIT] == meeting:
                    facts[entry, EXIT] = -1 - rest[0]
                    if facts[entry, FIRST] < 0:
                        facts[entry, FIRST] = rest[1]
                    if rest[2] >= 0:
                        facts[entry, LAST] = rest[2]
                    facts[entry, WELL] += rest[3]
                    facts[entry, BADLY] += rest[4]
    for entry in range(states):
        facts[entry, EXIT] = -1 - facts[entry, EXIT]


@kernel
def _note(facts: Buffer, entry: int, step: int, i: int) -> None:
    if step & STARTS_RECORD:
        if facts[entry, FIRST] < 0:
            facts[entry, FIRST] = i + 1
        facts[entry, LAST] = i + 1
    if step & CLOSES_WELL:
        facts[entry, WELL] += 1
    if step & CLOSES_BADLY:
        facts[entry, BADLY] += 1


@kernel
def _follow(  # noqa: C901 - one compiled loop
    data: Buffer, i: int, state: int, marks: Buffer
) -> tuple[int, int, int, int, int]:
    """Exit state, first and last record start, fields closed well and badly: the automaton as plain loops."""
    if marks[2] < 0 and marks[3] != 1 and marks[4] != 1:
        return _follow_quotes(data, i, state, marks[0], marks[1])
    size = data.shape[0]
    delimiter, quote, escape, cr_ends, skip_spaces = marks[0], marks[1], marks[2], marks[3] == 1, marks[4] == 1
    first, last, well, badly = -1, -1, 0, 0
    stops = np.zeros(256, dtype=np.uint8)
    stops[LF] = 1
    if cr_ends:
        stops[CR] = 1
    if delimiter >= 0:
        stops[delimiter] = 1
    if escape >= 0:
        stops[escape] = 1
    while i < size:
        if state == QUOTED:
            if escape < 0:
                while i < size and data[i] != quote:
                    i += 1
            else:
                while i < size and data[i] != quote and data[i] != escape:
                    i += 1
            if i < size:
                state = CLOSING if data[i] == quote else QUOTED_ESCAPED
                i += 1
            continue
        if state == QUOTED_ESCAPED:
            state = QUOTED
            i += 1
            continue
        if state == ESCAPED:
            state = UNQUOTED
            i += 1
            continue
        if skip_spaces and (state in (START, FIELD)) and data[i] == SPACE:
            state = FIELD
            i += 1
            continue
        byte = data[i]
        if state == CLOSING:
            if byte == quote:
                state = QUOTED
                i += 1
                continue
            if byte in (delimiter, LF, CR):
                well += 1
            else:
                badly += 1
                if byte == escape:
                    i += 1
            state = UNQUOTED
        elif byte == quote and state != UNQUOTED:
            state = QUOTED
            i += 1
            continue
        while i < size and stops[data[i]] == 0:
            i += 1
        if i == size:
            state = UNQUOTED
            break
        byte = data[i]
        i += 1
        if byte == delimiter:
            state = FIELD
        elif byte == escape:
            state = ESCAPED
        else:
            state = START
            if first < 0:
                first = i
            last = i
    return state, first, last, well, badly


@kernel
def _follow_quotes(  # noqa: C901 - one compiled loop
    data: Buffer, i: int, state: int, delimiter: int, quote: int
) -> tuple[int, int, int, int, int]:
    """What `_follow` answers, without escapes, bare carriage returns and skipped spaces: from quote to quote."""
    size = data.shape[0]
    first, last, well, badly = -1, -1, 0, 0
    quotes = pattern(quote, LF)
    while i < size:
        if state == CLOSING:
            byte = data[i]
            if byte == quote:
                state = QUOTED
                i += 1
                continue
            if byte in (delimiter, LF, CR):
                well += 1
            else:
                badly += 1
            state = UNQUOTED
        begin = i
        i = find_byte(data, i, quotes) if quote >= 0 else size
        if i > begin and state != QUOTED:
            byte = data[i - 1]
            state = START if byte == LF else (FIELD if byte == delimiter else UNQUOTED)
            k = i
            while k > begin and data[k - 1] != LF:
                k -= 1
            if k > begin:
                last = k
            while first < 0 and begin < k:
                begin += 1
                if data[begin - 1] == LF:
                    first = begin
        if i < size:
            if state == QUOTED:
                state = CLOSING
            elif state != UNQUOTED:
                state = QUOTED
            i += 1
    return state, first, last, well, badly
