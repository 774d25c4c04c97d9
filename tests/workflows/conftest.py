"""Tiny subjects and one configuration; see `stand_in`."""

from stand_in import cohorts as cohorts
from stand_in import settings as settings
