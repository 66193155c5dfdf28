"""Names of the files in a bundle's folder, known without NumPy."""

from __future__ import annotations

MANIFEST, CHECKSUMS, EXAMPLES, CARD = "bundle.json", "checksums.json", "examples.npz", "README.md"

ENCODERS = "encoders"
"""Folder of the files that encoders need without Keras: a folder for each modality."""
