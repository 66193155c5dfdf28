"""The conformance suite: about forty named checks of an encoder.

It is used for third-party encoders and for those of this package. In your own test:

    from deephits_keras.testing import parametrize_with_checks

    @parametrize_with_checks([MyEncoder()])
    def test_my_encoder_keeps_the_contract(encoder, check):
        check(encoder)

In a notebook `check_encoder(MyEncoder())`, on the command line `deephits encoders check NAME`.

Importing this package imports neither Keras nor pytest: the names below load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deephits_keras.utils.lazy import load_on_use

if TYPE_CHECKING:
    from deephits_keras.encoders.example_tracks import sample_tracks
    from deephits_keras.testing.subject import CheckError, CheckSkipped
    from deephits_keras.testing.suite import (
        CheckResult,
        check_encoder,
        check_names,
        parametrize_with_checks,
        run_checks,
    )

_HOMES = {
    "CheckError": "deephits_keras.testing.subject",
    "CheckResult": "deephits_keras.testing.suite",
    "CheckSkipped": "deephits_keras.testing.subject",
    "check_encoder": "deephits_keras.testing.suite",
    "check_names": "deephits_keras.testing.suite",
    "parametrize_with_checks": "deephits_keras.testing.suite",
    "run_checks": "deephits_keras.testing.suite",
    "sample_tracks": "deephits_keras.encoders.example_tracks",
}

__all__ = [
    "CheckError",
    "CheckResult",
    "CheckSkipped",
    "check_encoder",
    "check_names",
    "parametrize_with_checks",
    "run_checks",
    "sample_tracks",
]


__getattr__ = load_on_use(__name__, _HOMES)
