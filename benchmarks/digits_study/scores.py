"""The scores of a set of predictions on a part of the images."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CONFIDENT = 0.3  # calibration leaves out detections below this score
BINS = 15


NAMES = ('AP', 'AP50', 'AP75', 'AP_small', 'AP_medium')


def score(truth: COCO, predictions: Sequence[dict], images: Sequence[int]) -> dict:
    """COCO's AP, and how calibrated the detections are.

    Args:
        truth: The annotations.
        predictions: COCO's result dicts.
        images: Ids of the images that count.

    Returns:
        AP, AP50, AP75, AP_small (area below 32**2 pixels), AP_medium, AP_of_class by name, all 0 to 1; D-ECE, the
        expected calibration error of detections, and their overconfidence (`calibration`).
    """
    if not predictions:
        # pycocotools does not accept an empty list.
        return {
            **dict.fromkeys(NAMES, 0.0),
            'AP_of_class': {c['name']: 0.0 for c in truth.cats.values()},
            'D-ECE': None,
            'overconfidence': None,
        }
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(list(predictions)), 'bbox')
        evaluation.params.imgIds = sorted(images)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    found = {name: round(float(value), 4) for name, value in zip(NAMES, evaluation.stats, strict=False)}
    # IoU, recall, class, area, detections per image.
    precision = evaluation.eval['precision'][:, :, :, 0, -1]
    of_class = {
        truth.cats[category]['name']: round(float(precision[:, :, place].mean()), 4)
        for place, category in enumerate(evaluation.params.catIds)
    }
    error, surplus = calibration(evaluation)
    return {**found, 'AP_of_class': of_class, 'D-ECE': error, 'overconfidence': surplus}


def calibration(evaluation: COCOeval) -> tuple[float | None, float | None]:
    """Calibration of the detections with a score of 0.3 or more; None without any.

    A detection is right if it has an IoU of 0.5 or more with a box of its class that no detection of a higher score has
    matched.

    Returns:
        The expected calibration error, 0 to 1: in each of 15 bins of the score, the difference between its mean and
        the share of right detections, weighted by the number of detections; and the overconfidence, -1 to 1: the mean
        score minus the share of right detections.

    Source: Küppers et al., "Multivariate Confidence Calibration for Object Detection", CVPR Workshops 2020, by the
    score alone.
    """
    whole = [one for one in evaluation.evalImgs if one is not None and one['aRng'] == evaluation.params.areaRng[0]]
    scores = np.concatenate([one['dtScores'] for one in whole] or [np.zeros(0)])
    # The first threshold is an IoU of 0.5.
    right = np.concatenate([one['dtMatches'][0] > 0 for one in whole] or [np.zeros(0, bool)])
    sure = scores >= CONFIDENT
    scores, right = scores[sure], right[sure]
    if not len(scores):
        return None, None
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs(scores[bins == place].sum() - right[bins == place].sum()) for place in np.unique(bins)]
    return round(float(sum(gaps) / len(scores)), 4), round(float(scores.mean() - right.mean()), 4)
