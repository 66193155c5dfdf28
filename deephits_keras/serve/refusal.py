"""The refusal of a request: an HTTP status and a reason."""

from __future__ import annotations

from typing import Any

from deephits_keras.errors import UserError


class RefusedError(UserError):
    """A request that isn't answered with a prediction.

    Args:
        status: HTTP status.
        reason: What is wrong, and what would be right.
        field: Name of the field, text or file that it is about.
        retry_after: Seconds until another try is worthwhile.
    """

    def __init__(
        self, status: int, reason: str, *, field: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.status, self.reason, self.field, self.retry_after = status, reason, field, retry_after

    @property
    def content(self) -> dict[str, Any]:
        """The body of the answer: `error`, and `field` if it is about one."""
        return {"error": self.reason, **({"field": self.field} if self.field else {})}

    @property
    def headers(self) -> dict[str, str]:
        """Additional headers of the answer."""
        found = {}
        if self.retry_after is not None:
            found["Retry-After"] = str(max(1, round(self.retry_after)))
        if self.status == 401:
            found["WWW-Authenticate"] = "Bearer"
        return found
