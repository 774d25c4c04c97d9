"""Sentences that follow from the numbers of Table II."""

from collections.abc import Mapping, Sequence

import numpy as np

SEARCHED = ("feature", "deformation", "lam", "architecture", "all")

# Column of the ablation -> Dice by seed; of random genotypes, one for each draw.
Scores = Mapping[str, Mapping[int, Sequence[float]]]


def ablation_findings(
    scores: Scores, labels: Mapping[str, str], searched: Sequence[str] = SEARCHED
) -> list[str]:
    """How much each searched column helps, and whether chance helps as much.

    Args:
        scores: Mean Dice of each model: by column, then by seed; `omega` is the
            baseline of the others, `random` may be missing.
        labels: Names of the columns.
        searched: Columns to describe.

    Returns:
        A sentence about the random genotypes, then one for each searched column.

    Examples:
        >>> scores = {"omega": {0: [0.7]}, "lam": {0: [0.75]},
        ...           "random": {0: [0.69, 0.71]}}
        >>> for line in ablation_findings(scores, {"lam": "ω, λ"}, ["lam"]):
        ...     print(line)
        Random genotypes: Dice 0.7000, standard deviation 0.0141 over 2 draws, from \
0.6900 to 0.7100; the hand-made one: 0.7000.
        ω, λ: +0.0500 Dice, more than one standard deviation (0.0141) of random \
genotypes; above 2 of 2 of them.
    """
    draws = {seed: list(dice) for seed, dice in scores.get("random", {}).items()}
    pool = np.asarray([dice for some in draws.values() for dice in some])
    spread = float(pool.std(ddof=1)) if pool.size > 1 else None
    hand_made = scores["omega"]
    lines = ["Fewer than two random genotypes: the effect of chance is not known."]
    if spread is not None:
        mean = np.mean([dice[0] for dice in hand_made.values()])
        lines = [
            f"Random genotypes: Dice {pool.mean():.4f}, standard deviation "
            f"{spread:.4f} over {pool.size} draws, from {pool.min():.4f} to "
            f"{pool.max():.4f}; the hand-made one: {mean:.4f}."
        ]
    for column in searched:
        gains = [dice[0] - hand_made[seed][0] for seed, dice in scores[column].items()]
        gain = float(np.mean(gains))
        text = f"{labels[column]}: {gain:+.4f} Dice"
        if len(gains) > 1:
            text += f" (± {np.std(gains, ddof=1):.4f} over {len(gains)} seeds)"
        if spread is not None:
            beaten = sum(
                dice[0] > other
                for seed, dice in scores[column].items()
                for other in draws.get(seed, ())
            )
            text += f", {_against(gain, spread)} one standard deviation ({spread:.4f})"
            text += f" of random genotypes; above {beaten} of {pool.size} of them"
        lines.append(text + ".")
    return lines


def _against(gain: float, spread: float) -> str:
    if abs(gain) <= spread:
        return "within"
    return "more than" if gain > 0 else "a loss of more than"
