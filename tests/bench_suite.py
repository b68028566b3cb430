"""A suite for the tests of the verb: quick children that add numbers."""

from benchmarks.harness.contender import Case, Contender, Setting, Suite
from benchmarks.harness.targets import at_most, faster_than


def _cases(setting: Setting) -> list[Case]:
    def adds(name: str) -> Contender:
        return Contender(
            name=name,
            run="tests.bench_contenders:add",
            prepare="tests.bench_contenders:numbers",
            check="tests.bench_contenders:total",
            arguments={"count": 10},
        )

    contenders = [adds("textmill"), *([adds("peer")] if setting.peers else [])]
    targets = [faster_than("peer", 1e9), at_most("peak_bytes", 1e9)]
    work = {"bytes": float(setting.size_bytes)}
    return [Case(name="adding", contenders=contenders, equal=("sum",), work=work, targets=targets)]


SUITE = Suite(name="adding", claim="It adds.", cases=_cases)
