"""Elastix by itk-elastix: B-splines over several resolutions, mutual information."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair.

    The settings are `resolutions`, `iterations` at each and `grid_voxels`, the distance
    of the control points; everything else is the program's own parameter map `bspline`,
    which compares by mutual information in any case.
    """
    itk: Any = import_module("itk")
    if not hasattr(itk, "ElastixRegistrationMethod"):
        raise ImportError("itk is installed without itk-elastix", name="itk-elastix")

    def image(array: np.ndarray, spacing: Sequence[float]) -> Any:
        # The first axis of ITK is the last one of an array.
        found = itk.image_from_array(np.ascontiguousarray(array.T, np.float32))
        found.SetSpacing([float(size) for size in spacing])
        return found

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        distance = settings["grid_voxels"] * float(np.mean(spacing))
        parameters = itk.ParameterObject.New()
        values = parameters.GetDefaultParameterMap(
            "bspline", settings["resolutions"], distance
        )
        values["MaximumNumberOfIterations"] = [str(settings["iterations"])]
        values["WriteResultImage"] = ["false"]
        parameters.AddParameterMap(values)
        moving_image = image(moving, spacing)
        method = itk.ElastixRegistrationMethod.New(image(fixed, spacing), moving_image)
        method.SetParameterObject(parameters)
        method.SetLogToConsole(False)
        # SetNumberOfThreads crashes above 1 (ITKElastix, issues 160 and 295);
        # ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS sets the number of threads.
        method.UpdateLargestPossibleRegion()
        apply = itk.TransformixFilter.New(moving_image)
        apply.SetTransformParameterObject(method.GetTransformParameterObject())
        apply.SetComputeDeformationField(True)
        apply.SetLogToConsole(False)
        with tempfile.TemporaryDirectory() as folder:  # it writes the field there, too
            apply.SetOutputDirectory(folder)
            apply.UpdateLargestPossibleRegion()
            field = itk.array_from_image(apply.GetOutputDeformationField())
        axes = (*range(fixed.ndim - 1, -1, -1), fixed.ndim)
        return field.transpose(axes) / np.asarray(spacing)

    return register
