"""What one call of the bench works with: subjects, pairs, methods and a folder."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from nibabel import aff2axcodes

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.baselines.adapters import ADAPTERS
from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.data import (
    Cohort,
    load_cohort,
    load_cohorts,
)
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_json, write_json, write_text
from autoreg_jax.geometry import Grid
from autoreg_jax.inference import load_model
from autoreg_jax.inference._initial import initial_files
from autoreg_jax.programs import has_inverse, weights_of
from autoreg_jax.runtime import RunFolder, provenance
from autoreg_jax.studies._table import Table
from autoreg_jax.studies.bench import _methods
from autoreg_jax.studies.bench._methods import Method, RivalNetwork
from autoreg_jax.studies.bench._pairs import ListedPair, listed_pairs
from autoreg_jax.studies.bench._process import Limits, MethodFailedError
from autoreg_jax.studies.bench._results import Pair, Results
from autoreg_jax.studies.bench._start import PairStart
from autoreg_jax.studies.bench._tables import bench_table
from autoreg_jax.workflows import train
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows.evaluation import pair_of, score
from autoreg_jax.workflows.planning import read_listed

_CONSISTENCY, _NOTE = "inverse_consistency", "# "


@dataclass(frozen=True, kw_only=True)
class BenchProtocol:
    """What a bench compares, and on which pairs.

    Attributes:
        dataset: dataset.csv; pairs come from its split `config.evaluate.split`.
        methods: Names from `method_names`, or methods and networks of your own; one
            with a built-in name replaces it.
        config: Training settings of the rivals; `evaluate` sets the number of pairs.
        limits: Resources of each method.
        model: Run of AutoReg.
        trained: Runs of trained rivals by name; the others are trained in the folder.
        pairs: CSV file of pairs, as for `autoreg register --pairs`, instead of random
            ones.
        init: Transform files from which all methods begin, in the order of
            `autoreg apply`; a pair with a start of its own in `pairs` begins there.
        other_tasks: Folders of benches of other tasks, by name; with them Table V of
            the paper, methods by tasks, is written.
    """

    dataset: Path
    methods: Sequence[str | Method | RivalNetwork]
    config: RunConfig
    limits: Limits
    model: Path | None = None
    trained: Mapping[str, Path] = field(default_factory=dict)
    pairs: Path | None = None
    init: Sequence[Path | str] = ()
    other_tasks: Mapping[str, Path] = field(default_factory=dict)


def _possible(config: RunConfig, network: Any) -> RunConfig:
    """The settings with the directions in which a rival can learn."""
    has_directions = has_inverse(NETWORKS.get(network, network))
    if config.train.directions != "inverse" or has_directions:
        return config
    return replace(config, train=replace(config.train, directions="both"))


def _of_training(config: RunConfig) -> RunConfig:
    """The settings on which a trained rival depends."""
    usual = RunConfig()
    return replace(
        config, evaluate=usual.evaluate, search=usual.search, mesh=usual.mesh
    )


def _weights_in(stored: Path) -> dict[str, float]:
    """λ as it is noted below the settings of a rival."""
    lines = stored.read_text(encoding="utf-8").splitlines()
    notes = (line.removeprefix(_NOTE) for line in lines if line.startswith(_NOTE))
    pairs = (note.partition(": ") for note in notes)
    return {name: float(weight) for name, _, weight in pairs}


class Session:
    """The subjects, pairs and methods of one call."""

    def __init__(self, folder: Path, protocol: BenchProtocol) -> None:
        self.folder, self.protocol = folder, protocol
        config = protocol.config
        run = protocol.model or folder
        self._table = read_listed(protocol.dataset, run, config)
        if self._table.channels > 1:
            raise ConfigError(
                f"{self._table.path}: has {self._table.channels} images of each "
                "subject; bench compares methods on one, leave out the others' columns."
            )
        self.test = load_cohort(
            self._table, config.evaluate.split, atlas=config.pairs.fixed
        )
        if protocol.pairs is not None:
            split = config.evaluate.split
            self.pairs = listed_pairs(protocol.pairs, self._table, split)
            return
        drawn = scored_pairs(self.test, config, config.evaluate.pairs)
        self.pairs = [ListedPair(*pair) for pair in drawn]

    @property
    def task(self) -> str:
        """Name of the dataset's folder."""
        return self._table.folder.resolve().name

    def claim(self) -> None:
        """Create the folder, or check that it belongs to the same pairs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.protocol.config
        about: dict[str, Any] = {
            "dataset": self.task,
            "subjects": list(self.test.names),
            "seed": config.seed,
            "split": config.evaluate.split,
            "window": config.objective.windows[0],
        }
        if self.test.pairs is not None:
            about["pairs"] = [list(pair) for pair in self.named_pairs()]
        path = self.folder / "bench.json"
        stored = read_json(path) if path.is_file() else about
        if any(stored.get(key) != about[key] for key in about):
            raise ConfigError(
                f"{path}: belongs to other subjects, pairs or scores; repeat its "
                "command, or name another folder."
            )
        write_json(path, provenance() | about)

    @cached_property
    def _subjects(self) -> list[Cohort]:
        return load_cohorts(
            self._table,
            ("train", "validation"),
            label_values=self.test.label_values or None,
            atlas=self.protocol.config.pairs.fixed,
        )

    def method(self, wanted: str | Method | RivalNetwork) -> Method:
        """Look up a method; a rival network without a run is trained."""
        if isinstance(wanted, Method):
            return wanted
        if isinstance(wanted, RivalNetwork):
            run = self._trained(wanted.name, wanted.network(), wanted.config)
            return _methods.network(wanted.name, run, rival=wanted)
        if wanted == _methods.NONE:
            return Method(name=wanted, module="")
        config, name = self.protocol.config, wanted
        is_multimodal = config.objective.similarity == "mind"
        refine = config.evaluate.refine
        steps = {"steps": refine.steps, "learning_rate": refine.learning_rate}
        if name == _methods.CLASSICAL:
            return _methods.classical(refine.steps, is_multimodal=is_multimodal)
        if name in (_methods.OURS, _methods.REFINED):
            own_steps: dict[str, Any] = steps if name == _methods.REFINED else {}
            own_steps["orientation"] = "".join(aff2axcodes(self.test.affine))
            return _methods.network(name, Path(str(self.protocol.model)), **own_steps)
        if name in NETWORKS:
            return _methods.network(name, self._trained(name, name))
        needed = ADAPTERS[name.partition(".")[0]].weights_of
        weights = self._trained(needed, needed) if needed else None
        return _methods.program(name, is_multimodal=is_multimodal, weights=weights)

    def _trained(
        self, name: str, network: Any, config: RunConfig | None = None
    ) -> Path:
        """The run of a rival network; it is trained, or its training is resumed."""
        protocol = self.protocol
        if name in protocol.trained:
            return protocol.trained[name]
        config = _possible(config or protocol.config, network)
        lam = weights_of(config.objective)
        if protocol.model is not None:  # what AutoReg was trained with
            lam = load_model(protocol.model).description.lam
        if config.train.directions != "both":
            lam = {key: lam[key] for key in lam if key != _CONSISTENCY}
        run = self.folder / "runs" / name
        stored = RunFolder(run).config
        is_begun = stored.is_file()
        if is_begun:
            changed = ""
            if _of_training(load_config(stored)) != _of_training(config):
                changed = "settings"
            elif _weights_in(stored) != lam:
                changed = "loss weights"
            if changed:
                raise ConfigError(
                    f"{run}: was trained with other {changed}; repeat the command with "
                    "these, or name another folder."
                )
        lines = (f"{_NOTE}{key}: {lam[key]!r}\n" for key in lam)
        write_text(stored, dump(config) + "".join(lines))
        subjects, validation = self._subjects
        options: Any = {"validation": validation, "run": run, "resume": True}
        try:
            train(subjects, config, network, lam, **options)
        except ConfigError as error:
            if not is_begun:
                stored.unlink()
            raise MethodFailedError(str(error)) from error
        return run

    def scores(self, pair: ListedPair, displacement: np.ndarray) -> dict[str, Any]:
        """All scores that the data of the pair allow, as `evaluate` computes them."""
        found = score(
            pair.judged(pair_of(self.test, pair.moving, pair.fixed), self.test),
            jnp.asarray(displacement[None]),
            num_structures=len(self.test.structures),
            spacing=tuple(self.test.spacing),
            window=self.protocol.config.objective.windows[0],
        )
        return jax.device_get(found)

    def start(self, pair: ListedPair) -> PairStart | None:
        """Where the methods begin with a pair, if not with the images as they are."""
        words = [pair.init] if pair.init is not None else self.protocol.init
        if not words:
            return None
        grid = Grid(self.test.images.shape[1:-1], self.test.affine)
        return PairStart(words, self.test.images[pair.moving, ..., 0], grid)

    def begins_with(self, pair: ListedPair) -> list[str]:
        """The start of a pair in words: names and contents of its files."""
        words = [pair.init] if pair.init is not None else self.protocol.init
        files = initial_files(list(words) or None)
        return [
            f"{word if isinstance(word, str) else word.name} "
            f"{zlib.crc32(file.read_bytes()):08x}"
            for word, file in zip(words, files, strict=True)
        ]

    def results(self) -> dict[str, Results]:
        """Results of all methods in the folder."""
        files = (path.name for path in (self.folder / "methods").glob("*[lt]"))
        names = {n.removesuffix(".jsonl").removesuffix(".failed.txt") for n in files}
        found = {n: Results(self.folder, n) for n in _methods.in_order(names)}
        return {n: one for n, one in found.items() if one.header or one.failure}

    def named_pairs(self) -> list[Pair]:
        """Moving and fixed subject of each pair."""
        names = self.test.names
        return [(names[pair.moving], names[pair.fixed]) for pair in self.pairs]

    def write(self) -> tuple[Table, list[str]]:
        """Write the table of all results so far."""
        seed = self.protocol.config.seed
        table = bench_table(self.results(), self.named_pairs(), seed)
        notes = self._notes()
        table.write(self.folder, "bench", notes)
        return table, notes

    def _notes(self) -> list[str]:
        test, limits = self.test, self.protocol.limits
        shape = " × ".join(map(str, test.images.shape[1:-1]))
        notes = [
            f"{len(self.pairs)} pairs of {len(test.names)} subjects, {shape} voxels; "
            "mean ± standard deviation over the pairs.",
            "The first pair includes the start of the process and compilation; memory "
            "is the largest resident size of the process. Threads of each method: "
            f"{limits.threads}; limit of a pair: {limits.seconds:g} s.",
            "Differences are of Dice (without labels: of NCC) to AutoReg on the same "
            "pairs, with a bootstrap interval and Wilcoxon's signed-rank test.",
        ]
        if test.velocity is not None:
            notes.insert(0, "The subjects are simulated.")
        if self.protocol.init or any(pair.init is not None for pair in self.pairs):
            notes.append(
                "All methods begin with the given transforms: they register the moving "
                "image as these place it, and the results hold both."
            )
        return notes
