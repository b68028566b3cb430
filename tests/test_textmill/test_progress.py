import io

from rich.console import Console

from textmill.cli.progress import PlainProgress, TerminalProgress, listening, speeds, terminal_bars


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def plain_console():
    return Console(file=io.StringIO(), width=20, force_terminal=False)


def test_plain_lines_say_what_lies_ahead_how_it_goes_and_how_it_went():
    console, clock = plain_console(), Clock()
    progress = PlainProgress(console, clock)
    progress.stage_started("scan", 8, 64_000_000)
    for done in range(1, 9):
        clock.now += 2
        progress.task_done("scan", done, 8, done * 8_000_000, done * 1000)
    progress.stage_finished("scan", 16.0)
    progress.note("a.csv: read as gb18030 (detected)")
    assert console.file.getvalue().splitlines() == [
        "scan: 8 blocks, 64.0 MB",
        "scan: 3 of 8 blocks, 500 rows/s, 4.0 MB/s, about 10.0 s left",
        "scan: 6 of 8 blocks, 500 rows/s, 4.0 MB/s, about 4.0 s left",
        "scan: done in 16.0 s (500 rows/s, 4.0 MB/s)",
        "note: a.csv: read as gb18030 (detected)",
    ]


def test_plain_lines_leave_out_what_is_not_known():
    console, clock = plain_console(), Clock()
    progress = PlainProgress(console, clock)
    progress.stage_started("fit", 1, None)
    progress.task_done("fit", 1, 1, 0, 0)
    progress.stage_finished("fit", 0.5)
    assert console.file.getvalue().splitlines() == ["fit: 1 block", "fit: done in 0.50 s"]


def test_speeds():
    assert speeds(1000, 0, 2.0) == "500 rows/s"
    assert speeds(0, 5_000_000, 2.0) == "2.5 MB/s"
    assert speeds(10, 10, 0.0) == ""


def test_bars_show_stages_blocks_speed_and_time():
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    with terminal_bars(console) as bars:
        progress = TerminalProgress(bars)
        progress.stage_started("clean", 4, 1_000_000)
        progress.task_done("clean", 1, 4, 250_000, 100)
        bars.refresh()
        running = console.file.getvalue()
        progress.task_done("clean", 4, 4, 1_000_000, 400)
        progress.stage_finished("clean", 1.0)
        progress.note("something [to] know")
        progress.stage_started("empty", 0, None)
        progress.stage_finished("empty", 0.0)
    shown = console.file.getvalue()
    assert "1/4" in running
    assert "left" in running
    assert "rows/s" in running
    assert "4/4" in shown
    assert "something [to] know" in shown
    assert all(task.finished for task in bars.tasks)


def test_who_listens_depends_on_the_console():
    console = plain_console()
    with listening(console, silent=True) as listener:
        listener.stage_started("scan", 1, 1)
        listener.note("x")
    assert console.file.getvalue() == ""
    with listening(console, silent=False) as listener:
        assert isinstance(listener, PlainProgress)
    terminal = Console(file=io.StringIO(), force_terminal=True)
    with listening(terminal, silent=False) as listener:
        assert isinstance(listener, TerminalProgress)


def test_a_stage_that_starts_again_goes_on():
    console, clock = plain_console(), Clock()
    progress = PlainProgress(console, clock)
    for _ in range(4):
        progress.stage_started("train", 2, None)
        clock.now += 3
        progress.task_done("train", 2, 2, 0, 300)
        progress.stage_finished("train", 3.0)
    progress.stage_started("evaluate", 1, None)
    assert console.file.getvalue().splitlines() == [
        "train: 2 blocks",
        "train: done in 3.0 s (100 rows/s)",
        "train: done in 3.0 s (100 rows/s)",
        "evaluate: 1 block",
    ]


def test_a_bar_goes_on_with_its_stage():
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    with terminal_bars(console) as bars:
        progress = TerminalProgress(bars)
        for _ in range(3):
            progress.stage_started("train", 2, None)
            progress.task_done("train", 2, 2, 0, 300)
            progress.stage_finished("train", 1.0)
        assert len(bars.tasks) == 1
        assert (bars.tasks[0].completed, bars.tasks[0].total, bars.tasks[0].fields["rows"]) == (6, 6, 900)
