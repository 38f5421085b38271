"""`bnexp schema`."""

from __future__ import annotations

from bnexp.cli.output import write


def schema() -> None:
    """Print the JSON schema of config files, for editors.

    It covers installed plug-ins. Editors with YAML support use it to explain and check a config
    that begins with this line:

    `# yaml-language-server: $schema=bnexp.schema.json`

    Example: `bnexp schema > bnexp.schema.json`
    """
    from bnexp.config.schema import write_schema

    write(write_schema())
