"""Points of ANTs, Slicer, elastix, ITK-SNAP: in and out in their format and space."""

import csv
import json
import re

import numpy as np
import pytest
from world import make_grid

from autoreg_jax.errors import DataError, ImageWarning
from autoreg_jax.transforms import read_points, write_points

RAS = np.array([[10.0, 2, 30], [-4.5, 5, -6]])
LPS = RAS * [-1, -1, 1]
SHIFT = np.array([1.0, 2, 3])
GRID = make_grid((20, 18, 16), (2.0, 3.0, 2.5), (0.2, -0.1, 0.3), (5, -9, 20))
OTHER = make_grid((30, 28, 26), (1.0, 1.5, 2.0), (0, 0.1, 0), (6, -8, 19), -1.0)


def moved(path, **options):
    """What is written of points that are moved by (1, 2, 3) mm in R, A, S."""
    points = read_points(path, **options)
    object.__setattr__(points, "positions", points.positions + SHIFT)
    return write_points(path.parent / "out" / path.name, points).read_text()


@pytest.mark.parametrize(
    ("header", "rest"),
    [
        ("x,y,z,t", "0"),
        ("x,y,z,t,label,comment", "0,7,left eye"),
        ("X,Y,Z,T,label,comment,mass,volume,count", "0,7,left eye,1,2,3"),
        ("x,y,z,label,comment", "7,left eye"),
    ],
)
def test_columns_of_ants_are_along_l_p_s(tmp_path, header, rest):
    path = tmp_path / "p.csv"
    path.write_text("\n".join([header, *(f"{x},{y},{z},{rest}" for x, y, z in LPS)]))
    with pytest.warns(ImageWarning, match=r"p\.csv: its columns are those of ANTs"):
        np.testing.assert_allclose(read_points(path).positions, RAS)
    for space, expected in (("lps", RAS), ("ras", LPS)):
        np.testing.assert_allclose(read_points(path, space=space).positions, expected)
    lines = moved(path, space="lps").splitlines()
    assert lines[0] == header
    assert lines[1].split(",", 3)[3] == rest
    written = np.array([line.split(",")[:3] for line in lines[1:]], float)
    np.testing.assert_allclose(written, (RAS + SHIFT) * [-1, -1, 1])


@pytest.mark.parametrize("header", ["x,y,z", "name,x,y,z", "x,y,z,label", "z,x,y,time"])
def test_other_tables_are_along_r_a_s(tmp_path, header):
    path = tmp_path / "p.csv"
    columns = header.split(",")
    values = dict(zip("xyz", RAS[0], strict=True))
    path.write_text(f"{header}\n{','.join(str(values.get(c, 'a')) for c in columns)}\n")
    np.testing.assert_allclose(read_points(path).positions, RAS[:1])
    np.testing.assert_allclose(read_points(path, space="lps").positions, LPS[:1])


@pytest.mark.parametrize(("axes", "stored"), [("r,a,s", RAS), ("l,p,s", LPS)])
def test_tables_that_slicer_exports_name_their_axes(tmp_path, axes, stored):
    path = tmp_path / "F.csv"
    rows = [f"F,{x},{y},{z},1,1" for x, y, z in stored]
    path.write_text("\n".join([f"label,{axes},defined,selected", *rows]))
    np.testing.assert_allclose(read_points(path).positions, RAS)
    sign = 1 if stored is RAS else -1
    assert moved(path).splitlines()[1].startswith(f"F,{11 * sign}.000000,{4 * sign}.0")


def test_a_plane_of_ants(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("x,y,t\n1,2,0\n")
    with pytest.warns(ImageWarning, match="ANTs"):
        np.testing.assert_allclose(read_points(path).positions, [[-1, -2]])


FCSV = """# Markups fiducial file version = {version}
# CoordinateSystem = {system}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
vtkMRMLMarkupsFiducialNode_0,{a},0,0,0,1,1,1,0,F-1,"a, b",
vtkMRMLMarkupsFiducialNode_1,{b},0,0,0,1,1,0,0,F-2,,scan
"""


def fcsv(path, positions, system="LPS", version="5.2"):
    a, b = (",".join(map(str, row)) for row in positions)
    path.write_text(FCSV.format(a=a, b=b, system=system, version=version))
    return path


@pytest.mark.parametrize(
    ("system", "version", "stored"),
    [("LPS", "5.2", LPS), ("1", "4.10", LPS), ("RAS", "4.11", RAS), ("0", "4.6", RAS)],
)
def test_fcsv_of_slicer_says_its_space(tmp_path, system, version, stored):
    path = fcsv(tmp_path / "F.fcsv", stored, system, version)
    np.testing.assert_allclose(read_points(path).positions, RAS)
    before, after = path.read_text().splitlines(), moved(path).splitlines()
    assert after[:3] == before[:3]
    sign = 1 if stored is RAS else -1
    for old, new in zip(csv.reader(before[3:]), csv.reader(after[3:]), strict=True):
        assert (old[0], old[4:]) == (new[0], new[4:])
        change = np.array(new[1:4], float) - np.array(old[1:4], float)
        np.testing.assert_allclose(change, [sign, 2 * sign, 3])


def test_fcsv_without_its_space_or_in_voxels(tmp_path):
    path = fcsv(tmp_path / "F.fcsv", RAS)
    text = path.read_text().replace("# CoordinateSystem = LPS\n", "")
    path.write_text(text)
    with pytest.warns(ImageWarning, match="read as mm along R, A, S"):
        np.testing.assert_allclose(read_points(path).positions, RAS)
    np.testing.assert_allclose(read_points(path, space="lps").positions, LPS)
    for system in ("IJK", "2"):
        with pytest.raises(DataError, match=f"coordinate system is {system}"):
            read_points(fcsv(path, RAS, system))


def test_fcsv_of_slicer_3(tmp_path):
    path = tmp_path / "F.fcsv"
    path.write_text(
        "# Fiducial List file F.fcsv\n# CoordinateSystem = 0\n"
        "# columns = label,x,y,z,sel,vis\nF-1,10,2,30,1,1\n"
    )
    np.testing.assert_allclose(read_points(path).positions, RAS[:1])
    assert moved(path).endswith("F-1,11.000000,4.000000,33.000000,1,1\n")


def markup(positions, system="LPS", kind="Fiducial", **extra):
    points = [
        {
            "id": str(number),
            "label": f"é {number}",
            "position": list(map(float, position)),
            "orientation": [-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0],
            "positionStatus": "defined",
        }
        for number, position in enumerate(positions)
    ]
    extra = {"coordinateSystem": system, "coordinateUnits": "mm"} | extra
    return {
        "type": kind,
        "controlPoints": points,
        "display": {"color": [1, 0, 0]},
    } | extra


def write(path, *markups):
    path.write_text(json.dumps({"@schema": "https://…", "markups": markups}))
    return path


@pytest.mark.parametrize("name", ["F.mrk.json", "F.json"])
def test_markups_of_slicer_each_in_its_own_space(tmp_path, name):
    path = write(
        tmp_path / name,
        markup(LPS),
        markup(RAS, "RAS", "Curve", measurements=[{"name": "length", "value": 3.0}]),
        markup(LPS, kind="Line"),
    )
    np.testing.assert_allclose(read_points(path).positions, np.tile(RAS, (3, 1)))
    old, new = json.loads(path.read_text()), json.loads(moved(path))
    for one, other, signs in zip(
        old["markups"],
        new["markups"],
        ([-1, -1, 1], [1, 1, 1], [-1, -1, 1]),
        strict=True,
    ):
        for before, after in zip(
            one.pop("controlPoints"), other.pop("controlPoints"), strict=True
        ):
            change = np.subtract(after.pop("position"), before.pop("position"))
            np.testing.assert_allclose(change, SHIFT * signs)
            assert before == after
        # Slicer computes them anew; what was written before is no longer true.
        assert other.get("measurements", []) == []
        one.pop("measurements", None)
        other.pop("measurements", None)
        assert one == other
    assert {k: v for k, v in old.items() if k != "markups"} == {"@schema": "https://…"}


def test_markups_that_have_no_space_or_no_position(tmp_path):
    one = markup(LPS)
    del one["coordinateSystem"]  # the schema says LPS
    del one["type"]
    nowhere = {"id": "9", "position": [0, 0, 0], "positionStatus": "undefined"}
    one["controlPoints"].insert(1, nowhere)
    path = write(tmp_path / "F.mrk.json", one)
    np.testing.assert_allclose(read_points(path).positions, RAS)
    points = json.loads(moved(path))["markups"][0]["controlPoints"]
    assert points[1] == nowhere
    np.testing.assert_allclose(points[2]["position"], [3.5, -7, -3])


@pytest.mark.parametrize("kind", ["ROI", "Plane"])
def test_markups_that_are_no_points_are_refused(tmp_path, kind):
    path = write(tmp_path / "F.mrk.json", markup(LPS, kind=kind))
    with pytest.raises(DataError, match=f"markup of the type {kind}"):
        read_points(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a markups file"),
        ("[]", "not a markups file"),
        ('{"markups": [{"type": "Fiducial", "controlPoints": 3}]}', "not a markups"),
        (json.dumps({"markups": [markup([[1, 2]])]}), "three coordinates"),
        (json.dumps({"markups": [markup([[1, 2, np.nan]])]}), "finite numbers"),
        (json.dumps({"markups": [markup(RAS, "IJK")]}), "coordinate system is IJK"),
        (json.dumps({"markups": [markup(RAS, coordinateUnits="um")]}), "unit is 'um'"),
    ],
)
def test_damaged_markups(tmp_path, content, message):
    (tmp_path / "F.mrk.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_points(tmp_path / "F.mrk.json")


def elastix(path, positions, word="point"):
    body = [" ".join(map(str, row)) for row in positions]
    path.write_text("\n".join([word, str(len(body)), *body]) + "\n")
    return path


@pytest.mark.parametrize("name", ["p.txt", "p.pts"])
def test_points_of_elastix_are_along_l_p_s(tmp_path, name):
    path = elastix(tmp_path / name, LPS)
    np.testing.assert_allclose(read_points(path).positions, RAS)
    lines = moved(path).splitlines()
    assert lines[:2] == ["point", "2"]
    written = np.array([line.split() for line in lines[2:]], float)
    np.testing.assert_allclose(written, (RAS + SHIFT) * [-1, -1, 1])


def test_blank_lines_between_points_of_elastix(tmp_path):
    path = elastix(tmp_path / "p.txt", LPS)
    path.write_text(path.read_text().replace("\n", "\n\n").replace(" ", "\t "))
    np.testing.assert_allclose(read_points(path).positions, RAS)


def test_voxels_of_elastix_need_their_image_and_become_points(tmp_path):
    index = [[3, 4, 5], [0, 17, 1]]
    path = elastix(tmp_path / "p.txt", index, "index")
    with pytest.raises(DataError, match="--points-image"):
        read_points(path)
    here = GRID.to_world(np.array(index, float))
    np.testing.assert_allclose(read_points(path, drawn_on=GRID).positions, here)
    lines = moved(path, drawn_on=GRID).splitlines()
    assert lines[0] == "point"
    written = np.array([line.split() for line in lines[2:]], float)
    np.testing.assert_allclose(written, (here + SHIFT) * [-1, -1, 1], atol=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "begins with the line"),
        ("2\n1 2 3\n4 5 6\n", "found '2'"),
        ("point\n3\n1 2 3\n", "promises 3 points .* has 1 rows"),
        ("point\n2\n1 2 3\n1 2\n", "some three"),
        ("point\n1\n1 2 x\n", "finite numbers"),
        ("Point\t0\t; InputIndex = [ 1 2 3 ]", "begins with the line"),
    ],
)
def test_damaged_points_of_elastix(tmp_path, content, message):
    (tmp_path / "p.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        read_points(tmp_path / "p.txt")


ANNOT = """<?xml version="1.0" encoding="UTF-8" ?>
<registry>
  <entry key="Format" value="ITK-SNAP Annotation File" />
  <entry key="FormatDate" value="20150624" />
  <folder key="Annotations" >
    <entry key="ArraySize" value="2" />
    <folder key="Element[0]" >
      <entry key="Pos" value="3.5 4.5 5.5" />
      <entry key="Text" value="tip" />
      <entry key="Type" value="LandmarkAnnotation" />
    </folder>
    <folder key="Element[1]" >
      <entry key="Point1" value="0.5 0.5 0.5" />
      <entry key="Point2" value="10 11 12" />
      <entry key="Type" value="LineSegmentAnnotation" />
    </folder>
  </folder>
</registry>
"""


def test_annotations_of_itk_snap_count_voxels_from_a_corner(tmp_path):
    path = tmp_path / "a.annot"
    path.write_text(ANNOT)
    points = read_points(path, drawn_on=GRID, moved_to=OTHER)
    index = np.array([[3.0, 4, 5], [0, 0, 0], [9.5, 10.5, 11.5]])
    np.testing.assert_allclose(points.positions, GRID.to_world(index))
    text = moved(path, drawn_on=GRID, moved_to=OTHER)
    there = OTHER.to_voxels(GRID.to_world(index) + SHIFT) + 0.5
    for row in there:
        assert " ".join(f"{value:.6f}" for value in row) in text
    kept = [line for line in text.splitlines() if "Po" not in line]
    assert kept == [line for line in ANNOT.splitlines() if "Po" not in line]
    with pytest.raises(DataError, match=r"--points-image.* \(-r\)"):
        read_points(path, drawn_on=GRID)


def test_points_are_written_in_the_format_they_came_in(tmp_path):
    points = read_points(fcsv(tmp_path / "F.fcsv", LPS))
    with pytest.raises(DataError, match=r"a \.fcsv file are written as \.fcsv"):
        write_points(tmp_path / "o.csv", points)
    with pytest.raises(DataError, match="must end in one of"):
        read_points(tmp_path / "p.vtk")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", b"x;y;z\n1;2;3\n", "found x;y;z. Separate the columns by commas"),
        ("p.csv", b"x\ty\tz\n1\t2\t3\n", "Separate the columns by commas"),
        ("p.csv", "x,y,z\n1,2,3\n".encode("utf-16"), "is not a text in UTF-8"),
        ("p.json", b'[{"position": [1, 2, 3]}]', "it has no list 'markups'"),
        ("p.mrk.json", b'{"markups": 3}', "it has no list 'markups'"),
    ],
)
def test_what_is_no_such_table_is_said_in_words(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)):
        read_points(path)
