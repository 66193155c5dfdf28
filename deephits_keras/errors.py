"""Errors that callers may handle.

`UserError` is an invalid argument or input (the command line exits with 2); any other
`DeepHitsError` is a task that failed (exit code 1).
"""

from __future__ import annotations

import re


class DeepHitsError(Exception):
    """Base class of the errors of this package."""


class UserError(DeepHitsError):
    """An argument or input is invalid; the message says what, where, and what to do."""


class SettingError(UserError):
    """A setting that can't be used.

    Args:
        said: What is wrong, beginning with the setting's name.
        where: Whose setting it is, for the message.
        owners: What its option begins with: names of the encoder and the modality; nothing for
            settings of a training or a fusion.
    """

    def __init__(self, said: str, where: str = "", owners: tuple[str, ...] = ()) -> None:
        super().__init__(f"{where}: {said}" if where else said)
        self.said, self.owners = said, owners

    @property
    def setting(self) -> str:
        """Name of the setting; empty if the message doesn't begin with one."""
        return re.split(r"\W", self.said, maxsplit=1)[0]
