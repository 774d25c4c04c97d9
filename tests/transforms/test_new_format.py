"""A file format that the package does not have, added through the public door."""

import json

import numpy as np
import pytest

from autoreg_jax.errors import TransformError
from autoreg_jax.geometry import Grid
from autoreg_jax.transforms import FORMATS, Affine, Format, Transform, read_chain


def read_matrix(content, *, layout, grid, images):
    """A homogeneous matrix as JSON, RAS mm."""
    return (Affine(np.array(json.loads(content)["matrix"])),)


def write_matrix(links, *, layout, grid):
    """The product of affine maps as JSON."""
    if not all(isinstance(link, Affine) for link in links):
        raise ValueError("a JSON matrix holds affine maps only; write .h5.")
    product = np.linalg.multi_dot([np.eye(4), np.eye(4), *(x.full for x in links)])
    return json.dumps({"matrix": product.tolist()}).encode()


MATRIX = Format("JSON matrix", (".json", ".json.gz"), read_matrix, write_matrix, True)
KNOWN = (*FORMATS, MATRIX)


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "A.JSON"])
def test_a_format_of_ones_own(tmp_path, name):
    turn = Transform.affine(np.array([[0.0, -1, 3], [1, 0, 0], [0, 0, 1]]))
    both = turn @ turn
    path = both.write(tmp_path / name, formats=KNOWN)
    p = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(Transform.read(path, formats=KNOWN)(p), both(p))
    chain = read_chain([f"[{path},1]", path], formats=KNOWN)
    np.testing.assert_allclose(chain(p), p, atol=1e-12)
    # The formats of the package are still known, and the table is unchanged.
    again = turn.write(tmp_path / "a.tfm", formats=KNOWN)
    np.testing.assert_allclose(Transform.read(again, formats=KNOWN)(p), turn(p))
    with pytest.raises(TransformError, match=r"must end in one of \.tfm"):
        Transform.read(path)


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "a.json"
    for content in (b"{", b'{"matrix": [[1, 0], [0, 0]]}', b"\x1f\x8b damaged"):
        path.write_bytes(content)
        with pytest.raises(TransformError, match=r"a\.json: cannot be used"):
            Transform.read(path, formats=KNOWN)
    field = Transform.displacement(np.zeros((4, 4, 2)), Grid((4, 4), np.eye(4)))
    path.unlink()
    with pytest.raises(TransformError, match=r"a\.json: cannot be written: a JSON"):
        field.write(path, formats=KNOWN)
    assert not list(tmp_path.iterdir())
