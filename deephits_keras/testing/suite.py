"""Running the checks: one by one with their results, all at once, or as pytest's parameters."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.testing import branch, contract, extraction
from deephits_keras.testing.subject import CheckError, CheckSkipped, Subject
from deephits_keras.tracks import Track

Check = Callable[[Subject], None]

CHECKS: dict[str, Check] = {
    check.__name__.removeprefix("check_"): check
    for check in (*contract.CHECKS, *extraction.CHECKS, *branch.CHECKS)
}


@dataclass(frozen=True)
class CheckResult:
    """What one check said of an encoder.

    Attributes:
        check: Its name.
        status: `passed`, `failed` or `skipped`.
        message: What is wrong and what to change, why it was skipped, or empty.
        seconds: How long it took.
    """

    check: str
    status: str
    message: str
    seconds: float


def check_names() -> tuple[str, ...]:
    """The names of the checks, in the order in which they run."""
    return tuple(CHECKS)


def run_checks(
    encoder: AnyEncoder,
    *,
    tracks: Sequence[Track] | None = None,
    bad_tracks: Sequence[Track] = (),
    leave_out: Collection[str] = (),
) -> Iterator[CheckResult]:
    """Run every check on an encoder, and yield each result as it is known.

    A check that can't be made because another one fails is skipped, so that one mistake is told
    once.

    Args:
        encoder: The encoder, configured.
        tracks: Two or more different tracks that have its modality; by default its own
            `example_tracks`: short recordings with lyrics and Spotify's fields.
        bad_tracks: Tracks whose input is there and that `extract` must refuse with an
            `ExtractionError`, beside the damaged recordings that every encoder is tried with.
        leave_out: Names of checks not to run.
    """
    subject = Subject(encoder, tracks, bad_tracks)
    for name in CHECKS:
        if name in leave_out:
            continue
        began = time.monotonic()
        status, message = _run(name, subject)
        yield CheckResult(name, status, message, round(time.monotonic() - began, 3))


def check_encoder(
    encoder: AnyEncoder,
    *,
    tracks: Sequence[Track] | None = None,
    bad_tracks: Sequence[Track] = (),
) -> list[CheckResult]:
    """Run every check on an encoder; see `run_checks`.

    Returns:
        The results, none of them `failed`.

    Raises:
        CheckError: if any check fails; the message tells of each what to change.

    Example:
        >>> check_encoder(MyEncoder())  # doctest: +SKIP
    """
    results = list(run_checks(encoder, tracks=tracks, bad_tracks=bad_tracks))
    failed = [result for result in results if result.status == "failed"]
    if failed:
        told = "\n".join(f"- {result.check}: {result.message}" for result in failed)
        raise CheckError(
            f"{type(encoder).__name__} fails {len(failed)} of {len(results)} checks:\n{told}"
        )
    return results


def parametrize_with_checks(
    encoders: Sequence[AnyEncoder | Callable[[], AnyEncoder]],
    *,
    tracks: Sequence[Track] | None = None,
    bad_tracks: Sequence[Track] = (),
) -> Any:
    """A pytest decorator that makes a test of each check of each encoder.

    Args:
        encoders: Encoders, or functions that make one when the first of its tests runs.
        tracks: See `run_checks`.
        bad_tracks: See `run_checks`.

    Example:
        >>> @parametrize_with_checks([MyEncoder()])  # doctest: +SKIP
        ... def test_my_encoder_keeps_the_contract(encoder, check):
        ...     check(encoder)
    """
    import pytest

    parameters = []
    for encoder in encoders:
        label = getattr(encoder, "name", getattr(encoder, "__name__", "encoder"))
        subjects: dict[int, Subject] = {}
        for name in CHECKS:
            check = _pytest_check(name, subjects, tracks, bad_tracks)
            parameters.append(pytest.param(encoder, check, id=f"{label}-{name}"))
    return pytest.mark.parametrize(("encoder", "check"), parameters)


def _pytest_check(
    name: str,
    subjects: dict[int, Subject],
    tracks: Sequence[Track] | None,
    bad_tracks: Sequence[Track],
) -> Callable[[Any], None]:
    """A function that applies one check; those of an encoder share what they work out."""

    def check(encoder: Any) -> None:
        import pytest

        if id(encoder) not in subjects:
            made = encoder if hasattr(encoder, "config") else encoder()
            subjects[id(encoder)] = Subject(made, tracks, bad_tracks)
        status, message = _run(name, subjects[id(encoder)])
        if status == "failed":
            pytest.fail(f"{name}: {message}", pytrace=False)
        if status == "skipped":
            pytest.skip(message)

    return check


def _run(name: str, subject: Subject) -> tuple[str, str]:
    """One check's status and message."""
    try:
        CHECKS[name](subject)
    except CheckSkipped as reason:
        return "skipped", str(reason)
    except CheckError as failure:
        return "failed", str(failure)
    except Exception as error:
        return "failed", f"the encoder raised {type(error).__name__}: {error}"
    return "passed", ""
