"""What is left of metrics.jsonl when a run goes back to an earlier step."""

import json
from hashlib import sha256

import pytest

from bnexp.runs import MetricsLog, rewind_metrics
from bnexp.runs.streams.metrics_log import Histogram


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (5, 10, 10, 15):
        log.write(step, 1 + step // 11, step / 8, {"train/loss": 1 / step})
    log.close()
    return path


def test_rows_up_to_the_step_and_count_stay_byte_for_byte(path):
    lines = path.read_bytes().splitlines(keepends=True)

    rows, problems = rewind_metrics(path, step=10, count=2)

    assert path.read_bytes() == b"".join(lines[:2])
    assert [(row.step, row.epoch, row.elapsed_seconds) for row in rows] == [
        (5, 1, 0.625),
        (10, 1, 1.25),
    ]
    assert rows[0].scalars == {"train/loss": 0.2}
    assert problems == []


def test_no_row_beyond_the_step_stays_where_the_count_is_off(path):
    rows, _ = rewind_metrics(path, step=10, count=4)

    assert [row.step for row in rows] == [5, 10, 10]


@pytest.mark.parametrize(
    "line",
    [
        b'{"step": 10, "epoch": 1, "elapsed_sec',
        b'{"step": 10, "epoch": 1}',
        b'{"step": -1, "epoch": 1, "elapsed_seconds": 1.0}',
        b'{"step": 10.5, "epoch": 1, "elapsed_seconds": 1.0}',
        b'{"step": 10, "epoch": 1, "elapsed_seconds": 1.0, "train/loss": "1"}',
        b'{"step": 10, "epoch": 1, "elapsed_seconds": 1.0, "train/loss": NaN}',
        b'{"step": 10, "epoch": 1, "elapsed_seconds": 1e999}',
        b"[1, 2]",
        b"\x00\xff",
        b"",
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_row_is_left_out_and_told(line, path):
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], line, *lines[2:]]) + b"\n")

    rows, problems = rewind_metrics(path, step=15, count=4)

    assert [row.step for row in rows] == [5, 10, 15]
    assert problems == ["line 2 cannot be read and is left out"]
    assert len(path.read_bytes().splitlines()) == 3


def test_the_digest_is_that_of_the_rows_as_they_were_written(path):
    written = path.read_bytes()
    log = MetricsLog(path)
    log.write(20, 2, 3.0, {"train/loss": 0.25}, {"é": Histogram(low=0.0, high=1.0, counts=(1,))})
    log.close()
    assert log.digest == sha256(path.read_bytes()).hexdigest()

    path.write_bytes(written)

    assert log.digest != sha256(path.read_bytes()).hexdigest()


def test_a_row_that_was_altered_is_reported(path):
    lines = path.read_bytes().splitlines(keepends=True)
    expected = sha256(b"".join(lines[:3])).hexdigest()
    assert rewind_metrics(path, 10, 3, expected)[1] == []
    path.write_bytes(b"".join(lines[:3]).replace(b"0.1", b"0.2"))

    rows, problems = rewind_metrics(path, 10, 3, expected)

    assert len(rows) == 3
    assert problems == ["a row up to step 10 was altered; which one is unknown"]


def test_a_value_that_was_not_a_number_stays_null(path):
    log = MetricsLog(path)
    log.write(20, 2, 3.0, {"train/loss": float("nan")})
    log.close()

    rows, problems = rewind_metrics(path, step=20, count=5)

    assert (rows[-1].scalars, problems) == ({"train/loss": None}, [])
    assert json.loads(path.read_text().splitlines()[-1])["train/loss"] is None


def test_a_file_that_is_gone_is_told(tmp_path):
    path = tmp_path / "metrics.jsonl"

    assert rewind_metrics(path, step=5, count=2) == ([], ["2 of 2 rows are missing"])
    assert path.read_bytes() == b""


def test_an_empty_file_has_no_line_that_could_be_damaged(path):
    path.write_bytes(b"")

    assert rewind_metrics(path, step=15, count=4) == ([], ["4 of 4 rows are missing"])


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        ([2], "line 2 cannot be read and is left out"),
        ([2, 3], "lines 2 and 3 cannot be read and are left out"),
        ([1, 2, 3, 4], "lines 1, 2, 3 and 4 cannot be read and are left out"),
    ],
)
def test_damaged_lines_are_named_together(damaged, told, path):
    lines = path.read_bytes().splitlines()
    for number in damaged:
        lines[number - 1] = b"\xff"
    path.write_bytes(b"\n".join(lines) + b"\n")

    assert rewind_metrics(path, step=15, count=4)[1] == [told]


def test_one_row_that_is_missing_is_told(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))

    assert rewind_metrics(path, step=15, count=4)[1] == ["1 of 4 rows is missing"]
