"""What a report on studies says besides its verdicts: the family, and how each study was run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bnexp.analysis.results import ClaimVerdict
from bnexp.reports.words.claims import ClaimText, describe_claim
from bnexp.reports.words.formatting import NOTHING
from bnexp.reports.words.phrases import NO_BREAK
from bnexp.studies.report.build import StudyPart, StudyReport
from bnexp.studies.result import Code, StudyResult
from bnexp.wording import command_to_paste, count, format_duration

_ORDER: tuple[ClaimVerdict, ...] = (
    "supported",
    "contradicted",
    "equivalent",
    "inconclusive",
    "exploratory",
)
_COMMIT = 9
"""Digits of a commit that are shown."""

VERDICTS = (
    "Supported: the runs show what was predicted. Contradicted: they show the contrary. "
    "Equivalent: they show that the difference is smaller than what matters, so the prediction "
    "does not hold here. Inconclusive: they show none of these, which is not the same as no "
    "difference."
)
HOW_TO_READ = (
    "The effect is treatment minus control, or their ratio, with an interval that is valid over "
    "all looks at the growing experiment, if there were several. n is the seeds that a verdict "
    "rests on, and how many it might have taken. Published figures marked 'direction only' come "
    "from another network, dataset or training, so their sizes cannot be compared with ours. "
    "'Treatment higher in 5 of 36 pairs' sets each run of one side against each of the other."
)


@dataclass(frozen=True)
class Row:
    """One claim of a report, in the texts of its table."""

    part: StudyPart
    statement: str
    verdict: str
    source: str
    effect: str = NOTHING
    seeds: str = NOTHING
    measured: str = NOTHING
    published: str = NOTHING
    text: ClaimText | None = None
    """All that is said of it; None without a result."""
    limits: tuple[str, ...] = ()
    """What the verdict does not cover, but for what is said of all claims of the study."""
    style: ClaimVerdict = "inconclusive"
    """The verdict in a word, by which formats choose a colour."""


def list_rows(report: StudyReport) -> list[Row]:
    """Returns a row per claim, study by study."""
    return [row for part in report.parts for row in list_rows_of(part)]


def list_rows_of(part: StudyPart) -> list[Row]:
    """Returns the rows of one study."""
    if part.result is None:
        return [
            Row(part, claim.statement, part.absence, claim.source) for claim in part.declared.claims
        ]
    texts = [describe_claim(claim) for claim in part.claims]
    common = find_common_limits(texts)
    found = []
    for claim, text in zip(part.claims, texts, strict=True):
        # How many seeds would do is for planning: a number alone would be taken for a promise.
        is_undecided = claim.obstacle is not None and claim.obstacle.kind == "undecided"
        reason = f" ({text.reason})" if text.reason and not is_undecided else ""
        row = Row(
            part,
            text.statement,
            f"{text.heading}{reason}",
            text.source,
            text.effect,
            text.seeds.replace(" ", NO_BREAK),
            text.measured,
            text.published or NOTHING,
            text,
            tuple(limit for limit in text.limits if limit not in common),
            claim.verdict,
        )
        found.append(row)
    return found


def find_common_limits(texts: Sequence[ClaimText]) -> list[str]:
    """Returns the limits that several claims share, all of them, so that one line says them."""
    if len(texts) < 2:
        return []
    return [limit for limit in texts[0].limits if all(limit in text.limits for text in texts)]


def describe_title(report: StudyReport) -> str:
    """Returns what the report is about: `14 studies, tier cpu`."""
    return f"{count(len(report.parts), 'study')}, tier {report.family.tier}"


def describe_summary(report: StudyReport) -> str:
    """Returns how many claims have which verdict."""
    claims = sum(max(len(part.claims), len(part.declared.claims)) for part in report.parts)
    found = report.verdicts
    counts = [f"{found[verdict]} {verdict}" for verdict in _ORDER if found[verdict]]
    counts += [f"{report.open_claims} not run yet"] if report.open_claims else []
    return f"{count(claims, 'claim')}: {', '.join(counts)}."


def describe_family(report: StudyReport) -> list[str]:
    """Returns over what the verdicts are corrected, and whether results were known beforehand."""
    size = count(report.family.size, "claim")
    day = report.family.declared[:10]
    if len(report.parts) == 1:
        said = f"The verdicts are for this study alone, a family of {size}, declared on {day}."
    else:
        said = (
            f"The {size} of all {len(report.parts)} studies were declared as one family on {day}: "
            "in at most 5 % of such reports is any of them wrongly called supported, and likewise "
            "contradicted or equivalent (Holm's method; a claim without a result counts as not "
            "shown)."
        )
    lines = [said]
    if before := report.results_before:
        had = f"{count(before, 'study')} had {'its' if before == 1 else 'their'} results"
        lines.append(f"{had} before the family was declared as it stands.")
    return lines


def describe_purpose(result: StudyResult) -> str:
    """Returns what the study asks, and what would refute its claims."""
    purpose = f"{result.purpose[:1].upper()}{result.purpose[1:]}"
    return f"{purpose} Refuted {result.refuted}" if result.refuted else purpose


def describe_run(result: StudyResult, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Returns how a study was run, and what none of its verdicts covers, as labels and texts."""
    return [
        ("Pictures", _describe_pictures(result)),
        ("Runs", _describe_runs(result)),
        ("Time", _describe_time(result)),
        ("Code", _describe_code(result)),
        ("Command", describe_command(result)),
        *_describe_common_limits(rows),
    ]


def _describe_common_limits(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    said = rows[0].text.limits if rows and rows[0].text else ()
    if common := [limit for limit in said if limit not in rows[0].limits]:
        yield "Limits of all verdicts", " ".join(common)


def describe_command(result: StudyResult) -> str:
    """Returns the command that runs the study again."""
    options = [word for setting in result.settings for word in ("-s", setting)]
    name = result.study if result.number is not None else result.file or f"{result.study}.yaml"
    return command_to_paste(["bnexp", "study", name, "--tier", result.tier, *options])


def compare_command(result: StudyResult) -> str:
    """Returns the command that compares the study's variants, if its runs are there."""
    return command_to_paste(["bnexp", "compare", result.study, "--tier", result.tier])


def _describe_pictures(result: StudyResult) -> str:
    found = result.pictures
    parts = {"to train on": found.train, "for validation": found.val, "to test on": found.test}
    sizes = [f"{number:,} {use}" for use, number in parts.items() if number]
    name = found.name or "unknown data"
    digest = f" (fingerprint {found.fingerprint[:_COMMIT]})" if found.fingerprint else ""
    return f"{name}: {', '.join(sizes)}{digest}" if sizes else f"{name}{digest}"


def _describe_runs(result: StudyResult) -> str:
    used = sorted({seed for cell in result.cells for seed in cell.accuracies})
    seeds = f"seeds {_join_seeds(used)}" if used else "no seed finished"
    if len(result.seeds) > len(used):
        seeds += f" of {len(result.seeds)} planned"
    ended = [f"{number} {state}" for state, number in result.runs.items() if number]
    tuning = sum(result.tuning_runs.values())
    words = [
        count(len(result.cells), "variant"),
        " or ".join(count(epochs, "epoch") for epochs in sorted(result.epochs)),
        seeds,
        f"runs: {', '.join(ended)}",
    ]
    words += [f"{count(tuning, 'run')} to tune values"] if tuning else []
    return "; ".join(filter(None, words))


def _join_seeds(seeds: Sequence[int]) -> str:
    is_range = len(seeds) > 2 and [*seeds] == [*range(seeds[0], seeds[-1] + 1)]
    return f"{seeds[0]} to {seeds[-1]}" if is_range else ", ".join(map(str, seeds))


def _describe_time(result: StudyResult) -> str:
    machine = result.machine
    where = " or ".join(machine.processors) or "an unknown processor"
    cores = " or ".join(count(number, "core") for number in machine.cores)
    devices = [name for name in machine.devices if name not in ("x86_64", "arm64", "aarch64")]
    parts = [*devices, where, cores]
    wall, training = map(format_duration, (result.wall_seconds, result.training_seconds))
    return (
        f"{wall}, ended on {result.ended[:10]}; {training} of training in all, on "
        f"{', '.join(filter(None, parts))}"
    )


def _describe_code(result: StudyResult) -> str:
    commits = [*filter(None, map(_write_code, result.code))]
    names = {"bnexp": "bnexp", "python": "Python", "torch": "PyTorch"}
    versions = [
        f"{names[name]} {' or '.join(found)}"
        for name, found in result.versions.items()
        if found and name in names
    ]
    config = f"config {result.config[:_COMMIT]}"
    return ", ".join([*(f"commit {commit}" for commit in commits), config, *versions])


def _write_code(code: Code) -> str:
    if code.commit is None:
        return ""
    return f"{code.commit[:_COMMIT]}{' with uncommitted changes' if code.is_dirty else ''}"


def describe_claim_lines(text: ClaimText) -> Iterator[str]:
    """Yields what is said of a claim but for its limits: evidence, prediction, figures, source."""
    limits = {*text.limits}
    yield from (line for line in text.paragraphs if line not in limits)
