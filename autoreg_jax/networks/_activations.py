"""How many numbers a registration network computes for a voxel."""

from collections.abc import Sequence

from autoreg_jax.networks._structure import FULL, Structure, at_scale


def activations(
    structure: Structure, ndim: int, *, width: float, matching: Sequence[int] | None
) -> float:
    """Numbers that a network computes, for each voxel of an image.

    Features of both images, what each deformation cell sees, its operations, and the
    correlations of a matching with their weights, at every scale. A gradient keeps
    them; a prediction takes memory in proportion to them.

    Args:
        structure: Scales and cells.
        ndim: Axes of the images.
        width: As for `RegistrationNetwork`.
        matching: As for `RegistrationNetwork`.

    Examples:
        >>> one, two = (
        ...     activations(Structure(), 3, width=width, matching=None)
        ...     for width in (1.0, 2.0)
        ... )
        >>> 1.8 < two / one < 2
        True
    """

    def offsets(radius: int) -> int:
        return (2 * radius + 1) ** ndim if radius else 0

    def of_scale(scale: int) -> float:
        is_full = scale == FULL
        factor = width * (0.5 if is_full else 1.0)
        features = factor * at_scale(structure.feature_channels, scale)
        cells = [factor * channels for channels in structure.deformation_channels]
        is_pooled = structure.encoder == "pooled" and scale > 0
        encoded = 2 * features * (1 if is_pooled else structure.feature_edges)
        seen = 2 * features + structure.has_context * (cells[-1] + ndim)
        passes = 1 if is_full else at_scale(structure.iterations, scale)
        if structure.correlation and not is_full:
            seen += offsets(at_scale(structure.correlation, scale))
        if matching and not is_full:
            seen += 2 * offsets(at_scale(matching, scale))
        return (encoded + passes * (seen + sum(cells))) / 2 ** (ndim * (scale + 1))

    return sum(of_scale(scale) for scale in range(structure.finest, structure.scales))
