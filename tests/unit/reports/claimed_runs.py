"""Made-up runs of an experiment that claims something."""

from records import CLAIM, build_cell


def claimed_runs(claim=None):
    """Returns the runs of a claim that they support."""
    claims = (CLAIM if claim is None else claim,)
    return [
        *build_cell("norm=none", [0.45, 0.46, 0.44], claims=claims),
        *build_cell("norm=batch", [0.61, 0.63, 0.6], claims=claims),
    ]
