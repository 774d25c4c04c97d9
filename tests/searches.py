"""Searches that are interrupted, resumed and compared."""

import jax
import numpy as np
import pytest
from stand_in import search

from autoreg_jax import config
from autoreg_jax.files import read_records
from autoreg_jax.workflows import Journal


def merged(settings, **search_settings):
    return config.merge(settings, {"search": search_settings})


def of_stage(found, stage):
    return [record for record in found.records if record["stage"] == stage]


def without_clock(records):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in records]


def check_same(one, other):
    assert one.genotype == other.genotype
    assert jax.tree.all(jax.tree.map(np.array_equal, one.alpha, other.alpha))
    assert one.lam == other.lam
    assert without_clock(one.records) == without_clock(other.records)


def interrupted_and_resumed(cohorts, settings, run, at, **clock):
    """A search that is broken off behind one of its records, then resumed."""

    def pull_the_plug(*place):
        observe(*place)
        if place[:2] == at:
            raise KeyboardInterrupt

    observe = clock.pop("observe", lambda *place: None)
    journal = Journal(run, observe=pull_the_plug, save_every=0, **clock)
    with pytest.raises(KeyboardInterrupt):
        search(*cohorts, settings, journal=journal)
    journal = Journal(run, resume=True, observe=observe, **clock)
    found = search(*cohorts, settings, journal=journal)
    assert read_records(run / "metrics.jsonl") == found.records
    return found
