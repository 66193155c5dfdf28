"""Checks of an encoder inside the graph."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from deephits_keras.encoders.features import PRESENT, Features, input_name
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.model.builder import build_model
from deephits_keras.testing.subject import (
    CheckError,
    CheckSkipped,
    Subject,
    branch_of,
    require,
)
from deephits_keras.types import Array
from deephits_keras.utils.global_state import seeded

BACKENDS = ("tensorflow", "jax", "torch")

TOLERANCE = 1e-4
"""Relative and absolute tolerance: float32 sums of some thousand terms in another order."""

STEPS = 3
"""Steps after which every weight must have changed; the first may only change the last layer."""

SEEDS = 3
"""Number of initialisations to try: a small ReLU layer can be inactive for all rows by chance."""


class OnePass:
    """Batches that can be iterated over only once, like those of a corpus on disk."""

    def __init__(self, batches: Sequence[Features]) -> None:
        self.batches = batches
        self.passes = 0

    def __iter__(self) -> Iterator[Features]:
        """Start an iteration; a second one is empty, as for a generator."""
        self.passes += 1
        yield from self.batches if self.passes == 1 else ()


def _halves(features: Sequence[Features]) -> list[Sequence[Features]]:
    return [features[:1], features[1:]]


def check_adapt_takes_one_pass(subject: Subject) -> None:
    """`adapt` computes statistics in one pass over batches of any size."""
    batches = OnePass([subject.training_batch(part) for part in _halves(subject.features)])
    encoder = subject.fresh()
    try:
        encoder.adapt(batches)
    except Exception as error:
        raise CheckError(
            f"adapt raised {type(error).__name__} for two batches that can be iterated over "
            f"once: {error}. Each batch is a dict of arrays with a leading batch axis"
        ) from error
    require(
        batches.passes <= 1,
        f"adapt iterated {batches.passes} times over the batches; there is one pass, and a second "
        "finds nothing. Merge the statistics as the batches come",
    )


def check_adapt_ignores_batch_boundaries(subject: Subject) -> None:
    """Statistics depend on the tracks, not on how they are divided into batches."""
    features = subject.features
    embeddings: list[Array] = []
    for cuts in ([features], _halves(features)):
        encoder = subject.fresh()
        try:
            encoder.adapt([subject.training_batch(part) for part in cuts])
        except Exception as error:
            raise CheckSkipped("see the check adapt_takes_one_pass") from error
        with seeded(0), _skip_unless_built():
            embeddings.append(_infer(branch_of(encoder), subject.inputs()))
    require(
        _close(embeddings[0], embeddings[1]),
        "the embedding depends on how the training tracks were cut into batches. In adapt weight "
        "each batch with its size, and never keep the last batch's statistics alone",
    )


def check_embedding_shape(subject: Subject) -> None:
    """`build` returns one embedding of a fixed size, made with Keras layers."""
    encoder = subject.fresh()
    try:
        embedding = branch_of(encoder).outputs[0]
    except Exception as error:
        raise CheckError(
            f"build failed with {type(error).__name__}: {error}. Give one KerasTensor, made of "
            "the inputs with keras.layers and keras.ops"
        ) from error
    shape = tuple(embedding.shape)
    require(
        len(shape) == 2 and shape[0] is None and isinstance(shape[1], int),
        f"build must give an embedding of shape (batch, size). Received: {shape}. Flatten or pool "
        "the other axes",
    )
    require(
        encoder.embedding_size in (None, shape[1]),
        f"embedding_size says {encoder.embedding_size} and build gives {shape[1]}: make the two "
        "agree, or leave embedding_size out",
    )
    sizes = encoder.groups()
    require(
        not sizes or sum(sizes.values()) == shape[1],
        f"groups names {sum(sizes.values())} numbers, and the embedding has {shape[1]}",
    )


def check_embedding_is_finite(subject: Subject) -> None:
    """The tracks' embeddings are finite."""
    embedding = _infer(subject.shared_branch, subject.inputs())
    require(
        np.isfinite(embedding).all(),
        f"{np.sum(~np.isfinite(embedding))} of {embedding.size} values of the embedding aren't "
        "finite numbers. Deal with NaN, zeros and large values in build, and with features that "
        "don't vary in adapt",
    )


def check_rows_are_independent(subject: Subject) -> None:
    """At inference a track's embedding doesn't depend on the other tracks of its batch."""
    features = subject.features
    zeros = {name: np.zeros_like(array) for name, array in features[0].items()}
    among_tracks = _infer(subject.shared_branch, subject.inputs(features))[0]
    among_zeros = _infer(
        subject.shared_branch, subject.inputs([features[0]] + [zeros] * (len(features) - 1))
    )[0]
    require(
        _close(among_tracks, among_zeros),
        "a track's embedding changes with the other tracks of the batch. Reduce over the axes of "
        "one track only (never axis 0), and use keras.layers.BatchNormalization for batch "
        "statistics: it uses fixed ones at inference",
    )


def check_batch_of_one(subject: Subject) -> None:
    """A batch of one track gives one embedding."""
    inputs = subject.inputs()
    branch = subject.shared_branch
    one = {name: array[:1] for name, array in inputs.items()}
    advice = "Never squeeze without naming the axis, nor compute with the number of rows"
    try:
        alone = _infer(branch, one)
    except Exception as error:
        raise CheckError(
            f"a batch of one track fails with {type(error).__name__}: {error}. {advice}"
        ) from error
    size = branch.output_shape[-1]
    require(
        alone.shape == (1, size),
        f"a batch of one track gives the shape {alone.shape}, not (1, {size}). {advice}",
    )


def check_empty_batch(subject: Subject) -> None:
    """An empty batch gives no embeddings."""
    none = {name: array[:0] for name, array in subject.inputs().items()}
    model = subject.branch()
    size = model.output_shape[-1]
    try:
        try:
            shape = _infer(model, none).shape
        except Exception:
            # For empty batches oneDNN's convolution returns a wrong shape and keras.ops.add fails,
            # but not in a graph that XLA compiled for any number of rows, as the second call makes.
            model.compile(jit_compile=True)
            for inputs in (subject.inputs(), subject.inputs(subject.features[:1]), none):
                shape = model.predict_on_batch(inputs).shape
    except Exception as error:
        raise CheckError(
            f"an empty batch fails with {type(error).__name__}: {error}. Take sizes from specs "
            "and settings, and let no reduction run over the batch axis"
        ) from error
    require(shape == (0, size), f"an empty batch gives the shape {shape}, not (0, {size})")


def check_gradients_reach_every_weight(subject: Subject) -> None:
    """Every trainable weight gets a gradient."""
    still: list[str] = []
    for seed in range(SEEDS):
        model = subject.branch(seed)
        if not model.trainable_variables:
            return
        before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
        rng = np.random.default_rng(seed)
        targets = rng.normal(size=(_rows(subject.varied_inputs()), model.output_shape[-1]))
        for _ in _train(model, subject.varied_inputs(), targets):
            still = [
                variable.path
                for variable, old in zip(model.trainable_variables, before, strict=True)
                if np.array_equal(keras.ops.convert_to_numpy(variable), old)
            ]
            if not still:
                return
    raise CheckError(
        f"no gradient reaches the weights {', '.join(still)}. Use them in the embedding, keep "
        "rounding, argmax and stop_gradient out of the way, or mark them trainable=False"
    )


def check_presence_mask(subject: Subject) -> None:
    """Tracks without the modality (inputs of zeros) don't affect the others."""
    encoder = subject.adapted()
    with _skip_unless_built():
        model = build_model([encoder], task="tiers-3", learned_missing=[encoder.modality])
    _skip_unless_finite(subject)
    inputs = subject.inputs()
    zeros = {name: np.zeros_like(array) for name, array in inputs.items()}
    hidden = _masked(encoder, inputs, 0.0)
    require(
        _close(_infer(model, hidden), _infer(model, _masked(encoder, zeros, 0.0))),
        "the model's answer depends on the inputs of a track that lacks the modality. Let build "
        "give the embedding only, and reach the model through it alone",
    )
    rows = np.arange(_rows(inputs)) % 2
    mixed = {name: np.where(_column(rows, a.ndim), 0, a) for name, a in inputs.items()}
    half = _masked(encoder, mixed, 1.0)
    half[input_name(encoder.modality, PRESENT)] = 1.0 - rows[:, None].astype("float32")
    for _ in _train(model, half, np.ones((len(rows), 3))):
        pass
    spoilt = [
        v.path
        for v in model.trainable_variables
        if not np.isfinite(keras.ops.convert_to_numpy(v)).all()
    ]
    require(
        not spoilt,
        "training on a batch in which a track lacks the modality makes the weights "
        f"{', '.join(spoilt)} NaN: its inputs are zeros. Put an epsilon under divisions, roots "
        "and logarithms in build",
    )


def check_mixed_precision(subject: Subject) -> None:
    """The branch works in half precision."""
    _skip_unless_finite(subject)
    for precision in ("mixed_float16", "mixed_bfloat16"):
        with _dtype_policy(precision):
            try:
                embedding = _infer(subject.branch(), subject.inputs())
            except CheckSkipped:
                raise
            except Exception as error:
                raise CheckError(
                    f"with the precision {precision} the branch fails with "
                    f"{type(error).__name__}: {error}. Take dtypes from the tensors, not float32"
                ) from error
        require(
            np.isfinite(embedding.astype("float32")).all(),
            f"with the precision {precision} the embedding isn't finite: float16 ends at 65,504. "
            'Normalise large values in a layer with dtype="float32"',
        )


def check_saves_and_loads(subject: Subject) -> None:
    """A saved model loads in safe mode and gives the same outputs."""
    encoder = subject.adapted()
    with _skip_unless_built():
        model = build_model([encoder], task="tiers-3")
    inputs = _masked(encoder, subject.inputs(), 1.0)
    path = subject.new_folder() / "model.keras"
    try:
        model.save(path)
        loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
        said = _infer(loaded, inputs)
    except Exception as error:
        raise CheckError(
            f"the saved model doesn't load in safe mode: {type(error).__name__}: {error}. Register "
            'own layers with @keras.saving.register_keras_serializable("deephits"), give them a '
            "get_config with every argument, and use no Lambda layer"
        ) from error
    require(
        _close(said, _infer(model, inputs)),
        "the loaded model gives other outputs than the saved one. Keep what adapt learnt in a "
        "layer's weights or in its get_config, and draw nothing at random in build or call",
    )


def check_other_backends(subject: Subject) -> None:
    """The model gives the same outputs on every installed Keras backend."""
    here = keras.backend.backend()
    others = [b for b in BACKENDS if b != here and importlib.util.find_spec(b) is not None]
    if not others:
        raise CheckSkipped(f"only {here} is installed")
    folder = subject.new_folder()
    expected = _infer(subject.shared_branch, subject.inputs())
    try:
        subject.shared_branch.save(folder / "branch.keras")
        keras.saving.load_model(folder / "branch.keras", compile=False, safe_mode=True)
    except Exception as error:
        raise CheckSkipped("needs a model that loads: see the check saves_and_loads") from error
    np.savez(folder / "inputs.npz", **subject.inputs())  # type: ignore[arg-type]
    for backend in others:
        outputs = folder / f"{backend}.npy"
        try:
            ran = subject.ask_worker(
                "predict",
                {"KERAS_BACKEND": backend},
                model=str(folder / "branch.keras"),
                inputs=str(folder / "inputs.npz"),
                outputs=str(outputs),
            )
        except CheckError as error:
            raise CheckError(
                f"on the backend {backend} {error}. Use keras.layers and keras.ops only"
            ) from error
        require(ran == backend, f"Keras ran on {ran} instead of {backend}")
        require(
            _close(np.load(outputs), expected, tolerance=10 * TOLERANCE),
            f"on the backend {backend} the branch gives another embedding than on {here}. Use "
            "keras.layers and keras.ops only, and avoid what backends do differently (padding "
            "of strided convolutions, casts of NaN)",
        )


def _infer(model: keras.Model, inputs: Features) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(model(inputs, training=False)))


def _train(model: keras.Model, inputs: Features, targets: Array) -> Iterator[None]:
    """Take a few steps of Adam, whose updates are visible even for tiny gradients."""
    # Tracing takes longer than a few steps; JAX compiles each operation, or all of them at once.
    on_jax = keras.backend.backend() == "jax"
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-12),
        loss="mse",
        run_eagerly=not on_jax,
        jit_compile=on_jax,
    )
    for _ in range(STEPS):
        model.train_on_batch(inputs, targets)
        yield


def _close(first: Array, second: Array, tolerance: float = TOLERANCE) -> bool:
    return first.shape == second.shape and np.allclose(
        first, second, rtol=tolerance, atol=tolerance, equal_nan=True
    )


def _rows(inputs: Features) -> int:
    return len(next(iter(inputs.values())))


def _column(rows: Array, dimensions: int) -> Array:
    return rows.reshape(-1, *[1] * (dimensions - 1))


def _masked(encoder: AnyEncoder, inputs: Features, present: float) -> Features:
    """Inputs of the whole model for one modality."""
    named = {input_name(encoder.modality, name): array for name, array in inputs.items()}
    mask = np.full((_rows(inputs), 1), present, dtype="float32")
    return {**named, input_name(encoder.modality, PRESENT): mask}


@contextlib.contextmanager
def _skip_unless_built() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise CheckSkipped("needs the branch: see the check embedding_shape") from error


def _skip_unless_finite(subject: Subject) -> None:
    if not np.isfinite(_infer(subject.shared_branch, subject.inputs())).all():
        raise CheckSkipped("needs a finite embedding: see the check embedding_is_finite")


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before: Any = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


CHECKS = (
    check_adapt_takes_one_pass,
    check_adapt_ignores_batch_boundaries,
    check_embedding_shape,
    check_embedding_is_finite,
    check_rows_are_independent,
    check_batch_of_one,
    check_empty_batch,
    check_gradients_reach_every_weight,
    check_presence_mask,
    check_mixed_precision,
    check_saves_and_loads,
    check_other_backends,
)
