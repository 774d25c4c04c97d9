"""Overlap against folding: one model under several weights of the smoothness."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import together, write_json, write_scores
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.runtime import RunFolder, owns
from autoreg_jax.workflows.evaluation._evaluate import evaluate

# Scores of the summary that say what is won and what is paid.
_SCORES = (
    *("dice", "tre", "displacement_error", "ncc"),
    *("folding_fraction", "log_jacobian_std"),
)


@owns()
def smoothness_front(
    test: Cohort,
    model: RegistrationModel,
    config: RunConfig,
    factors: Sequence[float],
    *,
    run: Path | str | None = None,
) -> list[dict[str, Any]]:
    """Evaluate a model under several weights of the smoothness, on the same pairs.

    Args:
        test: The subjects, as for `evaluate`.
        model: A network that is told the weight of its smoothness.
        config: The run, as for `evaluate`; a refinement takes the same factors.
        factors: On the smoothness of the training, within the range of the model.
        run: Folder for smoothness.csv and smoothness.json.

    Returns:
        For each factor, the smallest first, `smoothness` and `{"mean", "sd"}` over the
        pairs of what is known of Dice, distances, local correlation (`ncc`), folded
        fraction and standard deviation of the logarithm of the Jacobian determinant,
        with `_refined` after a refinement.

    Raises:
        ConfigError: If there is no factor, if one is out of range, or if the model was
            trained for one smoothness alone.
        DataError: As `evaluate`.
    """
    if not factors:
        raise ConfigError("smoothness: no factor; give some, e.g. 0.1 1 10.")
    told = [model.with_smoothness(factor) for factor in sorted({*factors})]
    rows = []
    for one in told:
        found = evaluate(test, one, config).summary
        names = [name + suffix for suffix in ("", "_refined") for name in _SCORES]
        scores = {name: found[name] for name in names if name in found}
        rows.append({"smoothness": one.smoothness, **scores})
    if run is not None:
        folder = RunFolder(run)
        folder.path.mkdir(parents=True, exist_ok=True)
        flat = [_flat(row) for row in rows]
        with together():
            write_scores(folder.smoothness_scores, list(flat[0]), flat)
            content = {"model": model.digest, "rows": rows}
            write_json(folder.smoothness, content, is_sealed=True)
    return rows


def _flat(row: dict[str, Any]) -> dict[str, float]:
    """A row of smoothness.csv: the mean by the name of its score, and `_sd`."""
    cells = {"smoothness": row["smoothness"]}
    for name in list(row)[1:]:
        for ending, part in (("", "mean"), ("_sd", "sd")):
            value = row[name][part]
            cells[name + ending] = float("nan") if value is None else value
    return cells
