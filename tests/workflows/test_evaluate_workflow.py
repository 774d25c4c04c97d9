"""Evaluation: scores that are known beforehand, files, data without labels or truth."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest

from autoreg_jax import config
from autoreg_jax.inference import ModelDescription, RegistrationModel
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows import evaluate, read_evaluation
from autoreg_jax.workflows._evaluation import Evaluation, mean_and_sd
from autoreg_jax.workflows._initial import initial_weights
from conftest_of_workflows import SmallNetwork

pytestmark = pytest.mark.usefixtures("small_network")
