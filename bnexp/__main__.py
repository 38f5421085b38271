"""The `bnexp` command, also as `python -m bnexp`."""

import gc
import os

from bnexp.launch.stop import exiting_at_once
from bnexp.system import is_out_of_memory

OBJECTS_BEFORE_COLLECTION = 50_000
"""Python's own few hundred make the import of PyTorch a fifth longer, and find no garbage in it."""


def main() -> None:
    """Runs the command line; Ctrl-C while it is being imported exits with 130."""
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION, 20, 20)
    try:
        with exiting_at_once():
            from bnexp.cli.app import main as run
        run()
    except (MemoryError, ImportError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        # As little as can be done: nothing may be left to print it with.
        os.write(2, b"error: too little memory is left for this command\n")
        os._exit(1)
    finally:
        gc.freeze()  # else Python looks through everything for garbage before it ends


if __name__ == "__main__":
    main()
