"""Independent random streams from one seed, named by what they are for."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Returns a 63-bit seed that is a function of `seed` and `purpose` alone.

    Streams of different purposes do not depend on each other, so that drawing more
    numbers for one changes no other.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
