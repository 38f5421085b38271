"""The `bnexp` command, also as `python -m bnexp`."""

from bnexp.launch.stop import exiting_at_once


def main() -> None:
    """Runs the command line; Ctrl-C while it is being imported exits with 130."""
    with exiting_at_once():
        from bnexp.cli.app import main as run
    run()


if __name__ == "__main__":
    main()
