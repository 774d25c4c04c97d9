"""What a search and an evaluation show of themselves in a notebook."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from autoreg_jax.display import block, number, paragraph, table
from autoreg_jax.report._summary import summary_table
from autoreg_jax.report._trials import describe_changes, trials_sentence
from autoreg_jax.report._words import CELLS, SCALES, WEIGHTS
from autoreg_jax.search_space import ArchitectureLogits, Genotype

# Pairs that are named as the worst ones.
_WORST = 3


def search_html(
    genotype: Genotype,
    alpha: ArchitectureLogits | None,
    lam: Mapping[str, float],
    lam_start: Mapping[str, float],
    settings: Mapping[str, Any],
    decision: Mapping[str, Any],
) -> str:
    """What a search has found, and how clearly, as HTML for a notebook.

    Args:
        genotype: The operations that were chosen.
        alpha: α after the search, None without.
        lam: λ after the search.
        lam_start: λ before it.
        settings: Settings that the search has changed, by dotted names.
        decision: Content of search.json; empty if no trainings were compared.
    """
    parts = [table(_cells(genotype), _header(genotype))]
    if alpha is not None:
        parts.append(paragraph(_preference(alpha)))
    weights = [
        (WEIGHTS.get(name, name), number(lam_start.get(name)), number(value))
        for name, value in lam.items()
    ]
    parts.append(table(weights, ("weight of the loss", "start", "end")))
    if settings:
        parts.append(paragraph(f"Settings: {describe_changes(settings)}."))
    if decision:
        parts.append(paragraph(trials_sentence(decision)))
    return block("What the search has found", *parts)


def _header(genotype: Genotype) -> tuple[str, ...]:
    edges = max(edges for _, edges in genotype.cells)
    return "cell", *(f"edge {edge}" for edge in range(1, edges + 1))


def _cells(genotype: Genotype) -> Iterator[tuple[str, ...]]:
    for kind, words in CELLS.items():
        scales = zip(SCALES.values(), getattr(genotype, kind), strict=False)
        for scale, names in scales:
            yield f"{words}, {scale}", *names


def _preference(alpha: ArchitectureLogits) -> str:
    """How much α prefers the largest weight of each edge."""
    largest = np.concatenate([_shares(part).max(-1).ravel() for part in alpha])
    even = 100 / np.shape(alpha.feature)[-1]
    return (
        f"The largest weight of an edge is {number(100 * largest.min())} to "
        f"{number(100 * largest.max())} % of all of its candidates; "
        f"{number(even)} % would be no preference."
    )


def _shares(logits: Float[np.ndarray, "scale edge op"]) -> np.ndarray:
    values = np.asarray(logits, np.float64)
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def evaluation_html(
    summary: Mapping[str, Any], pairs: Sequence[Mapping[str, Any]]
) -> str:
    """Scores before and after as HTML for a notebook, and the worst pairs.

    Args:
        summary: Content of evaluation.json.
        pairs: Rows of evaluation_pairs.csv.
    """
    measures = summary_table(summary)
    rows = []
    for row in measures:
        cells = []
        for score in row.scores:
            sd = (
                f"\xa0±\xa0{number(score.sd)}" if score and score.sd == score.sd else ""
            )
            cells.append(f"{number(score.mean)}{sd}" if score else number(None))
        rows.append((row.label, *cells, row.note))
    header = "measure", "before", "after the network", "after refinement", ""
    parts = [table(rows, header)] if rows else [paragraph("Nothing was measured.")]
    parts += [paragraph(text) for text in _worst(pairs)]
    count = summary.get("pairs", len(pairs))
    kind = " of simulated subjects" if summary.get("simulated") else ""
    title = f"{count} pairs{kind}, mean ± standard deviation"
    return block(title, *parts)


def _worst(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The pairs with the lowest Dice in the end."""
    known = [
        (float(dice), pair)
        for pair in pairs
        if np.isfinite(dice := pair.get("dice_refined", pair.get("dice", np.nan)))
    ]
    if len(known) > _WORST:
        found = sorted(known, key=lambda one: one[0])[:_WORST]
        names = [f"{p['moving']} to {p['fixed']} ({number(d)})" for d, p in found]
        yield f"Lowest Dice: {', '.join(names)}."
