"""Along the walks of a pair and of a cohort nothing is read or computed twice."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from walk import follow

from autoreg_jax import data, geometry
from autoreg_jax.cli import main


def image(seed, shape=(16, 18), shift=0.0):
    """A smooth image on a grid of its own."""
    rng = np.random.default_rng(seed)
    affine = np.diag([2.0, 2.0 + 0.1 * shift, 2.0, 1.0])
    affine[0, 3] = shift
    array = gaussian_filter(rng.random(shape), 2).astype(np.float32)
    return geometry.Volume(array * 1000, affine)


def repeated(walk):
    """Work that is done again. A grid is asked as often as an array."""
    found = follow(walk).repeated
    return {name for name in found if not name.startswith("geometry/_grid.py")}


def test_a_walk_notices_what_is_read_again(tmp_path):
    path = data.write_volume(tmp_path / "image.nii.gz", image(0))
    walk = follow(lambda: (data.read_image(path), data.read_image(path)))
    assert walk.repeated["data/images/_reading.py: read_image"] == 2
    assert "nifti/_place.py" in walk.modules


@pytest.mark.slow
def test_a_pair_is_read_checked_and_mapped_once(tmp_path, capsys):
    for name, volume in (("f", image(0)), ("m", image(1, (15, 17), shift=1.0))):
        data.write_volume(tmp_path / f"{name}.nii.gz", volume)
    command = [
        "register",
        *("-f", str(tmp_path / "f.nii.gz"), "-m", str(tmp_path / "m.nii.gz")),
        *("-o", f"{tmp_path}/out_", "--affine", "none", "--refine", "2"),
    ]
    # A small image is as coarse for the mirror test as for the agreement; an image that
    # is read already goes through `read_image` as it is, and no reader is called again.
    expected = {
        "data/images/_names.py: is_image_name",
        "data/images/_reading.py: read_image",
        "inference/trust/_agreement.py: coarse",
    }
    assert repeated(lambda: main(command)) <= expected
    assert "written" in capsys.readouterr().out


def test_a_row_becomes_a_cohort_and_its_files_are_read_once(tmp_path):
    rows = ["subject,image,labels,split"]
    for seed, split in enumerate(("train", "train", "validation", "validation")):
        volume = image(seed)
        data.write_volume(tmp_path / f"{seed}.nii.gz", volume)
        labels = (volume.array > np.median(volume.array)).astype(np.int32)
        labels = geometry.Volume(labels, volume.affine)
        data.write_volume(tmp_path / f"{seed}_labels.nii.gz", labels)
        rows.append(f"s{seed},{seed}.nii.gz,{seed}_labels.nii.gz,{split}")
    (tmp_path / "dataset.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "structures.csv").write_text("value,name\n1,bright\n")

    def load():
        dataset = data.read_dataset(tmp_path / "dataset.csv")
        return data.load_cohorts(dataset, ("train", "validation"))

    # Headers are looked at for subjects that are in two splits.
    assert repeated(load) <= {"data/images/_names.py: is_image_name"}
