"""Run the checks: one by one, all at once, or as pytest parameters."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.testing import branch, contract, explaining, extraction, optional
from deephits_keras.testing.subject import CheckError, CheckSkipped, Subject
from deephits_keras.tracks import Track

Check = Callable[[Subject], None]

CHECKS: dict[str, Check] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        *contract.CHECKS,
        *extraction.CHECKS,
        *branch.CHECKS,
        *optional.CHECKS,
        *explaining.CHECKS,
    )
}


@dataclass(frozen=True)
class CheckResult:
    """Result of one check of an encoder.

    Attributes:
        check: Name of the check.
        status: `passed`, `failed`, `skipped`, or `xfail` if it failed as expected.
        message: What is wrong and what to change, why it was skipped or expected to fail, or
            empty.
        seconds: Duration in seconds.
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
    expected_failed_checks: Mapping[str, str] | None = None,
) -> Iterator[CheckResult]:
    """Run every check on an encoder, and yield each result.

    A check that depends on a failed one is skipped, so that a mistake is reported once.

    Args:
        encoder: The configured encoder.
        tracks: At least two different tracks with its modality; by default its `example_tracks`,
            short recordings with lyrics and Spotify's fields.
        bad_tracks: Tracks for which `extract` must raise an `ExtractionError`, in addition to
            damaged files and the encoder's `bad_tracks`.
        leave_out: Names of checks that are not run.
        expected_failed_checks: Reason for each check that may fail, as in scikit-learn's
            `check_estimator`; in addition to those of the encoder.

    Raises:
        ValueError: if `expected_failed_checks` names an unknown check.
    """
    expected = _expected(encoder, expected_failed_checks)
    subject = Subject(encoder, tracks, bad_tracks)
    for name in CHECKS:
        if name in leave_out:
            continue
        began = time.monotonic()
        status, message = _run(name, subject, expected)
        yield CheckResult(name, status, message, round(time.monotonic() - began, 3))


def check_encoder(
    encoder: AnyEncoder,
    *,
    tracks: Sequence[Track] | None = None,
    bad_tracks: Sequence[Track] = (),
    expected_failed_checks: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Run every check on an encoder; see `run_checks`.

    Returns:
        The results, none of them `failed`.

    Raises:
        CheckError: if any check fails; the message says what to change.

    Example:
        >>> check_encoder(MyEncoder())  # doctest: +SKIP
    """
    results = list(
        run_checks(
            encoder,
            tracks=tracks,
            bad_tracks=bad_tracks,
            expected_failed_checks=expected_failed_checks,
        )
    )
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
    expected_failed_checks: Mapping[str, str] | None = None,
) -> Any:
    """A pytest decorator that creates one test per check and encoder.

    Args:
        encoders: Encoders, or functions that create one when its first test runs.
        tracks: See `run_checks`.
        bad_tracks: See `run_checks`.
        expected_failed_checks: See `run_checks`; such a test counts as an expected failure.

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
            check = _pytest_check(name, subjects, tracks, bad_tracks, expected_failed_checks)
            parameters.append(pytest.param(encoder, check, id=f"{label}-{name}"))
    return pytest.mark.parametrize(("encoder", "check"), parameters)


def _pytest_check(
    name: str,
    subjects: dict[int, Subject],
    tracks: Sequence[Track] | None,
    bad_tracks: Sequence[Track],
    expected_failed_checks: Mapping[str, str] | None,
) -> Callable[[Any], None]:
    """A function that runs one check; checks of an encoder share intermediate results."""

    def check(encoder: Any) -> None:
        import pytest

        if id(encoder) not in subjects:
            made = encoder if hasattr(encoder, "config") else encoder()
            subjects[id(encoder)] = Subject(made, tracks, bad_tracks)
        subject = subjects[id(encoder)]
        expected = _expected(subject.encoder, expected_failed_checks)
        status, message = _run(name, subject, expected)
        if status == "failed":
            pytest.fail(f"{name}: {message}", pytrace=False)
        if status == "skipped":
            pytest.skip(message)
        if status == "xfail":
            pytest.xfail(message)

    return check


def _expected(encoder: AnyEncoder, given: Mapping[str, str] | None) -> dict[str, str]:
    """The reason of each check that may fail."""
    expected = {**encoder.expected_failed_checks, **(given or {})}
    if unknown := sorted(set(expected) - set(CHECKS)):
        raise ValueError(
            f"expected_failed_checks names {', '.join(unknown)}, which no check is called. "
            f"Checks: {', '.join(CHECKS)}"
        )
    return expected


def _run(name: str, subject: Subject, expected: Mapping[str, str]) -> tuple[str, str]:
    """One check's status and message."""
    try:
        CHECKS[name](subject)
    except CheckSkipped as reason:
        return "skipped", str(reason)
    except CheckError as failure:
        message = str(failure)
    except Exception as error:
        message = f"the encoder raised {type(error).__name__}: {error}"
    else:
        return "passed", ""
    return ("xfail", expected[name]) if name in expected else ("failed", message)
