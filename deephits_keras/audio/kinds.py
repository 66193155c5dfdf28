"""Detect a file's type from its first bytes, to say why it can't be decoded."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = 512
"""Number of bytes that are read."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        words: Its name with an article, for messages.
        is_sound: Whether files of this kind contain audio.
        advice: What to do if they don't, for messages.
        by_libsndfile: Whether libsndfile can read it.
    """

    words: str
    is_sound: bool = True
    advice: str = ""
    by_libsndfile: bool = False


MP3 = Kind("an MP3", by_libsndfile=True)
OGG = Kind("an Ogg", by_libsndfile=True)
RIFF = Kind("a WAV", by_libsndfile=True)

MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"ID3", MP3),
    (8, b"AVI ", Kind("an AVI video")),
    (0, b"RIFF", RIFF),
    (0, b"RF64", Kind("an RF64 WAV", by_libsndfile=True)),
    (0, b"riff", Kind("a Wave64", by_libsndfile=True)),
    (0, b"fLaC", Kind("a FLAC", by_libsndfile=True)),
    (0, b"OggS", OGG),
    (0, b"FORM", Kind("an AIFF", by_libsndfile=True)),
    (0, b"caff", Kind("a CAF", by_libsndfile=True)),
    (0, b".snd", Kind("an AU", by_libsndfile=True)),
    (4, b"ftypM4A", Kind("an M4A")),
    (4, b"ftypM4B", Kind("an M4B")),
    (4, b"ftypqt", Kind("a QuickTime file")),
    (4, b"ftyp", Kind("an MP4")),
    (0, b"\x1aE\xdf\xa3", Kind("a WebM or Matroska")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("a WMA or another file of Windows Media")),
    (0, b"\xff\xf1", Kind("an AAC")),
    (0, b"\xff\xf9", Kind("an AAC")),
    (0, b"ADIF", Kind("an AAC")),
    (0, b"MAC ", Kind("a Monkey's Audio")),
    (0, b"wvpk", Kind("a WavPack")),
    (0, b"MPCK", Kind("a Musepack")),
    (0, b"TTA1", Kind("a True Audio")),
    (0, b"#!AMR", Kind("an AMR")),
    (0, b"FLV", Kind("a Flash video")),
    (0, b"MThd", Kind("a MIDI file", False, "it holds notes and no sound")),
    (0, b"%PDF", Kind("a PDF", False)),
    (0, b"\x89PNG", Kind("a PNG picture", False)),
    (0, b"\xff\xd8\xff", Kind("a JPEG picture", False)),
    (0, b"GIF8", Kind("a GIF picture", False)),
    (0, b"PK\x03\x04", Kind("a ZIP archive", False, "unpack it")),
    (0, b"\x1f\x8b", Kind("a gzip archive", False, "unpack it")),
    (0, b"Rar!", Kind("a RAR archive", False, "unpack it")),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7-Zip archive", False, "unpack it")),
    (
        0,
        b"version https://git-lfs.github.com",
        Kind("a pointer of Git LFS", False, "fetch the file itself: git lfs pull"),
    ),
    (
        0,
        b"/annex/objects/",
        Kind("a pointer of git-annex", False, "fetch the file itself: git annex get"),
    ),
)
"""Offset and bytes that identify a kind; the first match is used."""

TEXTS: tuple[tuple[bytes, Kind], ...] = (
    (b"<!doctype html", Kind("an HTML page", False, "what was asked for wasn't there, mostly")),
    (b"<html", Kind("an HTML page", False, "what was asked for wasn't there, mostly")),
    (b"<?xml", Kind("an XML file", False)),
    (b"{", Kind("JSON", False, "what was asked for wasn't there, mostly")),
    (b"#extm3u", Kind("a playlist", False, "name the recording itself")),
    (b"[playlist]", Kind("a playlist", False, "name the recording itself")),
)
"""The same for text, after leading whitespace and in lower case."""


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file.

    Args:
        head: Its first `HEAD` bytes, or all of them.

    Returns:
        The kind, or None if it isn't known.
    """
    for place, magic, kind in MAGIC:
        if head[place : place + len(magic)] == magic:
            return kind
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, kind in TEXTS:
        if text.startswith(beginning):
            return kind
    return None
