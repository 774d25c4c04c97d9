"""The page of a pair: nothing from the network, any storage, folds, what was done."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.image import imread
from world import smooth

from autoreg_jax import inference
from autoreg_jax.alignment import Alignment
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference import Evidence, Registered, Trust
from autoreg_jax.inference.optimisation import ComparedBy
from autoreg_jax.report import _pair_page, pair_page
from autoreg_jax.transforms import Transform

SHAPE = (14, 12, 10)


def registered(flips=(1, 1, 1), **more):
    """A pair with a single fold, its fixed image stored along flipped axes."""
    affine = np.diag([2.0, 2.5, 3.0, 1.0])
    grid = Grid(SHAPE, affine)
    vectors = np.zeros((*SHAPE, 3))
    vectors[7, 6, 5, 0] = 9.0
    transform = Transform.displacement(vectors, grid)
    image = smooth(SHAPE, 1)
    image[7, 6, 5] = 40.0  # the slices go through it
    turn = np.diag([*flips, 1.0])
    for axis, flip in enumerate(flips):
        if flip < 0:
            image = np.flip(image, axis)
            turn[axis, 3] = SHAPE[axis] - 1
    fixed = Volume(np.ascontiguousarray(image), affine @ turn)
    moving = Volume(smooth(SHAPE, 2), affine)
    return Registered(fixed, moving, transform, 0.001, 0.2, 0.6, 3.0, **more)


def pictures(page):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [imread(io.BytesIO(base64.b64decode(text))) for text in found]


def test_the_storage_of_the_image_does_not_show():
    slices = [list(_pair_page._slices(registered(f))) for f in ((1, 1, 1), (-1, 1, -1))]
    for one, other in zip(*slices, strict=True):
        for name in ("ratio", "fixed", "before", "moved", "squares", "jacobian"):
            assert getattr(one, name) == getattr(other, name)
    # Patient's right on the left of the page, front at the top: 14 by 12 voxels.
    assert slices[0][0].title.startswith("axial")
    assert slices[0][0].ratio == pytest.approx(14 * 2 / (12 * 2.5))


def test_the_page_holds_everything():
    alignment = Alignment(np.eye(4), 0.4, 0.3, False, "It turns by 90°.", "ncc", 0.9)
    found = registered(
        alignment=alignment,
        refined_steps=30,
        compared_by=ComparedBy("ncc", "Both say so.", ("ncc", "mind")),
        warnings=("Look <here>.",),
        trust=Trust(Evidence(0.0, 0.1, 0.1, 0.0, 0.0, 0.1, 0.0, 0.001)),
    )
    page = pair_page(found, found.summary() | {"dice_before": 0.5, "dice": 0.75})
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count('type="range"') == 6
    for text in (
        "not used: agreement (correlation) 0.300 by the headers, 0.400",
        "which is not trusted: It turns by 90°.</li>",
        "30 steps at each resolution at most, without a model",
        "Compared by local correlation of grey values (ncc), for images of one "
        "contrast + similarity of structure (MIND), for",
        "too. Both say so.",
        "Look &lt;here&gt;.",
        "Doubtful: the map folds in 0.1 % of the voxels (usual: below 0.05 %).",
        "<td>0.20</td>",
        "0.500 → 0.750",
        "0.200 → 0.600",
    ):
        assert text in page
    shown = pictures(page)
    assert len(shown) == 3 * (2 + 2 + 3)
    folded = found.jacobian_determinant() <= 0
    assert folded[:, :, 5].sum() > 0
    magenta = np.all(np.isclose(shown[-3][..., :3], [0.8, 0, 0.8], atol=0.01), -1)
    assert magenta.sum() == folded[:, :, 5].sum()


def test_a_report_needs_somebody_to_make_it(tmp_path):
    with pytest.raises(ConfigError, match="nothing makes the page"):
        registered().save(tmp_path / "o_", extra=["report"])
    found, path = (
        registered(),
        inference.output_paths(tmp_path / "o_", extra=["report"]),
    )
    written = found.write({"report": path["report"]}, page=pair_page)
    assert written == (tmp_path / "o_report.html",)
    assert written[0].read_text() == pair_page(found, found.summary())
