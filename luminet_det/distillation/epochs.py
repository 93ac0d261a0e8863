"""Checks for terms that count epochs, in runs that have no epochs or only one."""

import logging
from collections.abc import Sequence

from mmengine.logging import print_log

from luminet_det import saved_config
from luminet_det.distillation.running import run_info, training_hub
from luminet_det.distillation.terms import Term

COUNTS = 'A distill term counts epochs (in warmup, stop or a ramp of its loss)'


def require_epochs(terms: Sequence[Term]) -> None:
    """Raise ValueError if a term counts epochs, but the run counts iterations."""
    # mmengine's iteration-based loops count their whole run as one epoch; only their configs name max_iters.
    source = run_info('cfg')
    names_iterations = source is None or 'max_iters' in saved_config.settings(source, 'train_cfg')
    if run_info('max_epochs') == 1 and names_iterations and any(term.by_epoch for term in terms):
        raise ValueError(
            f'{COUNTS}, but this run has only one epoch, like every iteration-based run; write iterations, e.g. '
            'warmup=500, and feature_warmup=0 in FCFDLoss.'
        )


def warn_without_runner(terms: Sequence[Term]) -> None:
    """Warn if a term counts epochs outside a Runner, where nothing else does."""
    if training_hub() is None and any(term.by_epoch for term in terms):
        print_log(
            f'{COUNTS}, but outside a Runner there are no epochs, so it stays as in the first epoch. Write '
            'iterations, e.g. warmup=500.',
            logger='current',
            level=logging.WARNING,
        )
