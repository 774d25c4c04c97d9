"""Sections on how the model came about: trials, architecture, weights, losses."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from autoreg_jax.report._architecture import (
    alpha_heatmap,
    chosen_operations,
    decision_sentence,
    last_alpha,
    loss_weights,
    searched_operations,
    set_sentence,
)
from autoreg_jax.report._curves import (
    hypergradient_curves,
    lambda_history,
    loss_curves,
)
from autoreg_jax.report._decisions import (
    Choices,
    lead_notes,
    lead_sentence,
    leads,
    removal_note,
    removal_sentence,
    removals,
)
from autoreg_jax.report._refinement import refinement_sentence
from autoreg_jax.report._run import Run
from autoreg_jax.report._trials import TRIALS_HINT, trial_rows, trials_sentence
from autoreg_jax.report._words import CAPTIONS, MISSING, SIMILARITIES
from autoreg_jax.report.page._frames import alpha_players, lambda_player
from autoreg_jax.report.page._sections import Section, picture


def made(run: Run) -> Iterator[Section]:
    """How the model came about; nothing where that of another folder was evaluated."""
    if "model" not in (run.provenance or {}):
        yield from _trials(run)
        yield _architecture(run)
        yield replace(_weights(run), sentence=refinement_sentence(run.refinement))
        yield _losses(run)
        yield _hypergradients(run)


def _trials(run: Run) -> Iterator[Section]:
    """What a search by trials has tried; no section where there was none."""
    if run.search is not None:
        yield Section(
            "Settings that were tried",
            sentence=trials_sentence(run.search),
            trials=trial_rows(run.search),
            hint=TRIALS_HINT,
        )


def _architecture(run: Run) -> Section:
    title = "Searched architecture"
    alpha, cells = last_alpha(run.records), ()
    if alpha is None and run.genotype is None:
        return Section(title, missing=MISSING["architecture"])
    names = searched_operations(run.config)
    if choices := removals(run.records):
        return _perturbed(run, choices, names)
    found = leads(run.genotype, alpha, names) if run.genotype and alpha else {}
    if run.genotype is not None:
        cells = chosen_operations(run.genotype, alpha, names, lead_notes(found))
    if alpha is None:
        sentence = set_sentence(run.genotype, names)
        return Section(
            "Architecture" if sentence else title,
            (),
            "",
            sentence=sentence,
            cells=cells,
            hint=CAPTIONS["cells"],
        )
    heatmap = picture(alpha_heatmap(alpha, run.genotype, names), CAPTIONS["alpha"])
    sentence = " ".join([decision_sentence(alpha), lead_sentence(found)])
    return Section(
        title,
        [heatmap],
        sentence=sentence,
        cells=cells,
        hint=CAPTIONS["cells"],
        players=alpha_players(run.records, names),
    )


def _perturbed(run: Run, choices: Choices, names: Sequence[str]) -> Section:
    """The architecture if the operations were chosen by what is lost without them."""
    cells = ()
    if run.genotype is not None:
        notes = {edge: removal_note(choice) for edge, choice in choices.items()}
        cells = chosen_operations(run.genotype, None, names, notes)
    return Section(
        "Searched architecture",
        sentence=removal_sentence(choices),
        cells=cells,
        hint=CAPTIONS["removals"],
    )


def _weights(run: Run) -> Section:
    title = "Searched loss weights"
    objective = run.objective or {}
    weights = loss_weights(objective)
    searched = any(r.get("stage") == "lam" and "lam" in r for r in run.records)
    if not searched and not weights:
        return Section(title, missing=MISSING["weights"])
    pictures, missing, players = (), MISSING["weight_history"], ()
    if searched:
        player = lambda_player(run.records)
        players = () if player is None else (player,)
        pictures = (picture(lambda_history(run.records), CAPTIONS["lambda"]),)
        missing = ""
    if run.search is not None and any(row.start != row.end for row in weights):
        missing = ""  # by trials, which have no history
    name = objective.get("similarity") or ""
    similarity = SIMILARITIES.get(name, name)
    return Section(
        title,
        pictures,
        missing,
        weights=weights,
        similarity=similarity,
        players=players,
    )


def _losses(run: Run) -> Section:
    title = "Losses over time"
    if not any("train_loss" in record or "loss" in record for record in run.records):
        return Section(title, missing=MISSING["losses"])
    return Section(title, [picture(loss_curves(run.records), CAPTIONS["losses"])])


def _hypergradients(run: Run) -> Section:
    title = "Hypergradients"
    if not any("direct_norm" in record for record in run.records):
        return Section(title, missing=MISSING["hypergradients"])
    figure = hypergradient_curves(run.records)
    return Section(title, [picture(figure, CAPTIONS["hypergradients"])])
