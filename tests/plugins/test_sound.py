"""Every encoder of recordings that is installed reads, refuses and remarks on the same files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from encoding import mp3, music, with_av

from deephits_keras.encoders.contract import AUDIO
from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.registry import AnyEncoder, registry
from deephits_keras.tracks import Track


@pytest.fixture(
    params=[name for name, kind in registry().load_working().items() if AUDIO in kind().inputs]
)
def encoder(request: pytest.FixtureRequest) -> AnyEncoder:
    if request.param.startswith("essentia"):
        pytest.importorskip("essentia")
    if request.param == "musicnn":
        pytest.importorskip("musicnn", reason="its default weights are that package's")
    return registry().load(request.param)()


def test_it_reads_an_m4a_and_says_so(encoder: AnyEncoder, tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "song.m4a"
    path.write_bytes(with_av("ipod", "aac", 44100, music(44100, 5.0)))
    track = Track("1", audio=path)
    features = encoder.extract(track)
    assert features is not None
    assert all(np.isfinite(values).any() for values in features.values())
    assert "song.m4a is decoded by PyAV, as libsndfile doesn't read it" in encoder.remarks(
        track, features
    )


def test_it_says_that_a_recording_ends_early(encoder: AnyEncoder, tmp_path: Path) -> None:
    content = mp3(44100, 2, "CONSTANT", 0.5)
    path = tmp_path / "song.mp3"
    path.write_bytes(content[: len(content) * 6 // 10])
    track = Track("1", audio=path)
    features = encoder.extract(track)
    assert features is not None
    assert any("early" in remark for remark in encoder.remarks(track, features))


def test_silence_is_refused(encoder: AnyEncoder, tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros(44100, np.float32), 44100)
    with pytest.raises(ExtractionError, match="silent"):
        encoder.extract(Track("1", audio=path))
