"""A network of one's own: a class in a Python file."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bnexp.files import read_foreign
from bnexp.models.borrowed.base import BorrowedConfig
from bnexp.models.borrowed.own import (
    AnyInitializationOrOwn,
    AnyNormOrOwn,
    OwnInitializationConfig,
    OwnNormsConfig,
)
from bnexp.models.model import ImpossibleModelError
from bnexp.wording import show_path

if TYPE_CHECKING:
    from torch import nn

MOST_BYTES = 1_000_000
"""Of a file: what is larger is hardly a program."""


class FileConfig(BorrowedConfig):
    """A network of your own: a class, or a function that makes one, in a Python file.

    It is called with `num_classes`, `in_channels` and `image_size` if it has such parameters, and
    with `arguments`. Its norms and first weights stay as the file makes them, unless `norm`
    replaces each `BatchNorm1d` and `BatchNorm2d`, or `initialization` draws new weights.

    The file must be complete in itself: it can import installed packages, but no file beside it.
    Its content is part of the run: a run folder keeps a copy, and runs of another content are
    other runs. `bnexp train` runs the file unasked; `plan`, `ls` and `compare` never do, and other
    commands need `--trust`.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    not_fingerprinted: ClassVar[frozenset[str]] = frozenset({"path"})
    mistakes: ClassVar[tuple[type[Exception], ...]] = (Exception,)

    name: Literal["file"] = "file"
    path: str
    """The Python file. A relative path starts at the folder of the YAML file that names it; in
    `-s`, at the current directory."""
    class_name: str | None = Field(default=None, alias="class")
    """The class, or the function, that makes the network; null if the file defines one network."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What else it is called with, by name, e.g. `{width: 32}`."""
    norm: AnyNormOrOwn = OwnNormsConfig()
    """What replaces each batch norm of the network, and no other layer; `own` replaces none."""
    initialization: AnyInitializationOrOwn = OwnInitializationConfig()
    """How the first weights of convolutions and linear layers are drawn; `own` leaves them as the
    file draws them."""
    sha256: str | None = Field(default=None, validate_default=True)
    """The file's SHA-256, which bnexp fills in; if it is given, another content is refused."""

    _code: bytes = PrivateAttr(default=b"")

    @field_validator("path")
    @classmethod
    def _find_file(cls, path: str, info: ValidationInfo) -> str:
        folder_of: Callable[..., Path] | None = info.context
        folder = folder_of("model", "path") if folder_of else Path()
        file = (folder / Path(path).expanduser()).absolute()
        _read(file)
        return str(file)

    @field_validator("arguments")
    @classmethod
    def _read_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(arguments))  # lists, as people expect them
        return plain

    @field_validator("sha256")
    @classmethod
    def _compare(cls, expected: str | None, info: ValidationInfo) -> str | None:
        if "path" not in info.data:  # which is reported
            return expected
        file = Path(info.data["path"])
        found = hashlib.sha256(_read(file)).hexdigest()
        if expected not in (None, found):
            raise ValueError(
                f"{show_path(file)} has changed since this was written (SHA-256 {found[:12]}…, not "
                f"{expected[:12]}…); put that file back, or remove this key to use the new one"
            )
        return found

    @model_validator(mode="after")
    def _keep_code(self) -> FileConfig:
        """Keeps the file's content, so that all runs of a command use the same."""
        self._code = _read(Path(self.path))
        if hashlib.sha256(self._code).hexdigest() != self.sha256:
            raise ValueError(f"{show_path(Path(self.path))} has changed while it was read")
        return self

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def code(self) -> bytes:
        """The content of the file."""
        return self._code

    @property
    def title(self) -> str:
        """What the network is called in messages: `Net in net.py`."""
        file = Path(self.path).name
        return f"{self.class_name} in {file}" if self.class_name else file

    def make(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Runs the file, and returns the network that its class makes.

        Raises:
            UsageError: The file may not be run.
            ImpossibleModelError: It has a mistake, or no such class.
        """
        from bnexp.models.file.network import make_network

        return make_network(self, image_shape, num_classes)

    def refuse(self, reason: str, error: BaseException | None = None) -> ImpossibleModelError:
        """Returns an error about the file, with the place in it that raised an error."""
        return ImpossibleModelError(("path",), f"{self.title} {reason}{self._describe(error)}")

    def _describe(self, error: BaseException | None) -> str:
        if error is None:
            return ""
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == self.path
        ]
        if isinstance(error, SyntaxError) and error.filename == self.path:
            lines, text = [error.lineno], error.msg
        else:
            text = str(error).strip().partition("\n")[0]
        place = f"{show_path(Path(self.path))}:{lines[-1]}: " if lines else ""
        return f" ({place}{': '.join(filter(None, (type(error).__name__, text)))})"


def _read(file: Path) -> bytes:
    """Returns the content of a file.

    Raises:
        ValueError: There is none, or it cannot be read.
    """
    try:
        return read_foreign(file, MOST_BYTES)
    except FileNotFoundError:
        raise ValueError(f"no file '{show_path(file)}'") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot read '{show_path(file)}': {reason}") from None
