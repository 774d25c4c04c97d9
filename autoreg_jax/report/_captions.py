"""Captions for readers who know anatomy, not JAX, and sentences for what is absent."""

CAPTIONS = {
    "dice": (
        "Dice overlap of each structure: 0 means that its places in the two images do "
        "not overlap, 1 that they coincide. Boxes hold the middle half of the "
        "pairs, the black line is the median, whiskers reach from the worst to the "
        "best pair, and dots are single pairs. Grey: before registration; blue: after "
        "the network; orange: after refining each pair on its own, if that was done. "
        "Small and thin structures score lower for the same error in mm."
    ),
    "alpha": (
        "What the search prefers. The network is built of cells, and each cell is a "
        "chain of three steps (edges). For each edge (column) the search gives the "
        "candidate operations (rows) a probability in percent; a darker field is more "
        "likely. Framed in orange: the operation that the final network uses. Feature "
        "cells describe each image, deformation cells compare the two and find the "
        "motion; both work at half and at a quarter of the image resolution. Colours "
        "cover the range of the values and need not start at zero: read the "
        "numbers, not the contrast alone."
    ),
    "lambda": (
        "The balance that the search strikes between matching the images (similarity, "
        "at three resolutions) and keeping the deformation smooth. Each plot has its "
        "own scale; dots and numbers mark the value at the start and at the end of the "
        "search. A larger weight counts more."
    ),
    "losses": (
        "What each stage minimises, step by step; lower is better. Above: on the "
        "subjects used for learning. Below: on validation subjects, which the network "
        "weights do not learn from; for the search of the loss weights this is one "
        "minus the overlap of the structures or, without label maps, the disagreement "
        "of the images (lower is better), for the training the Dice (higher is "
        "better). Faint: single steps; bold: their running mean. The plots have "
        "different scales and are not to be compared with each other."
    ),
    "hypergradients": (
        "How strongly the validation result pulls at the quantity being searched. The "
        "direct part is the immediate effect of that quantity; the indirect part acts "
        "through the weights that the network learns under it. Logarithmic "
        "scale; faint: single steps, bold: their running mean. A part that is zero has "
        "no line; an indirect part far below the direct one means that the "
        "network's own learning hardly mattered for the search."
    ),
}

MISSING = {
    "summary": "There is no evaluation in this run, so there are no scores to list.",
    "pairs": "No example pairs were stored in this run, so there is no image to show.",
    "structures": (
        "No Dice by structure: the run has not been evaluated, or its subjects have no "
        "label maps."
    ),
    "architecture": (
        "No architecture: the search has not been run in this folder, or has not "
        "reached its first record."
    ),
    "weights": "No loss weights: the search has not been run in this folder.",
    "weight_history": (
        "The loss weights were used as given: their search has not been run in this "
        "folder."
    ),
    "losses": "No loss curves: neither search nor training has been recorded.",
    "hypergradients": (
        "No hypergradients: the search, which computes them, has not been recorded."
    ),
    "provenance": "The run left no record of versions, seed and times.",
}


def pair_guide(
    *,
    is_3d: bool,
    is_oriented: bool,
    has_labels: bool,
) -> str:
    """Explain the plots of a registered pair.

    Args:
        is_3d: Three slices rather than one image.
        is_oriented: The patient sides are known.
        has_labels: Outlines are drawn.

    Returns:
        Sentences that stand above the pictures.
    """
    sentences = [
        "The moving image is deformed so that it fits the fixed one; the result is the "
        "moved image."
    ]
    if is_3d and has_labels:
        sentences.append(
            "Of each direction the slice that shows most of the structures is drawn."
        )
    elif is_3d:
        sentences.append("Of each direction the brightest slice is drawn.")
    if is_oriented:
        sentences.append(
            "Orientation as in radiology: R marks the patient's right, on the left of "
            "the page."
            if is_3d
            else "Letters at the edges mark the patient's sides."
        )
    else:
        sentences.append(
            "The file's orientation was not stored, so the axes are drawn as they are "
            "in the file and left and right must not be read from this picture."
        )
    if has_labels:
        sentences.append(
            "Solid yellow: outlines of the structures in the fixed image; dashed blue: "
            "the same structures in the moving (before) and moved (after) image; the "
            "better the fit, the more the two coincide."
        )
    sentences += [
        "Difference: fixed minus moving (before), fixed minus moved (after), both on "
        "the colour scale below; white is no difference. Where the two images have "
        "different contrast, for example T1 and T2, it does not vanish even for a "
        "perfect fit.",
        "Deformation: a regular grid drawn on the moving image and carried along with "
        "it, over the moved image; where lines draw together tissue was compressed, "
        "where they part it was stretched.",
    ]
    return " ".join(sentences)
