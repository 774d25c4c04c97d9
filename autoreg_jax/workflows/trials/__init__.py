"""Real short trainings of candidates, judged on the same validation pairs."""

from autoreg_jax.workflows.trials._adopt import (
    adopt,
    found_settings,
    found_similarity,
    keep_settings,
    trained_winner,
)
from autoreg_jax.workflows.trials._candidates import (
    USUAL,
    chosen_by,
    combined,
    drawn,
    is_possible,
    proposals,
    usual_trial,
)
from autoreg_jax.workflows.trials._finish import Tried, finish
from autoreg_jax.workflows.trials._gain import (
    Gain,
    gain,
    gains_of,
    seed_noise,
)
from autoreg_jax.workflows.trials._judge import (
    Verdict,
    at_the_end,
    choose_judge,
    early_judges,
    verdicts,
)
from autoreg_jax.workflows.trials._judging import Judging
from autoreg_jax.workflows.trials._price import (
    finalists_of,
    is_affordable,
    parents_of,
    price,
)
from autoreg_jax.workflows.trials._start import (
    START,
    affordable,
    start_of,
    trials_folder,
)
from autoreg_jax.workflows.trials._together import train_together, workers
from autoreg_jax.workflows.trials._trainer import Trainer
from autoreg_jax.workflows.trials._trial import SCORES, Outcome, Trial

__all__ = [
    "SCORES",
    "START",
    "USUAL",
    "Gain",
    "Judging",
    "Outcome",
    "Trainer",
    "Trial",
    "Tried",
    "Verdict",
    "adopt",
    "affordable",
    "at_the_end",
    "choose_judge",
    "chosen_by",
    "combined",
    "drawn",
    "early_judges",
    "finalists_of",
    "finish",
    "found_settings",
    "found_similarity",
    "gain",
    "gains_of",
    "is_affordable",
    "is_possible",
    "keep_settings",
    "parents_of",
    "price",
    "proposals",
    "seed_noise",
    "start_of",
    "train_together",
    "trained_winner",
    "trials_folder",
    "usual_trial",
    "verdicts",
    "workers",
]
