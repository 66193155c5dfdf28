"""The process behind `Subject.ask_worker`, which imports one encoder.

Run as `python -m deephits_keras.testing.worker` with a job as JSON on standard input; the answer is
the last line of standard output.
"""

from __future__ import annotations

import importlib
import json
import sys
from functools import reduce
from pathlib import Path
from typing import Any

from deephits_keras.encoders.registry import AnyEncoder

HEAVY = (
    "essentia",
    "jax",
    "keras",
    "keras_hub",
    "librosa",
    "matplotlib",
    "numba",
    "pandas",
    "scipy",
    "sklearn",
    "tensorflow",
    "torch",
    "transformers",
)
"""Packages that take 0.1 s or more to import."""


def main() -> None:
    """Answer the job on standard input."""
    job = json.load(sys.stdin)
    before = set(sys.modules)
    module = importlib.import_module(job["module"])
    if job["question"] == "imports":
        answer: Any = [name for name in HEAVY if name in sys.modules and name not in before]
    else:
        encoder_class = reduce(getattr, job["class"].split("."), module)
        answer = ANSWERS[job["question"]](encoder_class.from_config(job["config"]), job)
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def fingerprint(encoder: AnyEncoder, job: dict[str, Any]) -> str:
    """The encoder's fingerprint."""
    del job
    return encoder.fingerprint()


def predict(encoder: AnyEncoder, job: dict[str, Any]) -> str:
    """Load a saved model as in a run, apply it, and save its outputs.

    Args:
        encoder: The encoder that the model was built with.
        job: `model`, `inputs` (an `.npz`) and `outputs` (an `.npy` to write).

    Returns:
        The name of the backend.
    """
    import keras
    import numpy as np

    from deephits_keras.testing.subject import branch_of

    branch_of(encoder)
    model = keras.saving.load_model(Path(job["model"]), compile=False, safe_mode=True)
    with np.load(job["inputs"]) as inputs:
        given = {name: inputs[name] for name in inputs}
    # JAX compiles anyway, each operation on its own; elsewhere one batch isn't worth compiling.
    on_jax = keras.backend.backend() == "jax"
    outputs = model.predict_on_batch(given) if on_jax else model(given, training=False)
    np.save(job["outputs"], keras.ops.convert_to_numpy(outputs))
    return str(keras.backend.backend())


ANSWERS = {"fingerprint": fingerprint, "predict": predict}

if __name__ == "__main__":
    main()
