"""A call of each public function that computes on a device, on arrays of few voxels."""

from functools import partial

import jax
import numpy as np
from device_steps import mixed, pair_batch, searched, told, trained

from autoreg_jax import (
    augmentation,
    bilevel,
    losses,
    metrics,
    networks,
    ops,
    search_space,
    spatial,
    training,
)

PACKAGES = {
    "augmentation": augmentation,
    "bilevel": bilevel,
    "losses": losses,
    "metrics": metrics,
    "networks": networks,
    "ops": ops,
    "search_space": search_space,
    "spatial": spatial,
    "training": training,
}
# Planes: fewer corners to interpolate between. Convolutions have programs for volumes.
SHAPE, VOLUME = (9, 8), (9, 8, 7)
HALF = spatial.half_shape(SHAPE)


def arrays(dtype=np.float32):
    """Images, fields, kernels and the rest, of NumPy, in [0, 1)."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.random(shape).astype(dtype)

    labels = rng.integers(0, 3, (1, *SHAPE), np.int32)
    return {
        "fixed": draw(1, *SHAPE, 1),
        "moving": draw(1, *SHAPE, 1),
        "features": draw(1, *SHAPE, 4),
        "volume": draw(1, *VOLUME, 4),
        "u": draw(1, *SHAPE, 2),
        "v": draw(1, *SHAPE, 2),
        "u_half": draw(1, *HALF, 2),
        "u_quarter": draw(1, *spatial.half_shape(HALF), 2),
        "kernel": draw(3, 3, 3, 4, 6),
        "each": draw(3, 3, 3, 1, 4),
        "points": draw(1, 5, 2),
        "more_points": 3 * draw(1, 5, 2),
        "onehot": (labels[..., None] == np.arange(1, 3)).astype(dtype),
        "other_onehot": (labels[..., None] == np.arange(2)).astype(dtype),
        "mask": labels > 0,
        "labels": labels,
        "logits": draw(4, 8),
        "twelve": draw(12),
        "centre": draw(2),
        "scalar": draw(),
        "history": draw(6, 4, 8),
    }


def _key():
    return jax.random.key(0)


def _images(function):
    return lambda a: function(a["fixed"], a["moving"])


def _field(function):
    return lambda a: function(a["u"])


def _masked(function):
    return lambda a: (function(a["u"]), function(a["u"], a["mask"]))


def _changed(function):
    """A random change of an image; the key is no argument, it has no gradient."""
    return lambda a: function(_key(), a["fixed"][0], 0.3)


def _shares(function):
    return lambda a: function(a["logits"])


def _whole_objective(a):
    """λ of whole numbers, and one that is moved."""
    displacements = {"full": a["u"], "half": a["u_half"], "quarter": a["u_quarter"]}
    lam = dict.fromkeys(losses.TERMS, 2) | losses.PAPER_WEIGHTS | {"half": a["scalar"]}
    return losses.Objective(windows=(5, 3, 3))(
        a["fixed"],
        a["moving"],
        displacements,
        lam,
        labels=(a["onehot"], a["other_onehot"]),
        opposite=a["v"],
    )


def _similarity(name):
    def call(a):
        similarity = losses.find_similarity(name)
        return similarity.loss(a["fixed"], a["moving"], 5)

    return call


def _judged(judge):
    return lambda a: judge(pair_batch(a), a["u"])


CALLS = {
    "ops.convolution": lambda a: (
        ops.convolution(a["volume"], a["kernel"]),
        ops.convolution(a["volume"], a["kernel"], stride=2),
        ops.convolution(a["volume"], a["each"], groups=4),
    ),
    "ops.joint_convolution": lambda a: ops.joint_convolution(
        a["volume"], [a["kernel"], a["kernel"][..., :2]], dilation=2
    ),
    "ops.repeat_border": lambda a: ops.repeat_border(a["fixed"], (1, 2)),
    "ops.sample_cubic": lambda a: ops.sample_cubic(a["features"], a["more_points"]),
    "ops.sample_linear": lambda a: [
        ops.sample_linear(a["features"], a["more_points"], boundary=boundary)
        for boundary in ("zeros", "edge")
    ],
    "ops.sample_nearest": lambda a: [
        ops.sample_nearest(image, a["more_points"])
        for image in (a["features"], a["labels"][..., None])
    ],
    "ops.window_sum": lambda a: ops.window_sum(a["fixed"], 3),
    "spatial.affine_exponential": lambda a: spatial.affine_exponential(
        a["twelve"].reshape(3, 2, 2)
    ),
    "spatial.affine_matrix": lambda a: [
        spatial.affine_matrix(a["twelve"][:count], a["centre"], kind)
        for kind, count in (("rigid", 3), ("similarity", 4), ("affine", 6))
    ],
    "spatial.apply_affine": lambda a: spatial.apply_affine(
        a["twelve"][:9].reshape(3, 3), a["points"]
    ),
    "spatial.compose": lambda a: spatial.compose(a["u"], a["v"]),
    "spatial.downsample": lambda a: spatial.downsample(a["fixed"], HALF),
    "spatial.gaussian_smooth": lambda a: spatial.gaussian_smooth(a["fixed"], 1.5),
    "spatial.identity_grid": lambda a: spatial.identity_grid(SHAPE),
    "spatial.image_pyramid": lambda a: spatial.image_pyramid(a["fixed"]),
    "spatial.integrate": lambda a: spatial.integrate(a["u"], 2),
    "spatial.invert": lambda a: spatial.invert(a["u"], 2),
    "spatial.jacobian_determinant": _field(spatial.jacobian_determinant),
    "spatial.logarithm": lambda a: spatial.logarithm(a["u"], 2, 2),
    "spatial.resize_displacement": lambda a: [
        spatial.resize_displacement(a["u"], HALF, is_nominal=nominal)
        for nominal in (False, True)
    ],
    "spatial.resize_image": lambda a: spatial.resize_image(a["fixed"], (12, 5)),
    "spatial.warp": lambda a: [
        spatial.warp(image, a["u"], interpolation=how, boundary=boundary)
        for how, image, boundary in (
            ("linear", a["features"], "zeros"),
            ("linear", a["features"], "edge"),
            ("cubic", a["fixed"], "edge"),
            ("nearest", a["labels"][..., None], "zeros"),
        )
    ],
    "losses.agreement_loss": lambda a: losses.agreement_loss(
        a["fixed"], a["moving"], a["u"]
    ),
    "losses.bending_loss": _field(losses.bending_loss),
    "losses.common_dice_loss": lambda a: losses.common_dice_loss(
        a["onehot"], a["other_onehot"], a["u"]
    ),
    "losses.diffusion_loss": _field(losses.diffusion_loss),
    "losses.channel_similarity": lambda a: losses.channel_similarity(
        ["ncc", "mind"], [1, 2]
    ).loss(
        *(jax.numpy.concatenate([a[x]] * 2, -1) for x in ("fixed", "moving")),
        5,
    ),
    "losses.feature_similarity": lambda a: losses.feature_similarity(
        lambda image: image**2
    ).loss(a["fixed"], a["moving"], 5),
    "losses.find_similarity": lambda a: [
        _similarity(name)(a) for name in losses.SIMILARITIES
    ],
    "losses.global_ncc": lambda a: losses.global_ncc(a["fixed"], a["moving"]),
    "losses.inverse_consistency_loss": lambda a: losses.inverse_consistency_loss(
        a["u"], a["v"]
    ),
    "losses.landmark_loss": lambda a: losses.landmark_loss(
        a["points"], a["more_points"], a["u"]
    ),
    "losses.local_ncc": _images(partial(losses.local_ncc, window=3, floor=0.1)),
    "losses.local_ncc_loss": _images(partial(losses.local_ncc_loss, window=3)),
    "losses.mind_descriptor": lambda a: losses.mind_descriptor(a["fixed"]),
    "losses.mind_loss": _images(losses.mind_loss),
    "losses.mutual_information": lambda a: losses.mutual_information(
        a["fixed"], a["moving"], a["fixed"]
    ),
    "losses.one_hot": lambda a: losses.one_hot(a["labels"], 3),
    "losses.registration_loss": lambda a: losses.registration_loss(
        a["fixed"],
        a["moving"],
        spatial.Pyramid(a["u"], a["u_half"], a["u_quarter"]),
        {"full": 10.0, "smooth": 1, "half": a["scalar"]},
        windows=(5, 3, 3),
    ),
    "losses.segmentation_loss": lambda a: losses.segmentation_loss(
        a["onehot"], a["other_onehot"], a["u"], smoothness_weight=0.1
    ),
    "losses.soft_dice": lambda a: losses.soft_dice(
        a["onehot"], a["other_onehot"], a["mask"][:, 0, :2]
    ),
    "losses.soft_dice_loss": lambda a: losses.soft_dice_loss(
        a["onehot"], a["other_onehot"]
    ),
    "losses.soft_folding_fraction": _field(losses.soft_folding_fraction),
    **{
        f"augmentation.{name}": _changed(getattr(augmentation, name))
        for name in (
            "bias_multiplied",
            "blurred",
            "gamma_changed",
            "monotonically_mapped",
            "noisy",
            "remapped",
            "thick_sliced",
            "with_hole",
        )
    },
    "augmentation.flips": lambda a: augmentation.flips(_key(), (1,), 2),
    "augmentation.mirrored": lambda a: augmentation.mirrored(
        a["fixed"][0], a["mask"][0, 0, :2]
    ),
    "augmentation.painted": lambda a: augmentation.painted(_key(), a["onehot"][0]),
    "augmentation.random_affine": lambda a: augmentation.random_affine(
        _key(), SHAPE, 0.1, (1, 2)
    ),
    "augmentation.random_deformation": lambda a: augmentation.random_deformation(
        _key(), SHAPE, 1.0
    ),
    "augmentation.random_shapes": lambda a: augmentation.random_shapes(
        _key(), SHAPE, 2
    ),
    "augmentation.smooth_field": lambda a: augmentation.smooth_field(_key(), SHAPE, 3),
    "metrics.correlation": lambda a: metrics.correlation(
        a["fixed"][..., 0], a["moving"][..., 0], a["mask"]
    ),
    "metrics.dice": lambda a: metrics.dice(a["labels"], a["labels"], 3),
    "metrics.displacement_error": lambda a: metrics.displacement_error(
        a["u"], a["v"], (1, 3.5), a["mask"]
    ),
    "metrics.folding_fraction": _masked(metrics.folding_fraction),
    "metrics.inverse_consistency_error": lambda a: metrics.inverse_consistency_error(
        a["u"], a["v"], (1, 3.5)
    ),
    "metrics.learn2reg_log_jacobian_std": _masked(metrics.learn2reg_log_jacobian_std),
    "metrics.log_jacobian_std": _masked(metrics.log_jacobian_std),
    "metrics.target_registration_error": lambda a: metrics.target_registration_error(
        a["u"], a["points"], a["more_points"], (1, 3.5)
    ),
    "search_space.is_ranking_stable": lambda a: search_space.is_ranking_stable(
        a["history"], 2, warm_up=1, tolerance=0.1
    ),
    "search_space.one_hot_weights": _shares(search_space.one_hot_weights),
    "search_space.probabilities": _shares(search_space.probabilities),
    "search_space.pruned_weights": _shares(
        partial(search_space.pruned_weights, count=3)
    ),
    "search_space.sigmoid_weights": _shares(search_space.sigmoid_weights),
    "search_space.tempered_weights": lambda a: (
        search_space.tempered_weights(a["logits"], 2),
        search_space.tempered_weights(a["logits"], a["scalar"]),
    ),
    "bilevel.agreement_judge": _judged(bilevel.agreement_judge()),
    "bilevel.landmark_judge": _judged(bilevel.landmark_judge()),
    "bilevel.overlap_judge": _judged(bilevel.overlap_judge(0.1)),
    "bilevel.architecture_problem": partial(searched, kind="alpha"),
    "bilevel.objective_problem": partial(searched, kind="lam"),
    "networks.composed": told,
    "networks.mixed": mixed,
    "training.make_training": trained,
}
