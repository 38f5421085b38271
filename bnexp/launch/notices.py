"""What a command says about the runs that an experiment's folder already holds."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bnexp.analysis.claims.reach import describe_undecidable
from bnexp.analysis.differences.changed_data import Measure, find_changed_data
from bnexp.config.duplicates import find_same_cells
from bnexp.config.load import RunSpec
from bnexp.errors import BnexpError
from bnexp.launch.claims import digest_claims
from bnexp.launch.plan import PlannedRun
from bnexp.launch.resolved_config import config_text
from bnexp.launch.stages.stages import Plan
from bnexp.locks import GivenUpError, hold_lock
from bnexp.runs import RunRecord, read_run
from bnexp.runs.reading import find_runs
from bnexp.wording import count


def describe_plan(plan: Plan, measure: Measure | None = None, others: int = 0) -> list[str]:
    """Returns a warning for each thing that is suspicious in a config or in its runs' folder.

    `measure` is that of `describe_folder`; `others` is how many claims of other experiments are
    corrected for together with these.
    """
    runs = plan.experiment.runs
    looks = plan.experiment.looks or (len({run.seed for run in runs}),)
    return [
        *plan.experiment.warnings,
        *describe_same_cells(runs),
        *describe_undecidable(runs[0].config.claim, looks, others),
        *(run.damage for run in plan.tuning if run.damage),
        *describe_folder(plan.runs, measure),
    ]


def describe_folder(planned: Sequence[PlannedRun], measure: Measure | None = None) -> list[str]:
    """Returns a warning for each thing in the folder that is not as the config asks.

    With `measure`, which loads a dataset, changed data is noticed whatever has changed in it.
    """
    damages = [run.damage for run in planned]
    read = functools.cache(read_run)
    changes = describe_changed_data(planned, measure, read)
    found = (describe_late_claims(planned, read), *damages, *changes, describe_strays(planned))
    return [line for line in found if line]


def describe_sources(planned: Sequence[PlannedRun]) -> str | None:
    """Returns from where the runs of an extension start, in a line; None if none is to start."""
    starts = Counter(
        (run.source.experiment, run.source.epochs) for run in planned if run.source is not None
    )
    words = [
        f"from epoch {epochs} of {experiment}: {count(number, 'run')}"
        for (experiment, epochs), number in starts.items()
    ]
    first = planned[0].spec.extends
    fresh = [run for run in planned if run.is_fresh]
    if first and fresh:
        words.append(
            f"from the start, with the same results, because {first} has no such finished run: "
            f"{count(len(fresh), 'run')}"
        )
    return "; ".join(words) if first and words else None


def describe_same_cells(runs: Sequence[RunSpec]) -> list[str]:
    """Returns a warning for each group of cells that train the same network in the same way."""
    return [
        f"{' and '.join(cells[:2])}{f' and {len(cells) - 2} more' * (len(cells) > 2)} are the same "
        "network, trained in the same way; one of them is enough (sweep.exclude leaves cells out)"
        for cells in find_same_cells(runs)
    ]


def describe_changed_data(
    planned: Sequence[PlannedRun],
    measure: Measure | None,
    read: Callable[[Path], RunRecord] = read_run,
) -> list[str]:
    """Returns a warning for each dataset on which skipped runs were trained and that is changed."""
    done = [run for run in planned if run.action == "skip"]
    configs = {run.folder.path: run.spec.config.data for run in done}
    if not any(data.signature() for data in set(configs.values())):
        return []
    records = [read(path) for path in configs]
    changes = find_changed_data(records, lambda record: configs[record.path], measure)
    return [change.text for change in changes]


def describe_late_claims(
    planned: Sequence[PlannedRun], read: Callable[[Path], RunRecord] = read_run
) -> str | None:
    """Returns a warning if runs had results before the present claims were seen, else None.

    A claim is known with its seeds and looks. Such claims are exploratory. The results of an
    experiment that is extended count as results.
    """
    claims = digest_claims(planned[0])
    if claims and (extended := planned[0].spec.extends):
        return (
            f"the results of {extended}, which these runs extend, are known, so they cannot "
            "support the claims; seeds without results can (e.g. -s sweep.seeds=[100,101,102], "
            "without --extend)"
        )
    done = [run for run in planned if run.action == "skip"] if claims else []
    late = [run for run in done if not _stood_before(claims, read(run.folder.path))]
    if not late:
        return None
    return (
        f"{len(late)} of {len(planned)} runs had results before the claims as they now stand, with "
        "these seeds, so they cannot support them, not even if --force trains them again; seeds "
        "without results can (e.g. -s sweep.seeds=[100,101,102])"
    )


def _stood_before(claims: Mapping[str, object], record: RunRecord) -> bool:
    """Whether all claims stood before a run had a result, by the record or by what it says."""
    if record.claims_on_record is not None:
        return record.claims_on_record >= claims.keys()
    return [*record.claims] == [*claims.values()]


def heal_ended(planned: Sequence[PlannedRun]) -> Iterator[str]:
    """Rewrites lost or outdated statuses and lost configs of runs that have ended.

    Temporary files of a killed process are deleted, too. Yields a warning for each run that it
    cannot write. A config is written only if it is, to the byte, the one that was sealed. A run
    that another process holds is left to that one.
    """
    for run in planned:
        if run.action != "skip" or not (run.damage or run.folder.find_temporaries()):
            continue
        try:
            with hold_lock(run.folder.lock, lambda _: None, lambda: True):
                record = read_run(run.folder.path, with_config=False)
                if record.is_outdated:
                    run.folder.restore_status(record.state)
                run.folder.restore_config(config_text(run.spec), run.spec.config.model.code)
                run.folder.remove_temporaries()
        except GivenUpError:
            continue
        except OSError as error:
            yield f"{run.folder.path} cannot be written: {error.strerror or error}"
        except BnexpError as error:
            yield str(error)


def describe_strays(planned: Sequence[PlannedRun]) -> str | None:
    """Returns a warning if the experiment's folder holds runs that are not in the config."""
    folder = planned[0].folder.path.parent.parent
    asked = {run.folder.path for run in planned}
    strays = [path for path in find_runs(folder) if path not in asked] if folder.is_dir() else []
    if not strays:
        return None
    names = sorted({f"{path.parent.name}/{path.name}" for path in strays})
    shown = ", ".join(names[:3]) + f" and {len(names) - 3} more" * (len(names) > 3)
    return (
        f"{folder} also holds {count(len(strays), 'run')} not in this config ({shown}); "
        "bnexp compare includes them, bnexp rm deletes them"
    )
