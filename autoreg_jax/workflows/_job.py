"""What a search strategy is given and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.display import number
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.programs import Programs
from autoreg_jax.report import search_html
from autoreg_jax.runtime import ONE_DEVICE, Placement, RunFolder
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._artifacts import write_genotype
from autoreg_jax.workflows._journal import Journal


@dataclass(frozen=True, eq=False)
class SearchJob:
    """Data, space, objective and budget of a search.

    Attributes:
        train: Subjects from which ω learns.
        validation: Other subjects, by which α and λ are chosen.
        config: The run: seed, and in `search` the budget.
        programs: Network family, objective and hypergradient estimator, compiled.
        journal: Takes the records; knows the folder, if any, and whether to resume.
        lam: λ to start from, host values.
        genotype: The architecture if it is not to be searched.
        devices: Those of the run; batches are shared by the ones along `pairs`.
    """

    train: Cohort
    validation: Cohort
    config: RunConfig
    programs: Programs
    journal: Journal
    lam: dict[str, Any]
    genotype: Genotype | None = None
    devices: Placement = ONE_DEVICE

    def keep(self, genotype: Genotype) -> None:
        """Write genotype.json, if there is a folder."""
        if self.journal.run is not None:
            write_genotype(RunFolder(self.journal.run), genotype)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search has found.

    Attributes:
        genotype: The chosen operation on every edge.
        alpha: α after the search, NumPy arrays; None from a strategy without it.
        lam: λ after the search: full, smooth, half, quarter, and further terms.
        lam_start: λ before it.
        records: One dictionary a step, as in metrics.jsonl.
        omega: Weights ω after the last stage, as Flax nests them: of the network of
            `genotype` after a stage of λ, else of the mixed network. None from a
            strategy without them, and if the last checkpoint of a run is not there.
        settings: Settings of the run that the search has changed, by dotted names.
        decision: What was tried and how it was decided, as in search.json; empty from a
            strategy that does not compare trainings.
        model: The trained network, if the search has trained it to the end.
    """

    genotype: Genotype
    alpha: ArchitectureLogits | None
    lam: dict[str, float]
    lam_start: dict[str, float]
    records: list[dict[str, Any]]
    omega: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    decision: dict[str, Any] = field(default_factory=dict)
    model: RegistrationModel | None = None

    def __repr__(self) -> str:
        weights = ", ".join(
            f"{name} {number(self.lam_start.get(name))} → {number(value)}"
            for name, value in self.lam.items()
        )
        names = ", ".join(self.genotype.names)
        changed = f", settings changed: {len(self.settings)}" if self.settings else ""
        return (
            f"SearchResult(operations: {names}, weights: {weights}, "
            f"{len(self.records)} records{changed})"
        )

    def _repr_html_(self) -> str:
        """Operations, preference and weights, for notebooks."""
        weights = self.lam, self.lam_start
        found = self.settings, self.decision
        return search_html(self.genotype, self.alpha, *weights, *found)


Strategy = Callable[[SearchJob], SearchResult]
