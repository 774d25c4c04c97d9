"""Tables of points."""

import numpy as np
import pytest

from autoreg_jax.errors import DataError
from autoreg_jax.transforms import read_points, write_points


def test_other_columns_are_kept(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text('name,z,x,y,note\na,3,1,2,"x, y"\nb,-6,4.5,5,\n')
    points = read_points(path)
    np.testing.assert_array_equal(points.positions, [[1, 2, 3], [4.5, 5, -6]])
    written = write_points(tmp_path / "new" / "q.csv", points)
    np.testing.assert_array_equal(read_points(written).positions, points.positions)
    lines = written.read_text().splitlines()
    assert lines[0] == "name,z,x,y,note"
    assert lines[1] == 'a,3.000000,1.000000,2.000000,"x, y"'


def test_a_plane(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("x,y\n1,2\n")
    assert read_points(path).positions.shape == (1, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "found nothing"),
        ("a,b\n1,2\n", "found a,b"),
        ("x,y,x\n1,2,3\n", "each column once"),
        ("x,y,z\n1,2\n", "row 2: 2 cells for 3"),
        ("x,y,z\n1,2,3\n1,b,3\n", "row 3: x, y and z must be"),
        ("x,y,z\n1,2,nan\n", "finite"),
        ('x,y,z\n"1,2', "not a CSV"),
    ],
)
def test_bad_tables(tmp_path, content, message):
    path = tmp_path / "p.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_points(path)


def test_no_table(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_points(tmp_path / "p.csv")
