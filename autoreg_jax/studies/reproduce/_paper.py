"""What the paper reports (Li et al., IEEE TIP 2023), to compare our numbers with."""

from autoreg_jax.studies._table import Column

SCENARIOS = {
    "adni": "ADNI",
    "t1-t1": "T1 to T1",
    "t2-t2": "T2 to T2",
    "knee": "knee",
    "t2-t1": "T2 to T1",
    "abide": "ABIDE",
    "hcp": "HCP",
    "oasis": "OASIS",
    "ppmi": "PPMI",
}

# Table II, Dice, mean and standard deviation over pairs. The paper ticks α_F, α_D and λ
# one at a time, each beside ω.
_ABLATED = ("elsewhere", "omega", "feature", "deformation", "lam")
_DICE = {
    "adni": (0.745, 0.754, 0.763, 0.758, 0.757),
    "t1-t1": (0.706, 0.750, 0.764, 0.761, 0.750),
    "t2-t2": (0.438, 0.636, 0.646, 0.640, 0.643),
    "knee": (0.393, 0.588, 0.616, 0.614, 0.606),
    "t2-t1": (0.407, 0.599, 0.599, 0.598, 0.621),
}
_SD = {
    "adni": (0.027, 0.024, 0.020, 0.024, 0.021),
    "t1-t1": (0.038, 0.022, 0.024, 0.022, 0.027),
    "t2-t2": (0.110, 0.008, 0.010, 0.010, 0.010),
    "knee": (0.107, 0.157, 0.150, 0.119, 0.154),
    "t2-t1": (0.005, 0.007, 0.006, 0.008, 0.004),
}
ABLATION: dict[str, dict[str, tuple[float, float]]] = {
    name: dict(zip(_ABLATED, zip(_DICE[name], _SD[name], strict=True), strict=True))
    for name in _DICE
}

# Table III, searched λ.
WEIGHTS = ("full", "smooth", "half", "quarter")
LAMBDA = {
    "adni": (9.10, 16.01, 2.50, 1.57),
    "t1-t1": (12.14, 12.15, 5.46, 0.37),
    "t2-t2": (12.95, 17.82, 1.81, 0.39),
    "knee": (9.32, 12.05, 6.33, 3.31),
    "t2-t1": (13.82, 1.22, 8.58, 3.90),
}

# Dice before any registration and of AutoReg: Table V; Table IV (to an atlas) for ADNI
# and from ABIDE on.
_UNKNOWN = float("nan")
DICE = {
    "adni": ((0.571, 0.049), (0.774, 0.022)),
    "t1-t1": ((0.613, 0.057), (0.778, 0.023)),
    "t2-t2": ((0.563, 0.018), (0.646, 0.010)),
    "knee": ((0.340, 0.077), (0.616, 0.150)),
    "t2-t1": ((0.539, 0.007), (0.622, 0.004)),
    "abide": ((0.624, _UNKNOWN), (0.784, _UNKNOWN)),
    "hcp": ((0.666, _UNKNOWN), (0.777, _UNKNOWN)),
    "oasis": ((0.580, _UNKNOWN), (0.788, _UNKNOWN)),
    "ppmi": ((0.610, _UNKNOWN), (0.788, _UNKNOWN)),
}

# Table I, hours to search and to train once.
HOURS = (22.0, 23.0)

# Table VI: the size of a pair, seconds on a TITAN XP, and millions of parameters.
SHAPE = (160, 192, 224)
SPEED = {
    "autoreg": (0.270, 0.852),
    "multipropreg": (0.360, 0.526),
    "voxelmorph": (0.558, 1.146),
    "voxelmorph_diff": (0.423, 1.016),
}


def dice_column(scenario: str | None) -> list[Column]:
    """The column of the paper's Dice; none without a scenario."""
    if scenario is None:
        return []
    title = f"paper, {SCENARIOS[scenario]}"
    return [Column(title, "paper_dice", sd="paper_dice_sd")]
