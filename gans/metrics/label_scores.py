"""How well maps of labels agree, by the three scores of pix2pix's FCN-score.

Isola et al. 2017, arXiv:1611.07004, section 4.1 and table 1; scripts/eval_cityscapes/util.py of
phillipi/pix2pix; Long et al. 2015, arXiv:1411.4038, section 5. `gans.features.segmentation` labels
the photos.
"""

import numpy as np


def label_scores(predicted: np.ndarray, truth: np.ndarray, classes: int) -> dict[str, float]:
    """pix2pix's three scores, each in [0, 1], over the pixels of all photos at once.

    `pixel_accuracy` is the share of the pixels that are right; `class_accuracy` the mean over the
    classes of the share of the class's pixels that are right; `class_iou` the mean over the classes
    of intersection over union. A class that is not in the truth has no accuracy, and one that is
    neither there nor predicted no IoU: they are left out of the means, as `nanmean` does in the
    code's `get_scores` (scripts/eval_cityscapes/util.py) and Long et al. intend. In its later
    versions a small number in the denominators makes such classes count as 0 instead; in
    Cityscapes' validation set, where all classes occur, it is the same.

    Args:
        predicted: of the painted photos, integers `(n, height, width)` in [0, classes).
        truth: the labels that they were painted from; 255, or any other that is no class, leaves a
            pixel out.
        classes: their number.

    Raises `ValueError` for arrays that are not of these.
    """
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if predicted.shape != truth.shape or not {predicted.dtype.kind, truth.dtype.kind} <= set("iu"):
        raise ValueError(
            "expected integers of one shape. Received: "
            f"{predicted.dtype} {predicted.shape} and {truth.dtype} {truth.shape}"
        )
    if predicted.size and not 0 <= predicted.min() <= predicted.max() < classes:
        raise ValueError(
            f"expected predicted classes from 0 to {classes - 1}. "
            f"Received: from {predicted.min()} to {predicted.max()}"
        )
    known = (truth >= 0) & (truth < classes)
    if not known.any():
        raise ValueError("expected pixels of a known class. Received: none")
    # Of each class of the truth (rows) how many pixels were taken for each class (columns).
    pairs = classes * truth[known].astype(np.int64) + predicted[known]
    counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    right, of_class, taken = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    present, union = of_class > 0, of_class + taken - right
    either = union > 0
    return {
        "pixel_accuracy": float(right.sum() / counts.sum()),
        "class_accuracy": float(np.mean(right[present] / of_class[present])),
        "class_iou": float(np.mean(right[either] / union[either])),
    }
