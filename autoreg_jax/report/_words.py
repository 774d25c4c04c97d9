"""The words in which the report speaks of operations, cells and loss weights."""

from autoreg_jax.search_space import CANDIDATES

# In the order of the last axis of alpha.
OPERATIONS = {row.name: row.description for row in CANDIDATES if row.is_searched}
# In the fixed feature cells of the published code, never weighed by alpha.
FIXED_OPERATIONS = {
    row.name: row.description for row in CANDIDATES if not row.is_searched
}

CELLS = {"feature": "Feature cells", "deformation": "Deformation cells"}

# In the order of the first axis of alpha.
SCALES = {"half": "½ resolution", "quarter": "¼ resolution"}

WEIGHTS = {
    "full": "Similarity, full resolution",
    "smooth": "Smoothness",
    "half": "Similarity, ½ resolution",
    "quarter": "Similarity, ¼ resolution",
    "ncc_full": "Correlation, full resolution",
    "ncc_half": "Correlation, ½ resolution",
    "ncc_quarter": "Correlation, ¼ resolution",
    "mind_full": "MIND, full resolution",
    "mind_half": "MIND, ½ resolution",
    "mind_quarter": "MIND, ¼ resolution",
    "bending": "Bending energy",
    "folding": "Folding",
}

STAGES = {
    "feature": "Search of the feature cells",
    "deformation": "Search of the deformation cells",
    "joint": "Search of all cells",
    "lam": "Search of the loss weights",
    "train": "Training",
}


def duration(seconds: float) -> str:
    """Say a time in units that fit it.

    Examples:
        >>> duration(0.0042), duration(12.34), duration(200), duration(7260)
        ('0.0042 s', '12 s', '3 min 20 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
