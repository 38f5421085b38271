"""The terminal report of a made-up sweep, compared with the stored text.

After an intended change:
PYTHONPATH=tests python tests/golden/test_comparison_table.py
"""

from pathlib import Path

from records import build_run

from bnexp.analysis.comparison import compare_runs
from bnexp.reports.terminal import render_text

GOLDEN = Path(__file__).with_name("comparison_table.txt")

SWEEP = {
    "norm=none": ((0.31, 0.43, 0.456), (0.29, 0.44, 0.462), (0.3, 0.42, 0.449)),
    "norm=batch": ((0.44, 0.57, 0.611), (0.45, 0.59, 0.626), (0.43, 0.58, 0.604)),
    "norm=group": ((0.32, 0.44, 0.462), (0.28, 0.43, 0.457), (0.3, 0.44, 0.455)),
}


def render():
    records = [
        build_run(
            cell,
            seed,
            history[-1],
            history=history,
            speed=1000 - 150 * place + seed,
            final={"train_eval/accuracy": history[-1] + 0.03},
        )
        for place, (cell, histories) in enumerate(SWEEP.items())
        for seed, history in enumerate(histories)
    ]
    diverged = build_run("norm=group", 3, state="diverged", history=(0.1,))
    running = build_run("norm=batch", 3, state="running")
    return render_text(compare_runs([*records, diverged, running]), width=100)


def test_the_report_is_the_stored_one():
    assert render() == GOLDEN.read_text(encoding="utf-8")


if __name__ == "__main__":
    GOLDEN.write_text(render(), encoding="utf-8")
