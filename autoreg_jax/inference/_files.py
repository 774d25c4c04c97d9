"""Registration from files to files: one pair, or many with one model."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoreg_jax.data import PairFiles, read_grid, read_image, read_labels, read_mask
from autoreg_jax.errors import AutoRegError, ImageWarning
from autoreg_jax.geometry import Volume
from autoreg_jax.inference._accuracy import (
    known_error,
    label_overlap,
    landmark_error,
)
from autoreg_jax.inference._comparable import check_companion
from autoreg_jax.inference._guide import make_guide
from autoreg_jax.inference._initial import initial_files
from autoreg_jax.inference._landmarks import read_landmarks
from autoreg_jax.inference._model import load_model
from autoreg_jax.inference._register import register
from autoreg_jax.inference.memory import fit, memory_limit, task_of
from autoreg_jax.inference.writing import (
    Extra,
    Page,
    check_page,
    full_summary,
    is_too_long,
    longest_name,
    output_paths,
    written_words,
)
from autoreg_jax.runtime import progress
from autoreg_jax.transforms import ImagePair, Transform, check_whole


def register_files(
    pair: PairFiles,
    prefix: Path | str | None = None,
    *,
    moved: Path | str | None = None,
    displacement: Path | str | None = None,
    one_field: bool = False,
    extra: Sequence[Extra] = (),
    guide: Sequence[str] = (),
    page: Page | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Register one pair of files and write the results.

    Names of outputs and label maps are checked before the registration begins.

    Args:
        pair: The files.
        prefix: Prefix of the output files, see `output_paths`.
        moved: Another name for the moved image.
        displacement: One file for the whole map, see `Registered.save`.
        one_field: The displacement holds an alignment, too, see `Registered.save`.
        extra: What else is written, see `Registered.save`.
        guide: "labels", "landmarks" or both: what of the pair also guides the
            optimisation, see `Guide`.
        page: Makes the page for "report" in `extra`, such as `report.pair_page`.
        **options: Options of `register`: `model`, `affine`, `refine`, ...

    Returns:
        The content of summary.json: that of `Registered.summary`, `dice_before` and
        `dice` where both images have labels, `landmark_error_before` and
        `landmark_error` (mm) where both have landmarks, `displacement_error_before` and
        `displacement_error` (mm) where the true displacement is known, and with an
        inverse `inverse_error_mean_mm` and `inverse_error_max_mm`, see `InverseError`.
        And the written `files`.

    Raises:
        ConfigError: If an output has an unknown ending or is an input.
        AutoRegError: As `register`.
    """
    check_page(extra, page)
    paths = output_paths(
        prefix,
        moved=moved,
        displacement=displacement,
        with_labels=pair.moving_labels is not None,
        extra=extra,
        inputs=(*pair.files, *initial_files(options.get("init"))),
        channels=pair.channels,
    )
    one_field = one_field or displacement is not None
    return _register(pair, paths, options, one_field=one_field, guide=guide, page=page)


def _register(
    pair: PairFiles,
    paths: Mapping[str, Path],
    options: Mapping[str, Any],
    *,
    one_field: bool,
    guide: Sequence[str],
    page: Page | None,
) -> dict[str, Any]:
    """Register one pair of files and write the results to checked paths."""
    with _heard() as said:
        _check_memory(pair, paths, options)
        # Labels that cannot be used must be found before the registration.
        fixed, moving = read_image(pair.fixed), read_image(pair.moving)
        fixed_labels = pair.fixed_labels and read_labels(pair.fixed_labels, fixed)
        moving_labels = pair.moving_labels and read_labels(pair.moving_labels)
        doubts: tuple[str, ...] = ()
        if moving_labels and moving_labels.ndim == moving.ndim:
            doubts = check_companion(moving_labels, moving, "label map")
        points = None
        if pair.fixed_landmarks and pair.moving_landmarks:
            given = pair.fixed_landmarks, pair.moving_landmarks
            points = read_landmarks(given, fixed, moving)
        guided = make_guide(guide, fixed_labels, moving_labels, points)
        truth = pair.displacement and _truth(pair.displacement, fixed, moving)
        begin: dict[str, Any] = {} if pair.init is None else {"init": pair.init}
        if "uncertainty" in paths:
            begin["uncertainty"] = True
        result = register(
            [fixed, *pair.more_fixed],
            [moving, *pair.more_moving],
            fixed_mask=pair.fixed_mask,
            moving_mask=pair.moving_mask,
            fixed_lesion=pair.fixed_lesion,
            moving_lesion=pair.moving_lesion,
            guide=guided,
            **{**options, **begin},
        )
    said = dict.fromkeys((*said, *doubts, *result.warnings))
    result = replace(result, warnings=tuple(said))
    summary = full_summary(result, paths)
    if fixed_labels and moving_labels:
        overlap = label_overlap(result, fixed_labels, moving_labels)
        summary["dice_before"], summary["dice"] = overlap.means()
    if points:
        error = landmark_error(result, *points)
        summary["landmark_error_before"], summary["landmark_error"] = error
    if truth:
        mask = pair.fixed_mask and read_mask(pair.fixed_mask)
        error = known_error(result, truth, mask)
        summary["displacement_error_before"], summary["displacement_error"] = error
    written = result.write(
        paths, moving_labels, one_field=one_field, summary=summary, page=page
    )
    return {**summary, "files": written}


def _check_memory(
    pair: PairFiles, paths: Mapping[str, Path], options: Mapping[str, Any]
) -> None:
    """Refuse what does not fit before any image is read: their headers say enough.

    What the registration itself takes comes later, when the model is known.
    """
    with warnings.catch_warnings(action="ignore"):
        fixed, moving = read_grid(pair.fixed), read_grid(pair.moving)
    what = task_of(
        (fixed.shape, moving.shape), fixed.grid, affine=options.get("affine", "auto")
    )
    what = replace(
        what,
        channels=pair.channels,
        has_labels=pair.moving_labels is not None,
        is_written="displacement" in paths,
        extra=written_words(paths),
    )
    limit = memory_limit(options.get("max_memory"))
    fit(what, limit, f"{pair.moving} to {pair.fixed}")


def _truth(path: Path, fixed: Volume, moving: Volume) -> Transform:
    """The true map of a pair."""
    images = ImagePair(moving.grid, fixed.grid, assumed=True)
    truth = Transform.read(path, grid=fixed.grid, images=images)
    check_whole(truth, path)
    return truth


def register_many(
    pairs: Sequence[PairFiles],
    prefix: Path | str,
    *,
    one_field: bool = False,
    extra: Sequence[Extra] = (),
    guide: Sequence[str] = (),
    page: Page | None = None,
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Register many pairs of files; a pair that fails does not stop the others.

    The model is loaded once, and images of equal shape share one compilation.

    Args:
        pairs: The files, from `data.read_pairs` or `data.match_images`.
        prefix: Prefix of all output files, which are named PREFIX MOVING_to_FIXED_*; a
            folder ends in "/".
        one_field: As for `register_files`.
        extra: As for `register_files`.
        guide: As for `register_files`.
        page: As for `register_files`.
        **options: Options of `register`.

    Returns:
        By `PairFiles.name` the summary of `register_files`, or `error`, a sentence.

    Raises:
        ArtifactError: If the model cannot be read.
        ConfigError: If an output of any pair would overwrite an input.
        OSError: If a file cannot be written, as on a full disk.
    """
    check_page(extra, page)
    start = f"{prefix}/" if Path(prefix).is_dir() else str(prefix)
    begin = initial_files(options.get("init"))
    paths = [_paths_of(pair, start, begin, extra) for pair in pairs]
    if isinstance(options.get("model"), Path | str):
        options["model"] = load_model(options["model"])
    summaries: dict[str, dict[str, Any]] = {}
    with progress("register", len(pairs)) as advance:
        for pair, names in zip(pairs, paths, strict=True):
            try:
                names = names or _paths_of(pair, start, begin, extra, is_checked=True)
                found = _register(
                    pair,
                    names,
                    options,
                    one_field=one_field,
                    guide=guide,
                    page=page,
                )
            except AutoRegError as error:
                found = {"error": str(error)}
            summaries[pair.name] = found
            advance()
    return summaries


def _paths_of(
    pair: PairFiles,
    start: str,
    others: Sequence[Path],
    extra: Sequence[Extra],
    *,
    is_checked: bool = False,
) -> dict[str, Path]:
    """The outputs of a pair; none if its names are too long, which ends no batch."""
    begin = f"{start}{pair.name}_"
    if not is_checked and is_too_long(Path(begin + longest_name(extra))):
        return {}
    return output_paths(
        begin,
        with_labels=pair.moving_labels is not None,
        extra=extra,
        inputs=(*pair.files, *others),
        channels=pair.channels,
    )


@contextmanager
def _heard() -> Iterator[list[str]]:
    """A list to which each `ImageWarning` of the block is added, and still shown."""
    found: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def note(message, category, *place, **more) -> None:
            if issubclass(category, ImageWarning) and str(message) not in found:
                found.append(str(message))
            show(message, category, *place, **more)

        warnings.showwarning = note
        yield found
