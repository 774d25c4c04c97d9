"""The table of the settings that a search has tried."""

from autoreg_jax.report._trials import trial_rows, trials_sentence

GAIN = {"mean": 0.01, "low": 0.002, "high": 0.018, "error": 0.004}
START = {"trial": "start", "changes": {}, "price": 1.0}
FOUND = {
    "judge": "dice",
    "pairs": 20,
    "cost_in_trainings": 2.5,
    "gain": GAIN,
    "margin": 2.5,
    "mean_gain_of_trials": -0.0123,
    "settings": {"network.matching": [2]},
    "is_decided": True,
    "trials": [
        START | {"steps": 50, "scores": {"dice": 0.7}},
        {
            "trial": "1",
            "changes": {"train.learning_rate": 1e8},
            "steps": 50,
            "diverged": "the validation loss is NaN",
        },
        {
            "trial": "2",
            "changes": {"network.matching": [2]},
            "steps": 400,
            "scores": {"dice": 0.81},
            "price": 1.25,
            "gain": GAIN,
        },
        START | {"steps": 400, "scores": {"dice": 0.8}},
    ],
}


def test_every_trial_is_there_once_the_best_first():
    rows = trial_rows(FOUND)
    assert [row.changes for row in rows] == [
        "network.matching [2]",
        "start",
        "train.learning_rate 1e+08",
    ]
    assert rows[0].gain == "+0.0100 (+0.0020 to +0.0180)"
    assert rows[0].price == "1.25"
    assert rows[1].gain == "–"
    assert rows[2].score == "diverged"


def test_a_trial_that_was_left_shows_why():
    dear = {"trial": "3", "changes": {"network.resolution": "full"}, "steps": 30}
    found = FOUND | {"trials": [*FOUND["trials"], dear | {"too_dear": 3.456}]}
    (row,) = (r for r in trial_rows(found) if r.changes == "network.resolution full")
    assert (row.steps, row.score, row.gain, row.price) == (
        "30",
        "too dear",
        "–",
        "3.46",
    )
    assert "3 other settings" in trials_sentence(found)


def test_the_decision_is_said_in_words():
    assert "2 other settings" in trials_sentence(FOUND)
    assert "2.5 times its standard error; the whole" in trials_sentence(FOUND)
    assert "All other settings gain -0.0123 on average." in trials_sentence(FOUND)
    labels = FOUND | {"settings": {"objective.extra.dice": 10.0}}
    assert "structures without labels" in trials_sentence(labels)
    assert "structures without labels" not in trials_sentence(FOUND)
    kept = FOUND | {"is_decided": False}
    assert "without labels" not in trials_sentence(labels | kept)
    assert "not decided" in trials_sentence(kept)
    assert "diverged and was replaced" in trials_sentence(FOUND | {"gain": None})
    nothing = kept | {"gain": None}
    assert "better than the start, which stays" in trials_sentence(nothing)
    assert "nothing could be chosen" in trials_sentence(nothing | {"judge": None})
