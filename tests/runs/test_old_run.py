"""A run made by 0.1.0, before modules moved to their rooms, still predicts the same."""

from pathlib import Path

import numpy as np

from deephits_keras.runs.run import Run

OLD = Path(__file__).parents[1] / "golden" / "run_of_0_1_0"


def test_a_run_of_0_1_0_loads_and_gives_equal_predictions() -> None:
    model = Run(OLD / "run").model
    with np.load(OLD / "features.npz") as features:
        outputs = np.asarray(model.predict_on_batch(dict(features)))
    # Equal on the machine that made them; sums are rounded otherwise on other processors.
    np.testing.assert_allclose(outputs, np.load(OLD / "outputs.npy"), rtol=0, atol=1e-5)
