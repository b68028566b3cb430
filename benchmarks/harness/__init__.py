"""What every benchmark shares: contenders in child processes, in turns, compared before any time counts.

A module ``benchmarks/NAME.py`` joins in by holding a `Suite`, and by a line in `benchmarks.suites`::

    def clean(files: list[str], scratch: str, **_: Any) -> dict[str, Any]:     # timed, in a process of its own
        ...                                                                    # writes below scratch

    def rows_written(scratch: str, **_: Any) -> dict[str, Any]:                # not timed: what must be equal
        return {"rows": ..., "digest": ...}

    def cases(setting: Setting) -> list[Case]:
        files = [str(path) for path in write_csv(setting.scratch / "in", setting.size_bytes, files=4)]
        ours = Contender(
            name=OURS,
            run="benchmarks.ingest:clean",
            check="benchmarks.ingest:rows_written",
            arguments={"files": files},
            warm_up={"files": files[:1]},
        )
        polars = Contender(name="polars", run="benchmarks.peers.polars_clean:clean", ..., environment=POLARS)
        contenders = [ours, polars] if setting.peers else [ours]
        return [
            Case(
                name="clean",
                contenders=contenders,
                equal=("rows",),
                work={"bytes": setting.size_bytes},
                targets=(faster_than("polars", 2.0),),
            )
        ]

    SUITE = Suite(name="ingest", claim="...", cases=cases)

    if __name__ == "__main__":
        sys.exit(run_suite(SUITE))

A peer's module imports that peer and the standard library, nothing of textmill: it runs in the peer's environment.
"""
