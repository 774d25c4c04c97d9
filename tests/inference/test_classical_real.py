"""Registration without a model against ANTs SyN, where the deformation is known."""

import numpy as np
import pytest

CASES = (
    "knee_dess_cubequant",
    "knee_dess_dess",
    "oasis1001_t1t1_small",
    "oasis1113_t1t1_large",
    "tcga_du7294_t1t2_small",
    "tcga_fg6692_t1t2_large",
)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CASES)
def test_error_is_below_that_of_syn(root, shared, monkeypatch, name):
    pytest.importorskip("ants", reason="the rival comes with antspyx, extra `peers`")
    monkeypatch.syspath_prepend(str(root))
    from tests.benchmarks import classical

    with np.load(shared / "data" / "knownwarp" / f"{name}.npz") as case:
        fixed, moving = (case[k].astype(np.float32) for k in ("fixed", "moving"))
        truth = case["disp_int16"].astype(np.float32) * case["disp_scale"]
        mask = case["mask_fixed"]
    is_multimodal = any(word in name for word in classical.TWO_CONTRASTS)
    similarity = "mind" if is_multimodal else "ncc"
    field, *_ = classical.ours(fixed, moving, similarity=similarity, refine=60)
    radius, iterations = classical.SYN[0]
    rival, _ = classical.syn(
        fixed,
        moving,
        radius=radius,
        iterations=iterations,
        is_multimodal=is_multimodal,
    )
    before = classical.error(np.zeros_like(truth), truth, mask)
    found, theirs = (classical.error(u, truth, mask) for u in (field, rival))
    assert found < theirs
    assert found < before
    assert classical.folding(field) == 0
