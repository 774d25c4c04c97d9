"""Properties of the published code that the paper does not mention, one option each."""

from dataclasses import dataclass

from autoreg_jax.config._range import check_range
from autoreg_jax.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class QuirksConfig:
    """Properties of the authors' published code, all off by default.

    For studies of the effect of each; the preset `released_code` turns on all of them.
    """

    second_integration: bool = False
    """Integrate the full-resolution displacement, which is already an exponential, once
    more like a velocity (`integrate0` in src_archi/model_search.py and model.py)."""

    shared_head: bool = False
    """Predict the velocity at both scales by the same convolution (`predict_flow`)."""

    doubled_features: bool = False
    """Multiply the upsampled deformation features by 2: `ResizeTransform` in layers.py
    treats them as displacements."""

    half_intensity_pyramid: bool = False
    """Multiply the images at half and quarter resolution by 1/2 and 1/4 in the loss,
    for the same reason (`multi_ncc_loss` in losses.py)."""

    nominal_scale: bool = False
    """Scale resized displacements by 2; with aligned corners n voxels become 2n and the
    exact factor is (2n - 1)/(n - 1) (`ResizeTransform`)."""

    zero_boundary: bool = False
    """Use zero for moving features outside the image (`grid_sample` in layers.py)."""

    torch_start: bool = False
    """Initialise ω as PyTorch initialises convolutions: uniform in ±1/sqrt(fan-in),
    including biases."""

    deformation_only: bool = False
    """Fix the feature cells and search α_D only, without stage 1 (layers.py,
    `FeatureExtraction_16_search`)."""

    dilation_8: bool = False
    """Use dilation 8, which is not in the search space, instead of 2 in the last two
    operations of the fixed feature cells (`dil_conv_3x3_8`); needs
    `deformation_only`."""

    alpha_spread: float = 0.0
    """Standard deviation of the initial logits α (>= 0; code: 1e-3 in
    `_initialize_alphas`; paper: 0)."""

    gradient_clip: float = 0.0
    """Norm to which the gradient of ω is clipped while α is searched (>= 0; 0: no
    clipping; code: 5 in src_archi/train_search.py)."""

    summed_terms: bool = False
    """Differentiate L_reg + ℓ_sim + ℓ_smooth on training pairs in the hypergradient of
    α: `_loss` returns a tuple, which `autograd.grad` sums
    (src_archi/architect_v5.py)."""

    lam_descends: bool = False
    """Let each step of ω also minimise the training loss over λ, by Adam with the
    learning rate of ω: λ is among its parameters (src/train_search_loss.py)."""

    background_dice: bool = False
    """Count the background as a structure in the Dice that judges λ (losses.py)."""

    smoothness_weight: float = 0.0
    """w of `Dice + w (ℓ_smooth - s)²`, which judges λ (>= 0; code: 1e4, losses.py)."""

    smoothness_target: float = 0.01
    """s of the same term, in the unit of ℓ_smooth (>= 0)."""

    def __post_init__(self) -> None:
        check_range(
            self,
            "alpha_spread",
            "gradient_clip",
            "smoothness_weight",
            "smoothness_target",
            at_least=0,
        )
        if self.dilation_8 and not self.deformation_only:
            raise ConfigError(
                "dilation_8: applies to the fixed feature cells only; set "
                "deformation_only as well."
            )
