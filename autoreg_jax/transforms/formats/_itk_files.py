"""The three kinds of ITK transform files: text, MATLAB and HDF5."""

import io
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import scipy.io

from autoreg_jax.transforms.formats._format import damaged
from autoreg_jax.transforms.formats._itk_records import (
    Record,
    links_from_records,
    records_from_links,
)
from autoreg_jax.transforms.links import Link

__all__ = [
    "read_hdf5",
    "read_matlab",
    "read_text",
    "write_hdf5",
    "write_matlab",
    "write_text",
]

_HEADER = "#Insight Transform File V1.0"
_GROUP = "TransformGroup"
# Older versions of ITK spell it so.
_MISSPELT = {
    "TransformParameters": "TranformParameters",
    "TransformFixedParameters": "TranformFixedParameters",
}


def read_text(content: bytes, **_: object) -> tuple[Link, ...]:
    """The chain in a `.tfm` or `.txt` file.

    Raises:
        ValueError: If the content is not that of such a file.
    """
    lines = content.decode("utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != _HEADER:
        raise ValueError(f"it does not begin with {_HEADER!r}.")
    found: list[dict[str, str]] = []
    for line in lines[1:]:
        key, sign, value = line.partition(":")
        if line.startswith("#") or not sign:
            continue
        if key == "Transform":
            found.append({})
        elif not found:
            raise ValueError(f"{key} comes before any transform.")
        found[-1][key] = value.strip()
    return links_from_records([_text_record(entry) for entry in found])


def write_text(links: Sequence[Link], **_: object) -> bytes:
    """A `.tfm` file."""
    lines = [_HEADER]
    for number, record in enumerate(records_from_links(links)):
        lines += [f"#Transform {number}", f"Transform: {record.name}"]
        if len(record.parameters) or len(record.fixed):
            lines += [
                f"Parameters: {' '.join(map(repr, record.parameters.tolist()))}",
                f"FixedParameters: {' '.join(map(repr, record.fixed.tolist()))}",
            ]
    return ("\n".join(lines) + "\n").encode()


def read_matlab(content: bytes, **_: object) -> tuple[Link, ...]:
    """The map in a `.mat` file, as ANTs writes `0GenericAffine.mat`.

    Raises:
        ValueError: If the content is not that of such a file.
    """
    with damaged("MATLAB file of ITK"):
        found = scipy.io.loadmat(io.BytesIO(content), appendmat=False)
    names = [name for name in found if not name.startswith("__")]
    if len(names) != 2 or names[1] != "fixed":
        raise ValueError(
            f"a transform and its fixed parameters are needed, found {names or 'none'}."
        )
    parameters, fixed = (np.asarray(found[n], np.float64).ravel() for n in names)
    return links_from_records([Record(names[0], parameters, fixed)])


def write_matlab(links: Sequence[Link], **_: object) -> bytes:
    """A `.mat` file of one affine map."""
    (record,) = records_from_links(links, compose=False)
    stream = io.BytesIO()
    content = {record.name: record.parameters, "fixed": record.fixed}
    scipy.io.savemat(stream, content, format="4", oned_as="column")
    return stream.getvalue()


def read_hdf5(content: bytes, **_: object) -> tuple[Link, ...]:
    """The chain in an `.h5` file.

    Raises:
        ValueError: If the content is not that of such a file.
    """
    with damaged("HDF5 file of ITK"), h5py.File(io.BytesIO(content), "r") as file:
        group: Any = file[_GROUP]
        records = [_hdf5_record(group[str(number)]) for number in range(len(group))]
    return links_from_records(records)


def write_hdf5(links: Sequence[Link], **_: object) -> bytes:
    """An `.h5` file."""
    stream = io.BytesIO()
    text = h5py.string_dtype("ascii")
    with h5py.File(stream, "w") as file:
        for number, record in enumerate(records_from_links(links)):
            group = file.create_group(f"{_GROUP}/{number}")
            group.create_dataset("TransformType", data=[record.name], dtype=text)
            if not len(record.parameters):
                continue
            values = zip(_MISSPELT, (record.parameters, record.fixed), strict=True)
            for name, numbers in values:
                group.create_dataset(name, data=numbers)
    return stream.getvalue()


def _text_record(entry: dict[str, str]) -> Record:
    words = [entry.get(key, "").split() for key in ("Parameters", "FixedParameters")]
    with damaged("text file of ITK"):
        numbers = [np.array([float(word) for word in part]) for part in words]
    return Record(entry["Transform"], *numbers)


def _hdf5_record(group: Any) -> Record:
    name = np.asarray(group["TransformType"]).ravel()[0]
    numbers = []
    for key, old in _MISSPELT.items():
        stored = group.get(key, group.get(old, ()))
        numbers.append(np.asarray(stored, np.float64).ravel())
    return Record(name.decode() if isinstance(name, bytes) else str(name), *numbers)
