"""The methods by the names of their configs: their names in the literature, what they compare, what a step costs."""

import json
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parent / 'results'
LOGITS, FEATURES, DETECTORS = 'methods_logits.md', 'methods_features.md', 'methods_detection_features.md'


class Method(NamedTuple):
    """A row.

    Attributes:
        title: As the literature names it.
        page: Where its equations are.
        taps: Where it compares.
        choose: When to choose it.
        published: Its row in the published tables; None if named like the title, '' if there is none.
    """

    title: str
    page: str
    taps: str
    choose: str
    published: str | None = None


# By the names of the configs, and of the rows of benchmarks/results/method_cost.json.
CLASSIFIERS = {
    'kd': Method('KD', LOGITS, '`logits`', 'First: the baseline for all others.'),
    'dkd': Method(
        'DKD', LOGITS, '`logits`', 'The teacher is so sure of the target that KD says little about the rest.'
    ),
    'luminet': Method('LumiNet', LOGITS, '`logits`', 'Batches of 64 or more; scales of logits differ.'),
    'kd_ls': Method('LSKD', LOGITS, '`logits`', 'As LumiNet, with small batches.', 'KD + LS'),
    'dkd_ls': Method('DKD, standardised', LOGITS, '`logits`', 'As DKD, when scales of logits differ.', 'DKD + LS'),
    'dist': Method('DIST', LOGITS, '`logits`', 'The teacher is far stronger than the student.'),
    'mlld': Method('MLLD', LOGITS, '`logits`, two views', 'You can afford two views and a long schedule.'),
    'mlld_ls': Method('MLLD, standardised', LOGITS, '`logits`, two views', 'As MLLD, with LSKD.', 'MLLD + LS'),
    'mcld': Method('MCLD (our reconstruction)', LOGITS, '`logits`', 'To try a contrastive loss without memories.', ''),
    'dml': Method('DML', 'mutual_learning.md', '`logits`', 'There is no trained teacher.'),
    'takd': Method('TAKD', 'teacher_assistants.md', '`logits`', 'The teacher is many times larger than the student.'),
    'fitnet': Method('FitNet', FEATURES, '`features`', 'The simplest feature loss; a baseline.'),
    'at': Method('AT', FEATURES, '`features`', 'Nothing additional may be learned.'),
    'sp': Method('SP', FEATURES, '`features`', 'Different architectures, and nothing may be learned.'),
    'rkd': Method('RKD', FEATURES, '`embedding`', 'Embeddings for retrieval; sizes differ.'),
    'crd': Method('CRD', FEATURES, '`embedding`', 'The embedding will be used on other data.'),
    'ofd': Method('OFD', FEATURES, '`features`', 'The teacher has norm and ReLU at the end of each stage.'),
    'reviewkd': Method('ReviewKD', FEATURES, '`features`', 'Highest published on features after FCFD; a long step.'),
    'fcfd': Method('FCFD', FEATURES, '`features`', 'Accuracy matters, and a longer step does not.'),
}
DETECTION = {
    'kd': Method('KD', LOGITS, '`roi_cls`, `dense_cls`', 'First: the baseline for all others.'),
    'dkd': Method('DKD', LOGITS, '`roi_cls`', 'Background and foreground need separate weights.'),
    'luminet': Method('LumiNet', LOGITS, '`roi_cls`, `dense_cls`', 'Hundreds of RoIs per step.'),
    'lskd': Method('LSKD', LOGITS, '`roi_cls`', 'Few RoIs per step.', ''),
    'dist': Method('DIST', LOGITS, '`roi_cls`', 'The teacher is far stronger than the student.', ''),
    'mlld': Method('MLLD, one view', LOGITS, '`roi_cls`', 'For comparison: its second view is missing.', ''),
    'mcld': Method('MCLD (our reconstruction)', LOGITS, '`roi_cls`', 'For comparison.', ''),
    'dml': Method('DML', 'mutual_learning.md', '`roi_cls`', 'There is no trained teacher.', ''),
    'takd': Method('TAKD', 'teacher_assistants.md', '`roi_cls`', 'The teacher is many times larger than the student.'),
    'boxes': Method('box deltas', LOGITS, '`roi_reg`', 'For comparison.', ''),
    'luminet_boxes': Method('LumiNet + box deltas', LOGITS, '`roi_cls`, `roi_reg`', 'For comparison.', ''),
    'fitnet': Method('FitNet', DETECTORS, '`neck`, `backbone`', 'A baseline: one layer, one weight.'),
    'fgfi': Method('FGFI', DETECTORS, '`neck`', 'Its weight can be searched; highest AP of a loss on maps here.'),
    'cwd': Method('CWD', DETECTORS, '`neck`, `backbone`', 'Its weight hardly mattered here (one seed).', ''),
    'pkd': Method(
        'PKD, a wider student', DETECTORS, '`neck`, `backbone`', 'Necks of equal width; nothing to learn.', ''
    ),
    'fgd': Method('FGD', DETECTORS, '`neck`, `backbone`', 'Small objects next to large ones.', ''),
    'mgd': Method('MGD', DETECTORS, '`neck`, `backbone`', 'As FGD, with one weight, which mattered a lot here.', ''),
    'reviewkd': Method('ReviewKD', DETECTORS, '`neck`, `backbone`', 'The best published on COCO; below KD here.'),
    'reviewkd_dkd': Method('ReviewKD + DKD', DETECTORS, '`neck`, `roi_cls`', 'The highest published pair of terms.'),
    'reviewkd_luminet': Method('ReviewKD + LumiNet', DETECTORS, '`neck`, `roi_cls`', 'Maps and logits together.', ''),
    'fgfi_luminet': Method(
        'FGFI + LumiNet', DETECTORS, '`neck`, `roi_cls`', 'The highest AP here, at 1.08 times the step time of KD.', ''
    ),
    'fcfd': Method('FCFD', DETECTORS, '`neck`', 'A longer step does not matter.', ''),
}


def costs(of: str) -> dict[str, dict]:
    """What benchmarks.method_cost has measured for 'classifiers' or 'detectors', by method."""
    found = json.loads((RESULTS / 'method_cost.json').read_text())[of]
    return {'takd': found['kd'], **found}  # a step with an assistant is one of KD


def step_costs(of: str) -> dict[str, float]:
    """A step's time relative to KD's, by method, of 'classifiers' or 'detectors'."""
    return {name: found['over_kd']['median'] for name, found in costs(of).items()}
