"""The three kinds of ITK transform files: text, MATLAB and HDF5."""

import io
import zlib
from typing import Any

import h5py
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from autoreg_jax.transforms._files import unreadable
from autoreg_jax.transforms._itk import Record

__all__ = [
    "read_hdf5",
    "read_matlab",
    "read_text",
    "write_hdf5",
    "write_matlab",
    "write_text",
]

# What SciPy and h5py raise for damaged files.
_UNREADABLE = (
    AttributeError,
    IndexError,
    KeyError,
    MatReadError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)
_HEADER = "#Insight Transform File V1.0"
_GROUP = "TransformGroup"
# Older versions of ITK spell it so.
_MISSPELT = {
    "TransformParameters": "TranformParameters",
    "TransformFixedParameters": "TranformFixedParameters",
}


def read_text(content: bytes) -> list[Record]:
    """The records of a `.tfm` or `.txt` file.

    Raises:
        ValueError: If it is no such file.
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
            raise ValueError(f"{key} stands before any transform.")
        found[-1][key] = value.strip()
    return [_text_record(entry) for entry in found]


def write_text(records: list[Record]) -> bytes:
    """A `.tfm` file."""
    lines = [_HEADER]
    for number, record in enumerate(records):
        lines += [f"#Transform {number}", f"Transform: {record.name}"]
        if len(record.parameters) or len(record.fixed):
            lines += [
                f"Parameters: {' '.join(map(repr, record.parameters.tolist()))}",
                f"FixedParameters: {' '.join(map(repr, record.fixed.tolist()))}",
            ]
    return ("\n".join(lines) + "\n").encode()


def read_matlab(content: bytes) -> list[Record]:
    """The record of a `.mat` file, as ANTs writes `0GenericAffine.mat`.

    Raises:
        ValueError: If it is no such file.
    """
    try:
        found = scipy.io.loadmat(io.BytesIO(content), appendmat=False)
    except _UNREADABLE as error:
        raise unreadable("MATLAB file of ITK", error) from error
    names = [name for name in found if not name.startswith("__")]
    if len(names) != 2 or names[1] != "fixed":
        raise ValueError(
            f"a transform and its fixed parameters are needed, found {names or 'none'}."
        )
    parameters, fixed = (np.asarray(found[n], np.float64).ravel() for n in names)
    return [Record(names[0], parameters, fixed)]


def write_matlab(records: list[Record]) -> bytes:
    """A `.mat` file of one transform."""
    (record,) = records
    stream = io.BytesIO()
    content = {record.name: record.parameters, "fixed": record.fixed}
    scipy.io.savemat(stream, content, format="4", oned_as="column")
    return stream.getvalue()


def read_hdf5(content: bytes) -> list[Record]:
    """The records of an `.h5` file.

    Raises:
        ValueError: If it is no such file.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            group: Any = file[_GROUP]
            return [_hdf5_record(group[str(number)]) for number in range(len(group))]
    except _UNREADABLE as error:
        raise unreadable("HDF5 file of ITK", error) from error


def write_hdf5(records: list[Record]) -> bytes:
    """An `.h5` file."""
    stream = io.BytesIO()
    text = h5py.string_dtype("ascii")
    with h5py.File(stream, "w") as file:
        for number, record in enumerate(records):
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
    try:
        numbers = [np.array([float(word) for word in part]) for part in words]
    except ValueError as error:
        raise unreadable("text file of ITK", error) from error
    return Record(entry["Transform"], *numbers)


def _hdf5_record(group: Any) -> Record:
    name = np.asarray(group["TransformType"]).ravel()[0]
    numbers = []
    for key, old in _MISSPELT.items():
        stored = group.get(key, group.get(old, ()))
        numbers.append(np.asarray(stored, np.float64).ravel())
    return Record(name.decode() if isinstance(name, bytes) else str(name), *numbers)
