"""The memory of a run that trains is measured process by process, against what the run said."""

from pathlib import Path

from benchmarks import memory
from pipeline.ingest.memory_need import IDLE_BYTES, TRAIN_BYTES


def test_training_keeps_to_what_the_run_said(tmp_path: Path) -> None:
    found = memory.run(tmp_path, 400_000, block="1MB", workers=1, near=False, train=True)
    assert found.input_bytes > 300_000
    assert 0 < found.rows_kept < found.rows_read
    # A worker that has loaded what training needs holds more than an idle Python, and the run says so beforehand.
    assert 10**8 < found.worker_bytes <= found.promised_bytes
    assert found.driver_bytes > 10**8
    assert found.scheduler_bytes > 10**7
    assert found.promised_bytes > IDLE_BYTES + TRAIN_BYTES
