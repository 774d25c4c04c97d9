"""`autoreg search | train | evaluate | report`: the parts of the job, one at a time."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from autoreg_jax.cli._run_options import (
    Config,
    Data,
    Estimators,
    Minutes,
    Output,
    Overrides,
    Run,
    dataset_of,
    run_settings,
)
from autoreg_jax.cli._settings import read_settings
from autoreg_jax.cli._show import show_evaluation, show_json, show_line, show_table
from autoreg_jax.errors import ArtifactError

Dataset = Annotated[Path | None, tyro.conf.arg(metavar="DATASET")]


@dataclass(frozen=True, kw_only=True)
class Search:
    """Search the architecture and the loss weights alone.

    Example:
      autoreg search subjects.csv -o runs/first
    """

    dataset: Data
    """CSV file `subject,image,labels,split`, Learn2Reg dataset.json, BIDS folder, or a
    folder of scans."""

    output: Output
    """Folder of the run."""

    config: Config = None
    """Settings: a YAML file or the name of a preset; `default` unless given."""

    hypergradient: Estimators = ()
    """Estimator of the search, as neumann; or of one stage, as lam=forward_mode."""

    minutes: Minutes = None
    """Time for the search, divided over its stages; any unless given."""

    overrides: Overrides = ()
    """Single settings, as search.lam.steps=100."""

    resume: bool = False
    """Go on with the search that the folder holds."""

    overwrite: bool = False
    """Move the run that the folder holds aside."""

    json: bool = False
    """Print JSON instead of a table."""

    @property
    def after_interrupt(self) -> str:
        """What to do after Ctrl-C."""
        return f"Go on with: autoreg search {self.dataset} -o {self.output} --resume"

    def run(self) -> int:
        """Search, and print the genotype and λ."""
        settings = run_settings(
            self.output,
            self.config,
            self.overrides,
            self.hypergradient,
            minutes=self.minutes,
            resume=self.resume,
        )
        from autoreg_jax import config, files, runtime, workflows

        runtime.enable_compilation_cache()
        table = self.dataset
        prepared = workflows.prepare(
            table,
            self.output,
            settings,
            "train",
            "validation",
            overwrite=self.overwrite,
        )
        folder = runtime.RunFolder(self.output)
        folder.claim(resume=self.resume, overwrite=self.overwrite)
        run = folder.path
        files.write_text(folder.config, config.dump(settings))
        prepared.write_plan(run)
        folder.write_provenance(settings.seed, table)
        train, validation = prepared.cohorts
        found = workflows.search(
            train, validation, prepared.config, run=run, resume=self.resume
        )
        folder.write_provenance(settings.seed, table)
        if self.json:
            show_json({"run": run, "lam": found.lam, **vars(found.genotype)})
            return 0
        cells = {
            f"{kind}, {scale}": ", ".join(operations)
            for kind in ("feature", "deformation")
            for scale, operations in zip(
                ("half", "quarter"), getattr(found.genotype, kind), strict=True
            )
        }
        weights = {f"λ {name}": f"{weight:.3g}" for name, weight in found.lam.items()}
        rows = [list(row) for row in (cells | weights).items()]
        show_table(str(run), ["", "found"], rows, justify="left")
        show_line("next", f"autoreg train {run}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train the network that the search of a run has found.

    Example:
      autoreg train runs/first --set train.steps=4000
    """

    folder: Run
    """Folder of a run whose search is finished."""

    dataset: Dataset = None
    """Its data, if they are no longer where the search found them."""

    overrides: Overrides = ()
    """Single settings, as train.steps=100; they are kept in config.yaml."""

    resume: bool = False
    """Go on with the training that the folder holds."""

    json: bool = False
    """Print JSON instead of a table."""

    @property
    def after_interrupt(self) -> str:
        """What to do after Ctrl-C."""
        return f"Go on with: autoreg train {self.folder} --resume"

    def run(self) -> int:
        """Train, and print where the model is."""
        settings = read_settings(_stored_config(self.folder), self.overrides)
        from autoreg_jax import config, files, runtime, workflows
        from autoreg_jax.search_space import Genotype

        runtime.enable_compilation_cache()
        folder = runtime.RunFolder(self.folder)
        objective = files.read_json(folder.objective)
        content = files.read_json(folder.genotype)
        try:
            genotype = Genotype.from_json(json.dumps(content))
            lam = {name: float(objective["lam"][name]) for name in objective["lam"]}
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{self.folder}: genotype.json or objective.json is damaged ({error}); "
                "search again."
            ) from error
        is_begun = any(r["stage"] == "train" for r in folder.records())
        if is_begun and not self.resume:
            raise ArtifactError(
                f"{self.folder}: holds a training already; use --resume to go on with "
                "it, or search in another folder."
            )
        table = dataset_of(self.folder, self.dataset)
        prepared = workflows.prepare_again(
            table, self.folder, settings, "train", "validation"
        )
        train, validation = prepared.cohorts
        files.write_text(folder.config, config.dump(settings))
        workflows.train(
            train,
            prepared.config,
            genotype,
            lam,
            validation=validation,
            run=self.folder,
            resume=self.resume,
        )
        folder.write_provenance(settings.seed, table)
        trained = [r for r in folder.records() if r["stage"] == "train"]
        last = trained[-1] if trained else {}
        if self.json:
            show_json({"run": self.folder, "model": folder.model, **last})
            return 0
        rows = [
            [name, f"{last[name]:.4g}"]
            for name in ("step", "seconds", "loss", "validation_dice")
            if last.get(name) is not None
        ]
        show_table(str(self.folder), ["", "training"], rows)
        show_line("next", f"autoreg evaluate {self.folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Evaluate the model of a run on pairs that it has not seen.

    Example:
      autoreg evaluate runs/first --set evaluate.pairs=50
    """

    folder: Run
    """Folder of a run whose training is finished."""

    dataset: Dataset = None
    """Its data, if they are no longer where the search found them."""

    overrides: Overrides = ()
    """Single settings, as evaluate.pairs=50; for this evaluation only."""

    json: bool = False
    """Print JSON instead of a table."""

    after_interrupt = "The results of an earlier evaluation are as they were."

    def run(self) -> int:
        """Evaluate, and print the scores."""
        settings = read_settings(_stored_config(self.folder), self.overrides)
        from autoreg_jax import inference, runtime, workflows

        runtime.enable_compilation_cache()
        model = inference.load_model(self.folder)
        table = dataset_of(self.folder, self.dataset)
        prepared = workflows.prepare_again(
            table, self.folder, settings, settings.evaluate.split
        )
        (test,) = prepared.cohorts
        evaluation = workflows.evaluate(test, model, prepared.config, run=self.folder)
        runtime.RunFolder(self.folder).write_provenance(settings.seed, table)
        if self.json:
            show_json(evaluation.summary | {"run": self.folder})
            return 0
        show_evaluation(evaluation.summary, str(self.folder))
        show_line("next", f"autoreg report {self.folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """Describe a run in one self-contained page.

    Example:
      autoreg report runs/first
    """

    folder: Run
    """Folder of a run."""

    json: bool = False
    """Print JSON."""

    after_interrupt = "An earlier report is as it was."

    def run(self) -> int:
        """Write the page and print where it is."""
        from autoreg_jax.report import write_report

        page = write_report(self.folder)
        if self.json:
            show_json({"run": self.folder, "report": page})
        else:
            show_line("report", page)
        return 0


def _stored_config(run: Path) -> Path:
    """The config.yaml of a run.

    Raises:
        ArtifactError: If there is none.
    """
    from autoreg_jax.runtime import RunFolder

    path = RunFolder(run).config
    if not path.is_file():
        raise ArtifactError(
            f"{run}: holds no run ({path.name} is missing); begin one with "
            f"`autoreg search DATASET -o {run}` or `autoreg auto DATASET -o {run}`."
        )
    return path
