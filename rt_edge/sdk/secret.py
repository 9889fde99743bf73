"""Secret: a password or token that is read when it is needed and never shown."""

from __future__ import annotations

import os
from pathlib import Path

from rt_edge.data.errors import FatalAdapterError

SECRET_BYTES_MAX = 65_536
"""A longer file is not a secret but a mistake."""


class Secret:
    """Where a secret comes from: exactly one of a literal, a file, or an environment variable.

    `repr`, `str` and `format` never show the value; `reveal` does.

    Args:
        literal: the value itself, as written in the configuration.
        file: path of a file with the value; one newline at its end is not part of it.
        env: name of an environment variable with the value.
    """

    __slots__ = ("_literal", "env", "file")

    def __init__(self, *, literal: str | None = None, file: str | None = None, env: str | None = None) -> None:
        if sum(x is not None for x in (literal, file, env)) != 1:
            raise ValueError("a secret has exactly one of literal, file, env")
        self._literal = literal
        self.file = file
        self.env = env

    @property
    def is_literal(self) -> bool:
        """Whether the value stands in the configuration itself."""
        return self._literal is not None

    @property
    def origin(self) -> str:
        """Where it comes from, for messages: `file /run/...`, `environment variable X`, `literal`."""
        if self.file is not None:
            return f"file {self.file}"
        return f"environment variable {self.env}" if self.env is not None else "literal"

    def reveal(self) -> str:
        """The value, read anew each time, so that a rotated file is seen at the next connection.

        Raises:
            FatalAdapterError: the file or the variable is not there, empty, too long or not UTF-8.
        """
        if self._literal is not None:
            return self._literal
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                raise FatalAdapterError(f"secret: the environment variable {self.env} is not set", "set it for the service")
            return value
        return self._read(Path(self.file or ""))

    def _read(self, path: Path) -> str:
        try:
            with path.open("rb") as stream:
                raw = stream.read(SECRET_BYTES_MAX + 1)
            text = raw.decode()
        except OSError as error:
            raise FatalAdapterError(
                f"secret: cannot read {path}: {error.strerror}", "create it, readable by the service"
            ) from None
        except UnicodeDecodeError:
            raise FatalAdapterError(f"secret: {path} is not UTF-8 text", "write the secret as text") from None
        if len(raw) > SECRET_BYTES_MAX:
            raise FatalAdapterError(f"secret: {path} is larger than {SECRET_BYTES_MAX} bytes", "name the right file")
        value = text.removesuffix("\n").removesuffix("\r")
        if not value:
            raise FatalAdapterError(f"secret: {path} is empty", "write the secret into it")
        return value

    def spec(self) -> dict[str, str]:
        """The constructor's argument. It holds the value of a literal: never show it."""
        if self._literal is not None:
            return {"literal": self._literal}
        return {"file": self.file} if self.file is not None else {"env": self.env or ""}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash((self._literal, self.file, self.env))

    def __repr__(self) -> str:
        return f"Secret({self.origin})" if not self.is_literal else "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (self._literal, self.file, self.env)


def _make(literal: str | None, file: str | None, env: str | None) -> Secret:
    return Secret(literal=literal, file=file, env=env)
