"""The words of the page: names, captions, and sentences for what is absent."""

from autoreg_jax.search_space import CANDIDATES

# In the order of the last axis of alpha.
OPERATIONS = {row.name: row.description for row in CANDIDATES if row.is_searched}
# In the fixed feature cells of the published code; alpha has no logit for it.
FIXED_OPERATIONS = {
    row.name: row.description for row in CANDIDATES if not row.is_searched
}

CELLS = {"feature": "Feature cells", "deformation": "Deformation cells"}

# In the order of the first axis of alpha.
SCALES = {
    "half": "½ resolution",
    "quarter": "¼ resolution",
    "eighth": "⅛ resolution",
    "sixteenth": "1/16 resolution",
    "thirty_second": "1/32 resolution",
    "sixty_fourth": "1/64 resolution",
}

WEIGHTS = {
    "full": "Similarity, full resolution",
    "smooth": "Smoothness",
    "half": "Similarity, ½ resolution",
    "quarter": "Similarity, ¼ resolution",
    "eighth": "Similarity, ⅛ resolution",
    "sixteenth": "Similarity, 1/16 resolution",
    "ncc_full": "Correlation, full resolution",
    "ncc_half": "Correlation, ½ resolution",
    "ncc_quarter": "Correlation, ¼ resolution",
    "mind_full": "MIND, full resolution",
    "mind_half": "MIND, ½ resolution",
    "mind_quarter": "MIND, ¼ resolution",
    "bending": "Bending energy",
    "folding": "Folding",
    "dice": "Overlap of structures (labels)",
    "landmarks": "Distance of landmarks",
    "inverse_consistency": "Inverse consistency",
}

SIMILARITIES = {
    "ncc": "local correlation of grey values (ncc), for images of one contrast",
    "mind": "similarity of structure (MIND), for images of two contrasts, too",
}

STAGES = {
    "feature": "Search of the feature cells",
    "deformation": "Search of the deformation cells",
    "joint": "Search of all cells",
    "mixture": "Training of the mixture",
    "perturbation": "Choice of the operations",
    "lam": "Search of the loss weights",
    "train": "Training",
}

CAPTIONS = {
    "dice": (
        "Dice overlap of each structure: 0 means that the structure does not overlap "
        "between the two images, 1 that it coincides. Boxes contain the middle half of "
        "the pairs, the line across is the median, whiskers extend from the worst "
        "to the best pair, and dots are single pairs. Grey: before registration; blue: "
        "after the network; orange: after refining each pair on its own, if done. "
        "Small and thin structures score lower for the same error in mm."
    ),
    "trust": (
        "Trust goes from 0 to 1 and is measured from the two images and the "
        "deformation alone, without the label maps: agreement after registration, "
        "cover, size of the deformation and folds. The most unusual of them decides; "
        "below 0.5 it is named. Whether the header of an image is right is not asked, "
        "as `autoreg register` does of each pair. A high "
        "number says that nothing is unusual, not that the result is right: a single "
        "structure that is wrong is not seen."
    ),
    "front": (
        "The same model under several weights of the smoothness; the number beside a "
        "point is the factor on the weight of its training. Upwards is a better match "
        "of the images, to the right a less regular deformation: choose the point "
        "that gives the match you need at the least cost. Means over the pairs."
    ),
    "alpha": (
        "Preferences of the search. The network is built of cells, and each cell is a "
        "chain of steps (edges). For each edge (column) the search gives every "
        "candidate operation (row) a probability in percent; a deeper blue is more "
        "likely. Framed in orange: the operation used in the final network. Feature "
        "cells describe each image, deformation cells compare the two and estimate the "
        "motion, at half the image resolution and at coarser ones. Colours "
        "cover the range of the values and need not start at zero: read the "
        "numbers, not only the contrast."
    ),
    "cells": (
        "The network is built of cells, and each cell is a chain of steps (edges). "
        "Chosen operation on each edge, with its probability where it was recorded "
        "and, in brackets, by how many percentage points it leads the second one."
    ),
    "removals": (
        "Chosen operation on each edge, with the margin of the choice: by how much the "
        "validation loss is larger without it than without the second one, ± standard "
        "error over the pairs."
    ),
    "lambda": (
        "Balance between matching the images (similarity, at three resolutions) and a "
        "smooth deformation, as found by the search. Each plot has its own scale; dots "
        "and numbers mark the values at the start and at the end of the search. A "
        "larger weight counts more."
    ),
    "losses": (
        "Loss of each stage by step; lower is better. Top: training subjects. Bottom: "
        "validation subjects, from which the network weights do not learn; for the "
        "search of the loss weights this is one minus the overlap of the structures "
        "or, without label maps, the dissimilarity of the images (lower is better), "
        "for the training the Dice (higher is better). Faint: single steps; bold: "
        "running mean. The scales differ, so the plots cannot be compared."
    ),
    "hypergradients": (
        "Size of the gradient of the validation loss with respect to the searched "
        "quantity. The direct part is the immediate effect of that quantity; the "
        "indirect part is its effect through the weights that the network learns. "
        "Logarithmic scale; faint: single steps, bold: running mean. A part that is "
        "zero has no line; an indirect part far below the direct one means that "
        "the learned weights hardly influenced the search."
    ),
}

MISSING = {
    "front_of_model": (
        "These are the scores of another model than the one in this folder, which was "
        "trained since; repeat `autoreg evaluate --smoothness`."
    ),
    "summary": "This run has no evaluation, so there are no scores to list.",
    "pairs": "This run has no stored example pairs, so there are no images to show.",
    "trust": (
        "Not known: this evaluation is of a version that did not measure it. Repeat "
        "`autoreg evaluate`."
    ),
    "structures": (
        "No Dice by structure: the run has not been evaluated, or its subjects have no "
        "label maps."
    ),
    "architecture": (
        "No architecture: the search has not been run in this folder, or has not "
        "written its first record."
    ),
    "weights": "No loss weights: the search has not been run in this folder.",
    "weight_history": (
        "The loss weights are those of the settings: they were not searched in this "
        "folder."
    ),
    "losses": "No loss curves: neither a search nor a training has been recorded.",
    "hypergradients": "No hypergradients: no search has been recorded.",
    "provenance": "This run has no record of versions, seed and times.",
}


def pair_guide(*, is_3d: bool, is_oriented: bool, has_labels: bool) -> str:
    """Sentences that explain the plots of a registered pair."""
    sentences = [
        "The moving image is deformed to match the fixed one; the result is the moved "
        "image."
    ]
    if is_3d:
        slice_ = "slice with most structures" if has_labels else "brightest slice"
        sentences.append(f"In each direction the {slice_} is shown.")
    if not is_oriented:
        sentences.append(
            "The orientation of the files was not stored, so the axes are drawn as in "
            "the file: left and right must not be read from this picture."
        )
    elif is_3d:
        sentences.append(
            "Orientation as in radiology: R marks the patient's right, on the left of "
            "the page."
        )
    else:
        sentences.append("Letters at the edges mark the patient's sides.")
    if has_labels:
        sentences.append(
            "Solid yellow: outlines of the structures in the fixed image; dashed blue: "
            "the same structures in the moving (before) and moved (after) image; the "
            "better the match, the more the two coincide."
        )
    sentences += [
        "Difference: fixed minus moving (before), fixed minus moved (after), both on "
        "the colour scale below; white is no difference. Where the two images have "
        "different contrast, for example T1 and T2, it does not vanish even for a "
        "perfect match.",
        "Deformation: a regular grid drawn on the moving image and deformed with it, "
        "over the moved image; tissue was compressed where the lines are closer and "
        "stretched where they are wider apart.",
    ]
    return " ".join(sentences)


def duration(seconds: float) -> str:
    """A time in suitable units.

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
