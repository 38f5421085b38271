"""`python -m bnexp` is the `bnexp` command."""

from bnexp.cli.app import main

if __name__ == "__main__":
    main()
