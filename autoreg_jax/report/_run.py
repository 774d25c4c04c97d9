"""Read the files of a run and write its page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from autoreg_jax.errors import ArtifactError, AutoRegError
from autoreg_jax.files import read_json, read_scores, write_text
from autoreg_jax.inference import stored_digest
from autoreg_jax.report._pairs import Pair, read_pairs
from autoreg_jax.runtime import RunFolder, owns


@dataclass(frozen=True)
class Run:
    """The contents of a run folder; what is absent is None or empty.

    Attributes:
        name: Name of the folder.
        records: Lines of `metrics.jsonl`, in order.
        genotype, objective, search, evaluation, provenance: The JSON files.
        smoothness: The scores under several weights of the smoothness, JSON.
        refinement: Another one, of the search of the smoothness of the refinement.
        rows: Lines of `evaluation.csv`, NaN where a score is unknown.
        cases: Lines of `evaluation_pairs.csv`, likewise.
        pairs: Pairs of `panels.npz`.
        spacing: mm per array axis of the pairs.
        affine: Voxel to world mm RAS+ `(4, 4)`.
        config: Text of `config.yaml`.
        is_of_model: Whether the evaluation is that of the model in the folder; None if
            that is not known.
        is_front_of_model: Whether the scores under several weights are those of
            the stored model.
    """

    name: str
    records: Sequence[Mapping[str, Any]]
    genotype: Mapping[str, Any] | None
    objective: Mapping[str, Any] | None
    search: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    provenance: Mapping[str, Any] | None
    rows: Sequence[Mapping[str, Any]]
    pairs: Sequence[Pair]
    spacing: tuple[float, ...]
    affine: NDArray[Any] | None
    config: str | None
    is_of_model: bool | None = None
    smoothness: Mapping[str, Any] | None = None
    is_front_of_model: bool | None = None
    refinement: Mapping[str, Any] | None = None
    cases: Sequence[Mapping[str, Any]] = ()


def check_extra() -> None:
    """Check that the packages of the extra `report` are installed.

    Raises:
        AutoRegError: If one is missing, with the command that installs it.
    """
    missing = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise AutoRegError(
            f"the report needs {' and '.join(missing)}, which is not installed; "
            'run: pip install "autoreg_jax[report]"'
        )


# What comes of values of another type or shape than that of their place.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@owns(is_there=True)
def write_report(run: Path | str) -> Path:
    """Describe a run in one self-contained page.

    A section whose files are absent is replaced by a sentence that says so. The page
    contains its style and images and loads nothing from the network.

    Args:
        run: Run folder of `autoreg auto` or of its single steps.

    Returns:
        Path of the page, `report.html` in the folder; an existing one is replaced.

    Raises:
        AutoRegError: If matplotlib or jinja2 is not installed.
        ArtifactError: If the folder does not exist or contains no results, or if one
            of its files is damaged.
    """
    check_extra()
    from autoreg_jax.report.page import render_page

    folder = RunFolder(run)
    try:
        page = render_page(read_run(folder))
    except _UNREADABLE as error:
        raise ArtifactError(
            f"{folder}: one of its files holds what no run writes ({error!r:.200}); "
            "restore the files, or run the step that writes them again."
        ) from error
    return write_text(folder.report, page)


def read_run(folder: RunFolder) -> Run:
    """Read the contents of a run folder.

    Raises:
        ArtifactError: As `write_report`.
    """
    if not folder.path.is_dir():
        raise ArtifactError(
            f"{folder}: no such run folder; give the folder that `autoreg auto` wrote."
        )
    sources = (
        folder.metrics,
        folder.genotype,
        folder.objective,
        folder.evaluation,
        folder.structure_scores,
        folder.panels,
        folder.smoothness,
    )
    if not any(path.is_file() for path in sources):
        raise ArtifactError(
            f"{folder}: no results to report ({', '.join(p.name for p in sources)} are "
            "missing); run `autoreg auto` or one of its steps into this folder first."
        )
    pairs, spacing, affine = read_pairs(folder.panels)
    evaluation = _optional(folder.evaluation)
    smoothness, stored = _optional(folder.smoothness), stored_digest(folder.path)
    rows, texts = folder.structure_scores, ("fixed", "moving", "structure")
    cases = folder.pair_scores
    return Run(
        name=folder.path.resolve().name,
        records=_joined_rounds(folder.records()),
        genotype=_optional(folder.genotype),
        objective=_optional(folder.objective),
        search=_optional(folder.search),
        evaluation=evaluation,
        provenance=_optional(folder.provenance),
        rows=read_scores(rows, texts) if rows.is_file() else (),
        pairs=pairs,
        spacing=spacing,
        affine=affine,
        config=folder.config.read_text("utf-8") if folder.config.is_file() else None,
        is_of_model=_is_of(evaluation, stored),
        smoothness=smoothness,
        is_front_of_model=_is_of(smoothness, stored),
        refinement=_optional(folder.refinement),
        cases=read_scores(cases, texts[:2]) if cases.is_file() else (),
    )


def _is_of(scores: Mapping[str, Any] | None, stored: str | None) -> bool | None:
    """Whether scores are those of a model; None if that is not known."""
    digests = (scores or {}).get("model"), stored
    return digests[0] == digests[1] if all(digests) else None


def _optional(path: Path) -> Mapping[str, Any] | None:
    return read_json(path) if path.is_file() else None


def _joined_rounds(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Later rounds of a stage, "lam-2", as a continuation of the first."""
    steps: dict[str, int] = {}
    joined = []
    for record in records:
        stage, _, turn = record.get("stage", "").partition("-")
        if turn:
            before = sum(
                count
                for name, count in steps.items()
                if name != record["stage"] and name.partition("-")[0] == stage
            )
            joined.append(record | {"stage": stage, "step": before + record["step"]})
        else:
            joined.append(record)
        steps[record.get("stage", "")] = record.get("step", 0)
    return joined
