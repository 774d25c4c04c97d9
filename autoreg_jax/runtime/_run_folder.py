"""The folder of a run: the names of its files, claimed once, never overwritten."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files import (
    is_writer,
    make_folder,
    read_json,
    read_records,
    write_json,
)
from autoreg_jax.runtime._provenance import provenance

_PROVENANCE = {
    "dataset": str,
    "trained_on": str,
    "seconds": dict,
    "initial": dict,
    "model": dict,
}


class RunFolder(os.PathLike[str]):
    """The folder of a run and the path of every file that this program writes there.

    Any function that takes the path of a folder takes a `RunFolder`, too.

    Args:
        path: The folder, which need not exist.

    Attributes:
        path: The folder.
        config: Settings of the run, config.yaml.
        plan: Decisions about the data, plan.yaml.
        pairs: The listed pairs of the run, if there are any, listed_pairs.csv.
        genotype: The searched architecture, genotype.json.
        objective: The searched loss weights, objective.json.
        search: What a search by trials has tried and decided, search.json.
        refinement: What a search of the smoothness of the refinement has found and
            decided, refinement.json.
        trials: Folder of its trials, one folder each.
        model: Folder of the trained network.
        initial: Folder of the model from which the training started, if it did.
        checkpoints: Folder of the checkpoints, one folder a stage.
        metrics: Records of every stage, metrics.jsonl.
        evaluation: Summary of the evaluation, evaluation.json.
        structure_scores: A row for each pair and structure, evaluation.csv.
        pair_scores: A row for each pair, evaluation_pairs.csv.
        smoothness: Scores under several weights of the smoothness, smoothness.json.
        smoothness_scores: The same as a table, smoothness.csv.
        panels: Arrays of the example pairs, panels.npz.
        report: The page that describes the run, report.html.
        provenance: Versions, machine, command, data and times, provenance.json.
        data: Folder of simulated subjects, where the run made its own.

    Examples:
        >>> run = RunFolder("runs/first")
        >>> run.genotype.as_posix(), os.fspath(run.model) == str(run.model)
        ('runs/first/genotype.json', True)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = folder = Path(path)
        self.config = folder / "config.yaml"
        self.plan = folder / "plan.yaml"
        self.pairs = folder / "listed_pairs.csv"
        self.genotype = folder / "genotype.json"
        self.objective = folder / "objective.json"
        self.search = folder / "search.json"
        self.refinement = folder / "refinement.json"
        self.trials = folder / "trials"
        self.model = folder / "model"
        self.initial = folder / "initial"
        self.checkpoints = folder / "checkpoints"
        self.metrics = folder / "metrics.jsonl"
        self.evaluation = folder / "evaluation.json"
        self.structure_scores = folder / "evaluation.csv"
        self.pair_scores = folder / "evaluation_pairs.csv"
        self.smoothness = folder / "smoothness.json"
        self.smoothness_scores = folder / "smoothness.csv"
        self.panels = folder / "panels.npz"
        self.report = folder / "report.html"
        self.provenance = folder / "provenance.json"
        self.data = folder / "data"

    def __fspath__(self) -> str:
        """The path of the folder."""
        return str(self.path)

    def __str__(self) -> str:
        """The path of the folder."""
        return str(self.path)

    def __repr__(self) -> str:
        """The call that makes an equal object."""
        return f"RunFolder({str(self.path)!r})"

    def check(self, *, resume: bool = False, overwrite: bool = False) -> None:
        """Refuse what `claim` would refuse of an existing folder; nothing is written.

        Args:
            resume: Resume the run in this folder.
            overwrite: Move an existing run to `previous-N`.

        Raises:
            ConfigError: If `resume` and `overwrite` are both given.
            ArtifactError: If the folder contains a run and neither is given.
        """
        if resume and overwrite:
            raise ConfigError("--resume and --overwrite exclude each other.")
        found = self._found()
        if found and not (resume or overwrite or found == [self.plan]):
            raise ArtifactError(
                f"{self}: already contains a run ({found[0].name}). Use --resume to "
                "resume it, --overwrite to move it to previous-N, or choose another "
                "folder."
            )

    def claim(self, *, resume: bool = False, overwrite: bool = False) -> "RunFolder":
        """Make the folder ready for a run.

        Nothing is ever deleted. With `overwrite` the files of an existing run are
        moved to `previous-1`, `previous-2`, ... inside the folder; other files, and
        simulated subjects, are left where they are. A folder that contains only a plan
        contains no run. Of several processes (`files.write_here`) one does this.

        Args:
            resume: Resume the run in this folder.
            overwrite: Move an existing run to `previous-N`.

        Returns:
            This object.

        Raises:
            ConfigError: As `check`, or if the folder is a file, cannot be created or
                is not writable.
            ArtifactError: As `check`.
        """
        if not is_writer():
            return self
        self.check(resume=resume, overwrite=overwrite)
        make_folder(self.path)
        found = self._found()
        if not found or not overwrite:
            return self
        numbered = (self.path / f"previous-{n}" for n in itertools.count(1))
        previous = next(path for path in numbered if not path.exists())
        previous.mkdir()
        for path in found:
            path.rename(previous / path.name)
        return self

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, oldest first; none where there is no such file.

        Raises:
            ArtifactError: If the file is damaged.
        """
        records = read_records(self.metrics)
        for number, record in enumerate(records, start=1):
            seconds = record.get("seconds", 0.0)
            is_timed = isinstance(seconds, float | int) and seconds >= 0
            if not (is_timed and isinstance(record.get("stage"), str)):
                raise ArtifactError(
                    f"{self.metrics}: line {number} is no record, which has a stage "
                    "and seconds; restore the file, or start again."
                )
        return records

    def seconds(self) -> dict[str, float]:
        """Seconds that each stage has taken so far, compilation included.

        Raises:
            ArtifactError: If metrics.jsonl is damaged.
        """
        records = [r for r in self.records() if "seconds" in r]
        return {record["stage"]: record["seconds"] for record in records}

    def waiting(self) -> dict[str, float]:
        """Share of its time for which a stage has waited for images, where it has to.

        Raises:
            ArtifactError: If metrics.jsonl is damaged.
        """
        waited: dict[str, float] = {}
        for record in self.records():
            if {"waited", "seconds"} <= record.keys():
                stage = record["stage"]
                waited[stage] = waited.get(stage, 0.0) + record["waited"]
        seconds = self.seconds()
        return {stage: waited[stage] / seconds[stage] for stage in waited}

    def relative(self, path: str | os.PathLike[str]) -> str:
        """A path relative to the folder, so that both may be moved together.

        Examples:
            >>> RunFolder("runs/first").relative("data/subjects.csv")
            '../../data/subjects.csv'
        """
        return Path(os.path.relpath(path, self.path)).as_posix()

    def read_provenance(self) -> dict[str, Any]:
        """The content of provenance.json; empty where there is no such file.

        Raises:
            ArtifactError: If the file is damaged.
        """
        if not self.provenance.is_file():
            return {}
        found = read_json(self.provenance)
        for name, kind in _PROVENANCE.items():
            if not isinstance(found.get(name), kind | None):
                raise ArtifactError(
                    f"{self.provenance}: {name} is not what a run writes; restore the "
                    "file, or delete it and name the data by --dataset."
                )
        return found

    def write_provenance(
        self,
        seed: int,
        dataset: str | os.PathLike[str],
        *,
        trained_on: str | os.PathLike[str] | None = None,
        seconds: Mapping[str, float] | None = None,
        initial: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
    ) -> None:
        """Write provenance.json: this program, machine and command, seed, data, times.

        What the file says already is kept where nothing new is known.

        Args:
            seed: Seed of the run.
            dataset: Its data, a file or folder; stored relative to this folder.
            trained_on: The data of the training, if they are others.
            seconds: Times by name, beside those of metrics.jsonl.
            initial: The model from which the training started.
            model: The model of another folder that was evaluated.

        Raises:
            ArtifactError: If provenance.json or metrics.jsonl is damaged.
        """
        content = self.read_provenance()
        times = content.get("seconds", {}) | self.seconds() | dict(seconds or {})
        content |= provenance() | {"dataset": self.relative(dataset)}
        if trained_on is not None:
            content["trained_on"] = self.relative(trained_on)
        for name, origin in (("initial", initial), ("model", model)):
            if origin is not None:
                content[name] = dict(origin)
        if waiting := self.waiting():
            content["share_of_time_waiting_for_images"] = waiting
        content |= {"seed": seed, "seconds": times}
        write_json(self.provenance, content, is_sealed=True)

    def dataset(self) -> Path | None:
        """The dataset that provenance.json names, or the simulated one, or None.

        Raises:
            ArtifactError: If provenance.json is damaged.
        """
        if stored := self.read_provenance().get("dataset"):
            return Path(os.path.normpath(self.path / stored))
        simulated = self.data / "dataset.csv"
        return simulated if simulated.is_file() else None

    def _found(self) -> list[Path]:
        """What is there of a run and is moved with it: all but the data."""
        kept = (self.path, self.data)
        paths = (path for path in vars(self).values() if path not in kept)
        return [path for path in paths if path.exists()]
