"""What one call of the bench works on: subjects, pairs, methods and a folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.baselines import BASELINES
from autoreg_jax.config import RunConfig
from autoreg_jax.data import (
    Cohort,
    evaluation_pairs,
    load_cohort,
    load_cohorts,
    read_dataset,
)
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_json, write_json
from autoreg_jax.inference import load_model
from autoreg_jax.runtime import provenance
from autoreg_jax.studies.bench import _methods
from autoreg_jax.studies.bench._methods import Method
from autoreg_jax.studies.bench._pairs import ListedPair, listed_pairs
from autoreg_jax.studies.bench._process import Limits
from autoreg_jax.studies.bench._results import Pair, Results
from autoreg_jax.studies.bench._rows import bench_rows, bench_table
from autoreg_jax.studies.bench._trained import start_lambda, trained_rival
from autoreg_jax.studies.reproduce._table import Table, write_table
from autoreg_jax.workflows._roles import roles_of
from autoreg_jax.workflows.evaluation import pair_of, score


@dataclass(frozen=True, kw_only=True)
class BenchProtocol:
    """How the methods are compared.

    Attributes:
        dataset: dataset.csv; pairs come from its split `config.evaluate.split`.
        methods: Names, see `method_names`.
        config: Of the rivals' training; `evaluate` says how many pairs.
        limits: Of each method.
        model: Run of AutoReg.
        trained: Runs of rivals by name; others are trained in the folder.
        pairs: CSV of the pairs, as for `autoreg register --pairs`, instead of drawn
            ones.
        beside: Folders of benches of other tasks, by name; with them Table V of the
            paper, methods by tasks, is made.
    """

    dataset: Path
    methods: tuple[str, ...]
    config: RunConfig
    limits: Limits
    model: Path | None = None
    trained: Mapping[str, Path] = field(default_factory=dict)
    pairs: Path | None = None
    beside: Mapping[str, Path] = field(default_factory=dict)


class Session:
    """The subjects, pairs and methods of one call.

    Args:
        folder: Of the bench.
        protocol: The comparison.

    Raises:
        DataError, GeometryError: If the dataset or the table of pairs cannot be used.
    """

    def __init__(self, folder: Path, protocol: BenchProtocol) -> None:
        self.folder, self.protocol = folder, protocol
        self._table = read_dataset(protocol.dataset)
        config = protocol.config
        self.test = load_cohort(
            self._table, config.evaluate.split, atlas=config.pairs.fixed
        )
        self.pairs = self._pairs()

    def _pairs(self) -> list[ListedPair]:
        protocol, config = self.protocol, self.protocol.config
        if protocol.pairs is not None:
            return listed_pairs(protocol.pairs, self._table, config.evaluate.split)
        drawn = evaluation_pairs(
            len(self.test.names),
            config.evaluate.pairs,
            config.seed,
            **roles_of(self.test, config.pairs)._asdict(),
        )
        return [ListedPair(*pair) for pair in drawn]

    @property
    def task(self) -> str:
        """Name of the dataset's folder."""
        return self._table.folder.resolve().name

    def claim(self) -> None:
        """Begin in the folder, or see that it is of the same pairs.

        Raises:
            ConfigError: If it is not.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.protocol.config
        about: dict[str, Any] = {
            "dataset": self.task,
            "subjects": list(self.test.names),
            "seed": config.seed,
            "split": config.evaluate.split,
            "window": config.objective.windows[0],
        }
        path = self.folder / "bench.json"
        kept = read_json(path) if path.is_file() else about
        if any(kept.get(key) != about[key] for key in about):
            raise ConfigError(
                f"{path}: is of other subjects, pairs or scores; repeat its command, "
                "or name another folder."
            )
        write_json(path, provenance() | about)

    @cached_property
    def _subjects(self) -> tuple[Cohort, Cohort]:
        train, validation = load_cohorts(
            self._table,
            ("train", "validation"),
            label_values=self.test.label_values or None,
            atlas=self.protocol.config.pairs.fixed,
        )
        return train, validation

    def method(self, name: str) -> Method:
        """A method by name; a rival that is not trained is trained."""
        protocol = self.protocol
        if name == _methods.NONE:
            return _methods.nothing()
        is_multimodal = protocol.config.objective.similarity == "mind"
        steps = protocol.config.evaluate.refine
        refine = {"steps": steps.steps, "learning_rate": steps.learning_rate}
        if name == _methods.CLASSICAL:
            return _methods.classical(**refine, is_multimodal=is_multimodal)
        if name in (_methods.OURS, _methods.REFINED):
            run = Path(str(protocol.model))
            return _methods.network(
                name, run, refine if name == _methods.REFINED else None
            )
        if name in BASELINES:
            return _methods.network(name, self._rival(name))
        weights = None
        if name.startswith("voxelmorph_torch"):
            weights = self._rival("voxelmorph_basic")
        return _methods.program(name, is_multimodal=is_multimodal, weights=weights)

    def _rival(self, name: str) -> Path:
        protocol = self.protocol
        if name in protocol.trained:
            return protocol.trained[name]
        lam = start_lambda(protocol.config)
        if protocol.model is not None:  # what AutoReg was trained with
            lam = load_model(protocol.model).description.lam
        run = self.folder / "runs" / name
        return trained_rival(run, name, self._subjects, protocol.config, lam)

    def scores(self, pair: ListedPair, displacement: np.ndarray) -> dict:
        """All scores that the pair allows, as `evaluate` computes them."""
        found = score(
            pair.judged(pair_of(self.test, pair.moving, pair.fixed), self.test),
            jnp.asarray(displacement[None]),
            num_structures=len(self.test.structures),
            spacing=tuple(self.test.spacing),
            window=self.protocol.config.objective.windows[0],
        )
        return jax.device_get(found)

    def results(self) -> dict[str, Results]:
        """Of every method that the folder knows."""
        found = {n: Results(self.folder, n) for n in _methods.method_names()}
        return {n: one for n, one in found.items() if one.about or one.failure}

    def named_pairs(self) -> list[Pair]:
        """Moving and fixed subject of each pair."""
        names = self.test.names
        return [(names[pair.moving], names[pair.fixed]) for pair in self.pairs]

    def write(self) -> tuple[Table, list[str]]:
        """Write the table as it is now."""
        seed = self.protocol.config.seed
        rows = bench_rows(self.results(), self.named_pairs(), seed)
        table, notes = bench_table(rows), self._notes()
        write_table(self.folder, "bench", table, notes)
        return table, notes

    def _notes(self) -> list[str]:
        test, limits = self.test, self.protocol.limits
        shape = " × ".join(map(str, test.images.shape[1:-1]))
        notes = [
            f"{len(self.pairs)} pairs of {len(test.names)} subjects, {shape} voxels; "
            "mean ± standard deviation over the pairs.",
            "The first pair contains the start of the process and compilation; memory "
            "is the largest resident size of the process. Threads of each method: "
            f"{limits.threads}; limit of a pair: {limits.seconds:g} s.",
            "Differences are of Dice (without labels: of NCC) to AutoReg on the same "
            "pairs, with a bootstrap interval and Wilcoxon's signed-rank test.",
        ]
        if test.velocity is not None:
            notes.insert(0, "The subjects are simulated.")
        return notes
