"""What the published code does and the paper does not say, one option each."""

from dataclasses import dataclass

from autoreg_jax.config._range import check_range
from autoreg_jax.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class QuirksConfig:
    """Properties of the authors' published code, all off unless asked for.

    They are for studies of what each one does; `--config released_code` has them all.
    """

    second_integration: bool = False
    """The full-resolution displacement, an exponential already, is integrated again
    like a velocity (`integrate0` in src_archi/model_search.py and model.py)."""

    shared_head: bool = False
    """One convolution predicts the velocity at both scales (`predict_flow` there)."""

    doubled_features: bool = False
    """The upsampled deformation features are multiplied by 2: `ResizeTransform` in
    layers.py is made for displacements and resizes everything."""

    half_intensity_pyramid: bool = False
    """For the same reason the images at half and quarter resolution have 1/2 and 1/4 of
    their intensity in the loss (`multi_ncc_loss` in losses.py)."""

    nominal_scale: bool = False
    """Resized displacements are scaled by 2, though with aligned corners n voxels
    become 2n and distances grow by (2n - 1)/(n - 1) (`ResizeTransform`)."""

    zero_boundary: bool = False
    """Moving features are zero outside of the image (`grid_sample` in layers.py)."""

    torch_start: bool = False
    """ω starts as PyTorch's convolutions do: uniform in ±1/sqrt(fan-in), biases too."""

    deformation_only: bool = False
    """The feature cells are fixed and α_D alone is searched: stage 1 is left out
    (layers.py, `FeatureExtraction_16_search`)."""

    dilation_8: bool = False
    """The last two operations of the fixed feature cells have dilation 8, which is not
    in the search space, instead of 2 (`dil_conv_3x3_8`); needs `deformation_only`."""

    alpha_spread: float = 0.0
    """Standard deviation of the logits with which α starts (>= 0; code: 1e-3 in
    `_initialize_alphas`; the paper starts at zero)."""

    gradient_clip: float = 0.0
    """Norm to which the gradient of ω is cut while α is searched (>= 0; 0 for not at
    all; code: 5 in src_archi/train_search.py)."""

    summed_terms: bool = False
    """The hypergradient of α differentiates L_reg + ℓ_sim + ℓ_smooth on training pairs:
    `_loss` returns a tuple, which `autograd.grad` sums (src_archi/architect_v5.py)."""

    lam_descends: bool = False
    """Each step of ω also moves λ down the training loss, by Adam with the rate of ω:
    its optimizer is given λ too (src/train_search_loss.py)."""

    background_dice: bool = False
    """The Dice that judges λ counts the background as a structure (losses.py)."""

    smoothness_weight: float = 0.0
    """w in `Dice + w (ℓ_smooth - s)²`, which judges λ (>= 0; code: 1e4, losses.py)."""

    smoothness_target: float = 0.01
    """s in the same, in the unit of ℓ_smooth (>= 0)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
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
                "dilation_8: belongs to the fixed feature cells; set deformation_only "
                "too."
            )
