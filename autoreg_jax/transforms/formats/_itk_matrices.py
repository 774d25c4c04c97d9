"""The linear transforms of ITK as matrices.

Each has parameters, which a registration finds, and a centre c:
y = M (x - c) + c + t. The kinds whose names begin with "Centered" have c among the
parameters, before t; for the others it is fixed.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

__all__ = ["LINEAR", "linear_matrix"]

_MatrixAndShift = tuple[np.ndarray, np.ndarray]


def _full(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return p[: d * d].reshape(d, d), p[d * d :]


def _identity(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return np.eye(d), np.zeros(d)


def _translation(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return np.eye(d), p


def _scale(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return np.diag(p), np.zeros(d)


def _euler_2d(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return _rotation(p[0], 2)[:2, :2], p[1:]


def _similarity_2d(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return p[0] * _rotation(p[1], 2)[:2, :2], p[2:]


def _euler_3d(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    x, y, z = (_rotation(angle, axis) for axis, angle in enumerate(p[:3]))
    # A fourth fixed parameter selects the order of the rotations.
    in_zyx = len(fixed) > 3 and fixed[3] != 0
    return z @ y @ x if in_zyx else z @ x @ y, p[3:]


def _versor(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return _versor_rotation(p[:3]), p[3:] if len(p) == 6 else np.zeros(3)


def _similarity_3d(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return p[6] * _versor_rotation(p[:3]), p[3:6]


def _scale_versor_3d(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    # ITK adds scale and skew to the rotation, it does not multiply.
    matrix = _versor_rotation(p[:3]) + np.diag(p[6:9] - 1)
    if len(p) == 15:
        matrix[_OFF_DIAGONAL] += p[9:]
    return matrix, p[3:6]


def _compose_versor_3d(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    skew = np.eye(3)
    skew[[0, 0, 1], [1, 2, 2]] = p[9:]
    return _versor_rotation(p[:3]) @ np.diag(p[6:9]) @ skew, p[3:6]


def _logarithmic(p: np.ndarray, d: int, fixed: np.ndarray) -> _MatrixAndShift:
    return np.diag(np.exp(p)), np.zeros(d)


_OFF_DIAGONAL = ([0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1])

_Maker = Callable[[np.ndarray, int, np.ndarray], _MatrixAndShift]

# Name: number of parameters by dimension, function that makes M and t of them.
LINEAR: dict[str, tuple[dict[int, int], _Maker]] = {
    "AffineTransform": ({2: 6, 3: 12}, _full),
    "CenteredAffineTransform": ({2: 8, 3: 15}, _full),
    "CenteredEuler3DTransform": ({3: 9}, _euler_3d),
    "CenteredRigid2DTransform": ({2: 5}, _euler_2d),
    "CenteredSimilarity2DTransform": ({2: 6}, _similarity_2d),
    "ComposeScaleSkewVersor3DTransform": ({3: 12}, _compose_versor_3d),
    "Euler2DTransform": ({2: 3}, _euler_2d),
    "Euler3DTransform": ({3: 6}, _euler_3d),
    "FixedCenterOfRotationAffineTransform": ({2: 6, 3: 12}, _full),
    "IdentityTransform": ({2: 0, 3: 0}, _identity),
    "MatrixOffsetTransformBase": ({2: 6, 3: 12}, _full),
    "Rigid2DTransform": ({2: 3}, _euler_2d),
    "ScaleLogarithmicTransform": ({2: 2, 3: 3}, _logarithmic),
    "ScaleSkewVersor3DTransform": ({3: 15}, _scale_versor_3d),
    "ScaleTransform": ({2: 2, 3: 3}, _scale),
    "ScaleVersor3DTransform": ({3: 9}, _scale_versor_3d),
    "Similarity2DTransform": ({2: 4}, _similarity_2d),
    "Similarity3DTransform": ({3: 7}, _similarity_3d),
    "TranslationTransform": ({2: 2, 3: 3}, _translation),
    "VersorRigid3DTransform": ({3: 6}, _versor),
    "VersorTransform": ({3: 3}, _versor),
}


def linear_matrix(
    kind: str,
    dimension: int,
    parameters: Float[np.ndarray, " p"],
    fixed: Float[np.ndarray, " f"],
) -> Float[np.ndarray, "d+1 d+1"]:
    """The homogeneous matrix of a linear transform, in the axes of ITK.

    Args:
        kind: A name of `LINEAR`.
        dimension: 2 or 3.
        parameters: As ITK stores them.
        fixed: Fixed parameters: the centre, and more for some; none for no centre.

    Returns:
        Matrix, millimetres along L, P, S.

    Raises:
        ValueError: If the numbers of parameters are wrong.
    """
    counts, make = LINEAR[kind]
    needed = counts.get(dimension)
    if len(parameters) != needed or 0 < len(fixed) < dimension:
        raise ValueError(
            f"{kind} in {dimension}-D has {needed} parameters and {dimension} of the "
            f"centre, found {len(parameters)} and {len(fixed)}; the file is damaged."
        )
    centre = fixed[:dimension] if len(fixed) else np.zeros(dimension)
    if kind.startswith("Centered"):
        end = len(parameters) - dimension
        centre = parameters[end - dimension : end]
        parameters = np.delete(parameters, np.s_[end - dimension : end])
    matrix, translation = make(parameters, dimension, fixed)
    full = np.eye(dimension + 1)
    full[:-1, :-1] = matrix
    full[:-1, -1] = translation + centre - matrix @ centre
    return full


def _rotation(angle: float, axis: int) -> Float[np.ndarray, "3 3"]:
    """Rotation about an axis, radians."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[[one, two], [one, two]] = np.cos(angle)
    turn[two, one] = np.sin(angle)
    turn[one, two] = -np.sin(angle)
    return turn


def _versor_rotation(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation by a unit quaternion with this vector part."""
    x, y, z = vector
    w = np.sqrt(max(0.0, 1 - float(vector @ vector)))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross
