"""Datasets are read as they are downloaded; what is not clear is said, not guessed."""

import json

import nibabel
import numpy as np
import pytest

from autoreg_jax.cli import main
from autoreg_jax.data import match_images, read_dataset
from autoreg_jax.errors import DataError, ImageWarning

AFFINE = np.diag([4.0, 4, 4, 1])
SHAPE = (10, 11, 12)


class Folder:
    """Writes images that all differ, and label maps, below a folder."""

    def __init__(self, path):
        self.path, self.rng = path, np.random.default_rng(0)

    def write(self, name, array, affine):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = nibabel.MGHImage if name.endswith(".mgz") else nibabel.Nifti1Image
        # nibabel knows endings in lower case only.
        nibabel.save(kind(array, affine), path.with_name(path.name.lower()))
        path.with_name(path.name.lower()).rename(path)

    def images(self, *names, affine=AFFINE):
        for name in names:
            self.write(name, self.rng.random(SHAPE).astype(np.float32), affine)

    def labels(self, *names, affine=AFFINE, dtype=np.uint8):
        array = np.zeros(SHAPE, dtype)
        array[2:8, 2:9, 2:10] = 1
        array[4:6, 4:7, 4:8] = 3
        for name in names:
            self.write(name, array, affine)

    def junk(self, *names):
        for name in names:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_bytes(b"\0\5\x16\7Mac OS X")

    def json(self, **content):
        (self.path / "dataset.json").write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def by_name(dataset):
    return {subject.name: subject for subject in dataset.subjects}


def labels_of(dataset):
    return {s.name: s.labels and s.labels.name for s in dataset.subjects}


def plans(path):
    """Whether `autoreg plan` takes a dataset: all files are read, on one grid each."""
    return main(["plan", str(path), "--json"]) == 0


# Decathlon and nnU-Net


def test_decathlon_as_it_is_unpacked(folder):
    names = [f"organ_{k:03d}.nii.gz" for k in range(12)]
    folder.images(*(f"imagesTr/{n}" for n in names[:8]))
    folder.images(*(f"imagesTs/{n}" for n in names[8:]))
    folder.labels(*(f"labelsTr/{n}" for n in names[:8]))
    for part in ("imagesTr", "imagesTs", "labelsTr"):
        folder.junk(f"{part}/._{names[0]}", f"{part}/.DS_Store")
    folder.junk("._dataset.json")
    folder.json(
        name="Organ",
        modality={"0": "MRI"},
        labels={"0": "background", "1": "a", "3": "b"},
        numTraining=8,
        numTest=4,
        training=[
            {"image": f"./imagesTr/{n}", "label": f"./labelsTr/{n}"} for n in names[:8]
        ],
        test=[f"./imagesTs/{n}" for n in names[8:]],
    )
    dataset = read_dataset(folder.path)
    assert len(dataset.split("test")) == 4
    for s in dataset.subjects:
        assert s.modality == "MRI"
        assert (s.labels is None) == (s.split == "test")
    assert plans(folder.path)


def nnunet(folder, cases, channels, ending=".nii.gz"):
    for part, numbers in cases.items():
        for number in numbers:
            case = f"case_{number:03d}"
            names = [f"{case}_{c:04d}" for c in range(channels)]
            folder.images(*(f"images{part}/{n}{ending}" for n in names))
            folder.labels(f"labels{part}/{case}{ending}")


def test_nnunet_1_lists_names_without_the_number_of_the_channel(folder):
    nnunet(folder, {"Tr": range(8), "Ts": (20, 21)}, 2)
    folder.json(
        name="Task500",
        modality={"0": "T1", "1": "T2"},
        training=[
            {
                "image": f"./imagesTr/case_{k:03d}.nii.gz",
                "label": f"./labelsTr/case_{k:03d}.nii.gz",
            }
            for k in range(8)
        ],
        test=[f"./imagesTs/case_{k:03d}.nii.gz" for k in (20, 21)],
    )
    dataset = read_dataset(folder.path)
    subjects = by_name(dataset)
    assert len(subjects) == 20
    assert subjects["case_003_0001"].modality == "T2"
    for name, subject in subjects.items():
        assert subject.labels.name == f"{name[:8]}.nii.gz"
        assert (subject.split == "test") == ("_02" in name)
        assert subject.split == subjects[f"{name[:8]}_0000"].split
    assert plans(folder.path)


@pytest.mark.parametrize(
    ("channels", "ending"),
    [
        ({"0": "CT"}, ".nii.gz"),
        ({"0": "T1", "1": "FLAIR"}, ".NII.GZ"),
        ({"T1": 0, "FLAIR": 1}, ".nii"),
    ],
    ids=["one", "two, in capitals", "written the other way round"],
)
def test_nnunet_2_lists_no_files(folder, channels, ending):
    nnunet(folder, {"Tr": range(6), "Ts": (20, 21)}, len(channels), ending)
    folder.junk(f"imagesTr/._case_001_0000{ending}")
    folder.json(
        channel_names=channels,
        labels={"background": 0, "a": 1, "b": 3},
        numTraining=6,
        file_ending=ending,
    )
    dataset = read_dataset(folder.path / "dataset.json")
    assert len(dataset.subjects) == 8 * len(channels)
    for name, subject in by_name(dataset).items():
        assert subject.labels.name == f"{name[:8]}{ending}"
        assert (subject.split == "test") == ("_02" in name)
    modalities = [s.modality for s in dataset.subjects[: len(channels)]]
    assert modalities == (["CT"] if len(channels) == 1 else ["T1", "FLAIR"])


def test_nnunet_2_may_list_its_files(folder):
    nnunet(folder, {"Tr": range(8)}, 1)
    listed = {
        f"case_{k:03d}": {
            "images": [f"imagesTr/case_{k:03d}_0000.nii.gz"],
            "label": f"labelsTr/case_{k:03d}.nii.gz",
        }
        for k in range(7)
    }
    folder.json(channel_names={"0": "CT"}, file_ending=".nii.gz", dataset=listed)
    assert list(by_name(read_dataset(folder.path))) == [f"{k}_0000" for k in listed]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"file_ending": ".png"}, r"its images are \.png files"),
        ({"file_ending": ".nii"}, r"no .*imagesTr with files CASE_0000\.nii;"),
        ({"rename": "."}, r"no .*imagesTr with files CASE_0000\.nii\.gz;"),
        ({"remove": "labelsTr/case_002.nii.gz"}, r"case_002\.nii\.gz does not exist"),
    ],
)
def test_nnunet_2_that_cannot_be_read(folder, damage, message):
    nnunet(folder, {"Tr": range(6)}, 1)
    if "remove" in damage:
        (folder.path / damage["remove"]).unlink()
    if "rename" in damage:
        for file in (folder.path / "imagesTr").iterdir():
            file.rename(file.with_name(file.name.replace("_0000", ".0000")))
    ending = damage.get("file_ending", ".nii.gz")
    folder.json(channel_names={"0": "CT"}, labels={}, file_ending=ending)
    with pytest.raises(DataError, match=message):
        read_dataset(folder.path)


# Learn2Reg before it had descriptions


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("Training/img/img{:04d}", "Training/label/label{:04d}"),
        ("Training/img/hippocampus_{:03d}", "Training/label/hippocampus_{:03d}"),
        ("Train/img{:04d}_bcv_CT", "Train/seg{:04d}_bcv_CT"),
        ("training/scans/case_{:03d}_exp", "training/lungMasks/case_{:03d}_exp"),
    ],
    ids=["2020, 3", "2020, 4", "2021, 1", "2020, 2"],
)
def test_learn2reg_of_the_first_years(folder, image, labels):
    folder.images(*(f"{image.format(k)}.nii.gz" for k in range(1, 9)))
    folder.labels(*(f"{labels.format(k)}.nii.gz" for k in range(1, 9)))
    for number, subject in enumerate(read_dataset(folder.path).subjects, start=1):
        assert subject.image == folder.path / f"{image.format(number)}.nii.gz"
        found = subject.mask if "Masks" in labels else subject.labels
        assert found == folder.path / f"{labels.format(number)}.nii.gz"


def test_oasis_of_learn2reg_2021(folder):
    for k in range(7):
        person = f"OASIS_OAS1_{k:04d}_MR1"
        folder.images(*(f"{person}/{n}.nii.gz" for n in ("norm", "aligned_norm")))
        segs = ("seg4", "seg35", "aligned_seg4", "aligned_seg35")
        folder.labels(*(f"{person}/{n}.nii.gz" for n in segs))
    dataset = read_dataset(folder.path)
    assert dataset.subjects[0].name == "OASIS_OAS1_0000_MR1"
    for subject in dataset.subjects:
        assert subject.image.name == "aligned_norm.nii.gz"
        assert subject.labels.name == "aligned_seg35.nii.gz"
        assert subject.image.parent == subject.labels.parent


def test_freesurfer(folder):
    for k in range(6):
        names = ("T1", "brain", "norm") if k else ("T1", "brain")
        folder.images(*(f"p{k}/mri/{name}.mgz" for name in names))
        folder.labels(*(f"p{k}/mri/{n}.mgz" for n in ("aseg",)))
    folder.images("fsaverage/mri/brain.mgz")
    folder.labels("p1/mri/aparc+aseg.mgz")
    dataset = read_dataset(folder.path)
    assert [s.name for s in dataset.subjects] == [f"p{k}" for k in range(6)]
    assert {s.image.name for s in dataset.subjects} == {"brain.mgz"}
    assert {s.labels.name for s in dataset.subjects} == {"aseg.mgz"}
    assert "mri/brain.mgz of each person with mri/aseg.mgz" in dataset.notes[0]
    assert plans(folder.path)


def test_time_points_and_template_of_freesurfer_are_one_person(folder):
    for k in range(6):
        points = [f"p{k}_may", f"p{k}_june"]
        names = [*points, f"p{k}", *(f"{point}.long.p{k}" for point in points)]
        folder.images(*(f"{name}/mri/norm.mgz" for name in names))
    found = {}
    for name, subject in by_name(read_dataset(folder.path)).items():
        assert subject.person == name[:2]
        found.setdefault(name[:2], set()).add((subject.person, subject.split))
    assert [len(splits) for splits in found.values()] == [1] * 6


# BIDS


def bids(folder, scans=("T1w",), people=6):
    for k in range(people):
        folder.images(*(f"sub-{k:02d}/anat/sub-{k:02d}_{s}.nii.gz" for s in scans))


def derived(folder, *words, people=6, pipeline="fmriprep", affine=AFFINE):
    for k in range(people):
        top = f"derivatives/{pipeline}/sub-{k:02d}/anat/sub-{k:02d}"
        for word in words:
            write = folder.images if word.endswith("T1w") else folder.labels
            write(f"{top}_{word}.nii.gz", affine=affine)


def notes(dataset):
    return " ".join(dataset.notes)


def test_fmriprep_has_three_label_maps_for_everybody(folder):
    bids(folder)
    kinds = ("desc-aseg_dseg", "dseg", "desc-aparcaseg_dseg")
    derived(folder, *kinds, *(f"space-MNI152NLin6Asym_res-2_{k}" for k in kinds))
    dataset = read_dataset(folder.path)
    for name, labels in labels_of(dataset).items():
        assert labels == f"{name[:6]}_desc-aseg_dseg.nii.gz"
    assert "desc-aseg of fmriprep (6 scans) is used" in notes(dataset)
    assert "desc-aparcaseg of fmriprep (6)" in notes(dataset)
    assert "the plain one of fmriprep (6)" in notes(dataset)
    assert plans(folder.path)


def test_a_kind_that_all_have_comes_before_a_better_one_that_some_have(folder):
    bids(folder)
    derived(folder, "dseg")
    derived(folder, "desc-aseg_dseg", people=3)
    assert labels_of(read_dataset(folder.path))["sub-00_T1w"] == "sub-00_dseg.nii.gz"


def test_one_label_map_is_not_given_to_two_runs(folder):
    bids(folder, ("run-1_T1w", "run-2_T1w"))
    derived(folder, "dseg")
    dataset = read_dataset(folder.path)
    assert len(dataset.subjects) == 12
    assert set(labels_of(dataset).values()) == {None}
    assert "sub-00_dseg.nii.gz and 5 more: fits several scans" in notes(dataset)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("run-1", "run-2"),
        ("acq-mprage", "acq-lowres"),
        ("rec-norm", "rec-raw"),
        ("ce-gadolinium", "echo-1"),
    ],
)
def test_a_label_map_is_that_of_the_scan_it_names(folder, one, other):
    bids(folder, (f"{one}_T1w", f"{other}_T1w"))
    derived(folder, f"{one}_desc-aseg_dseg")
    found = labels_of(read_dataset(folder.path))
    assert found[f"sub-03_{one}_T1w"] == f"sub-03_{one}_desc-aseg_dseg.nii.gz"
    assert found[f"sub-03_{other}_T1w"] is None


def test_derivatives_without_a_folder_of_the_pipeline(folder):
    bids(folder)
    derived(folder, "dseg", pipeline=".")
    assert None not in labels_of(read_dataset(folder.path)).values()


def test_runs_are_numbers(folder):
    bids(folder, ("run-1_T1w",))
    derived(folder, "run-01_dseg")
    assert None not in labels_of(read_dataset(folder.path)).values()


def test_a_label_map_of_a_session_is_not_that_of_another(folder):
    for k in range(6):
        for ses in ("ses-a", "ses-b"):
            name = f"sub-{k:02d}/{ses}/anat/sub-{k:02d}_{ses}"
            folder.images(f"{name}_T1w.nii.gz")
        folder.labels(f"derivatives/x/{name}_dseg.nii.gz")
        folder.labels(f"derivatives/x/sub-{k:02d}/anat/sub-{k:02d}_dseg.nii.gz")
    for name, labels in labels_of(read_dataset(folder.path)).items():
        assert (labels is None) == ("ses-a" in name)
        assert labels is None or "ses-b" in labels


def test_a_label_map_of_a_functional_series_is_not_that_of_the_scan(folder):
    bids(folder)
    for k in range(6):
        top = f"derivatives/fmriprep/sub-{k:02d}/func/sub-{k:02d}_task-rest"
        folder.labels(f"{top}_space-T1w_desc-aseg_dseg.nii.gz")
    assert set(labels_of(read_dataset(folder.path)).values()) == {None}


def test_a_plain_label_map_is_that_of_t1w_if_t2w_is_on_another_grid(folder):
    bids(folder)
    coarse = np.diag([5.0, 5, 5, 1])
    for k in range(6):
        folder.images(f"sub-{k:02d}/anat/sub-{k:02d}_T2w.nii.gz", affine=coarse)
    derived(folder, "dseg")
    dataset = read_dataset(folder.path)
    assert len(dataset.subjects) == 6
    for name, labels in labels_of(dataset).items():
        assert name.endswith("T1w")
        assert labels is not None
    assert "6 T2w scans have no label map and are not used." in dataset.notes
    assert plans(folder.path)


def test_scans_of_the_pipeline_are_used_where_its_label_maps_are_on_their_grid(folder):
    bids(folder)
    turned = np.diag([-4.0, 4, 4, 1])  # fMRIPrep writes all images in RAS+
    turned[0, 3] = 36
    derived(folder, "desc-preproc_T1w", "desc-aseg_dseg", "dseg", affine=turned)
    dataset = read_dataset(folder.path)
    assert {s.image.parts[-5] for s in dataset.subjects} == {"derivatives"}
    assert labels_of(dataset)["sub-02_desc-preproc_T1w"].endswith(
        "desc-aseg_dseg.nii.gz"
    )
    assert "derivatives/fmriprep are used, not the raw ones" in notes(dataset)
    assert plans(folder.path)


def test_the_output_folder_of_fmriprep_alone(folder):
    for k in range(6):
        top = f"sub-{k:02d}/anat/sub-{k:02d}"
        for space in ("", "space-MNI152NLin2009cAsym_res-2_"):
            folder.images(f"{top}_{space}desc-preproc_T1w.nii.gz")
            folder.labels(
                f"{top}_{space}dseg.nii.gz", f"{top}_{space}desc-brain_mask.nii.gz"
            )
        folder.images(f"{top}_label-GM_probseg.nii.gz")
        folder.labels(f"{top}_desc-aseg_dseg.nii.gz")
    dataset = read_dataset(folder.path)
    assert list(by_name(dataset)) == [f"sub-{k:02d}_desc-preproc_T1w" for k in range(6)]
    for name, subject in by_name(dataset).items():
        assert subject.labels.name == f"{name[:6]}_desc-aseg_dseg.nii.gz"
        assert subject.mask.name == f"{name[:6]}_desc-brain_mask.nii.gz"
    assert "6 others are not" in notes(dataset)
    assert plans(folder.path)


def test_images_that_are_in_a_template_space_alone_get_its_label_maps(folder):
    for k in range(6):
        top = f"sub-{k:02d}/anat/sub-{k:02d}"
        folder.images(f"{top}_space-MNI152_res-1_desc-preproc_T1w.nii.gz")
        folder.labels(f"{top}_space-MNI152_res-1_dseg.nii.gz")
        folder.labels(f"{top}_space-MNI152_res-2_dseg.nii.gz", f"{top}_dseg.nii.gz")
    for name, labels in labels_of(read_dataset(folder.path)).items():
        assert labels == f"{name[:6]}_space-MNI152_res-1_dseg.nii.gz"


@pytest.mark.parametrize("name", ["sub-01_T1w.nii.gz", "p1.nii.gz"])
def test_a_link_to_what_was_not_fetched_is_said(folder, name):
    is_bids = name.startswith("sub")
    bids(folder) if is_bids else folder.images(*(f"p{k}.nii.gz" for k in range(6)))
    place = folder.path / ("sub-01/anat" if is_bids else "") / name
    place.unlink()
    place.symlink_to("../../.git/annex/objects/x.nii.gz")
    with pytest.raises(DataError, match=rf"{name} is a link .* datalad get"):
        read_dataset(folder.path)


# Folders without any description


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("images/p{}.nii.gz", "labels/p{}.nii.gz"),
        ("Images/P{}.NII.GZ", "Segmentations/P{}.NII.GZ"),
        ("p{}_0000.nii.gz", "p{}_seg.nii.gz"),
        ("p{}/t1.nii", "p{}/seg.nii"),
        ("img{}.nii.gz", "label{}.nii.gz"),
        ("p{}_T1.nii.gz", "p{}_ground_truth.nii.gz"),
        ("p{}/image.nii.gz", "p{}/label.nii.gz"),
        # By what they hold.
        ("p{}.nii.gz", "p{}_structures.nii.gz"),
        ("p{}.nii.gz", "p{}-lobes.nii.gz"),
    ],
)
def test_label_maps_are_found(folder, images, labels):
    folder.images(*(images.format(k) for k in range(1, 12)))
    folder.labels(*(labels.format(k) for k in range(1, 12)))
    folder.junk("._p1.nii.gz", ".DS_Store", "__MACOSX/._x.nii.gz")
    subjects = read_dataset(folder.path).subjects
    assert len(subjects) == 11
    found = {s.image: s.labels for s in subjects}
    for k in range(1, 12):
        place = folder.path / images.format(k)
        assert found[place] == folder.path / labels.format(k)


def test_an_image_of_whole_numbers_is_no_label_map(folder):
    rng = np.random.default_rng(1)
    for k in range(6):
        folder.images(f"p{k}.nii.gz")
        # 8 bit, as of a microscope, and of few values, as of a coarse display.
        for name, high in (("stain", 255), ("late", 12)):
            array = rng.integers(0, high, SHAPE).astype(np.uint8)
            folder.write(f"p{k}_{name}.nii.gz", array, AFFINE)
    assert len(read_dataset(folder.path).subjects) == 18


def test_a_table_of_another_system(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.path))
    names = [f"Bilder/M\u00fcller {k}.nii.gz" for k in range(6)]
    folder.images(*names)
    rows = [names[0].replace("/", "\\"), names[1].replace("\u00fc", "u\u0308")]
    rows += [f"~/{names[2]}", *names[3:]]
    lines = [f"s{k},{name}" for k, name in enumerate(rows)]
    (folder.path / "d.csv").write_text("\n".join(["subject,image", *lines]))
    found = [s.image for s in read_dataset(folder.path / "d.csv").subjects]
    assert found == [folder.path / name for name in names]


# Folders of `autoreg register`


def pair_names(pairs):
    return [pair.name for pair in pairs]


def test_a_folder_of_moving_images(folder, caplog):
    folder.images("f.nii.gz", "in/s1.nii.gz", "in/s2.NII.GZ", "in/s3.nii", "in/s4.mgz")
    folder.labels("in/s1_seg.nii.gz", "in/label_s2.nii.gz", "in/s3_brain_mask.nii")
    folder.junk("in/._s1.nii.gz", "in/.DS_Store", "in/notes.txt")
    with caplog.at_level("INFO"):
        pairs = match_images(folder.path / "f.nii.gz", folder.path / "in")
    assert pair_names(pairs) == [f"s{k}_to_f" for k in (1, 2, 3, 4)]
    assert "not registered: label_s2.nii.gz, s1_seg.nii.gz" in caplog.text


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16])
def test_a_label_map_in_the_folder_that_only_its_voxels_tell(folder, dtype):
    folder.images("f.nii.gz", "in/s1.nii.gz", "in/s2.nii.gz")
    folder.labels("in/lobes.nii.gz", dtype=dtype)
    with pytest.warns(ImageWarning, match=r"lobes\.nii\.gz hold few whole numbers"):
        pairs = match_images(folder.path / "f.nii.gz", folder.path / "in")
    assert pair_names(pairs) == ["s1_to_f", "s2_to_f"]


def test_a_folder_of_label_maps_alone_is_refused(folder):
    folder.images("f.nii.gz")
    folder.labels("in/s1_seg.nii.gz", "in/s2_seg.nii.gz")
    with pytest.raises(DataError, match=r"no images .*but label maps .*s1_seg"):
        match_images(folder.path / "f.nii.gz", folder.path / "in")


def test_one_name_in_two_formats_is_refused(folder):
    folder.images("a/s1.nii.gz", "a/s1.nii", "b/s1.nii")
    for fixed, moving in ("ab", "ba"):
        with pytest.raises(DataError, match="2 pairs would be written as s1_to_s1"):
            match_images(folder.path / fixed, folder.path / moving)


def test_two_folders_match_by_name_whatever_the_format(folder):
    folder.images("a/s1.nii.gz", "a/s2.nii", "b/s1.NII", "b/s2.mgz")
    folder.labels("a/s1_seg.nii.gz")
    pairs = match_images(folder.path / "a", folder.path / "b")
    assert pair_names(pairs) == ["s1_to_s1", "s2_to_s2"]
