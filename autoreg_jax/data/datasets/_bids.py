"""BIDS folders: https://bids-specification.readthedocs.io."""

from pathlib import Path

from autoreg_jax.data.datasets._dataset import Dataset, Subject, choose_splits
from autoreg_jax.data.datasets._names import is_image_file, stem
from autoreg_jax.errors import DataError

__all__ = ["is_bids", "read_bids"]

CONTRASTS = ("T1w", "T2w")
# A derivative in another space is not on the grid of the scan.
OWN_SPACES = (None, "orig", *CONTRASTS)


def is_bids(path: Path) -> bool:
    """Whether a folder contains `sub-*/anat` or `sub-*/ses-*/anat`."""
    return any(_anatomies(path))


def read_bids(path: Path) -> Dataset:
    """Read the T1w and T2w scans of a BIDS folder.

    Label maps are `derivatives/**/sub-*_dseg.nii.gz` of the same person, session and,
    if they are in the name, acquisition and run; one with `space-T2w` belongs to the
    T2w scan, one in a template space is ignored. Masks are `*_desc-brain_mask.nii.gz`.

    Args:
        path: The folder with `sub-*`.

    Returns:
        One subject for each scan, named after its file.

    Raises:
        DataError: If there are no such scans, or fewer than the splits need, or two
            label maps match one scan.
    """
    scans = [
        file
        for folder in sorted(_anatomies(path))
        for file in sorted(folder.iterdir())
        if is_image_file(file) and _suffix(file) in CONTRASTS
    ]
    if not scans:
        raise DataError(
            f"{path}: looks like BIDS, but no folder anat has a scan named "
            "sub-*_T1w.nii.gz or sub-*_T2w.nii.gz; list the images in a dataset CSV."
        )
    derived = [f for f in sorted((path / "derivatives").rglob("sub-*")) if f.is_file()]
    maps = [f for f in derived if is_image_file(f) and _suffix(f) == "dseg"]
    masks = [
        f
        for f in derived
        if is_image_file(f)
        and _suffix(f) == "mask"
        and _entities(f).get("desc", "brain") == "brain"
    ]
    people = [_entities(scan)["sub"] for scan in scans]
    splits, note = choose_splits(path, people)
    subjects = tuple(
        Subject(
            name=stem(scan),
            image=scan,
            labels=_derivative(scan, maps),
            split=split,
            modality=_suffix(scan),
            mask=_derivative(scan, masks),
        )
        for scan, split in zip(scans, splits, strict=True)
    )
    with_labels = sum(s.labels is not None for s in subjects)
    notes = (f"BIDS: {len(scans)} scans, {with_labels} with a label map.", note)
    return Dataset(path, subjects, notes)


def _anatomies(path: Path) -> list[Path]:
    folders = [*path.glob("sub-*/anat"), *path.glob("sub-*/ses-*/anat")]
    return [folder for folder in folders if folder.is_dir()]


def _entities(file: Path) -> dict[str, str]:
    """`sub-01_ses-2_T1w` as `{"sub": "01", "ses": "2"}`."""
    pairs = (part.partition("-") for part in stem(file).split("_"))
    return {key: value for key, dash, value in pairs if dash}


def _suffix(file: Path) -> str:
    return stem(file).rpartition("_")[2]


def _derivative(scan: Path, files: list[Path]) -> Path | None:
    """The derivative of a scan, preferably one that names its contrast.

    Raises:
        DataError: If two match equally well.
    """
    own = _entities(scan)

    def fits(file: Path) -> bool:
        its = _entities(file)
        is_same = its.get("sub") == own["sub"] and its.get("ses") == own.get("ses")
        details = all(
            its[key] == own.get(key) for key in ("acq", "run", "rec") if key in its
        )
        return is_same and details and its.get("space") in OWN_SPACES

    found = [file for file in files if fits(file)]
    named = [file for file in found if _entities(file).get("space") == _suffix(scan)]
    plain = [file for file in found if _entities(file).get("space") in (None, "orig")]
    chosen = named or plain
    if len(chosen) > 1:
        raise DataError(
            f"{scan}: both {chosen[0]} and {chosen[1]} match it; keep one of them in "
            "derivatives, or list the files in a dataset CSV."
        )
    return chosen[0] if chosen else None
