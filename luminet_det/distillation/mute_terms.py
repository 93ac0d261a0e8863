"""MuteTerms: warns once about a term whose loss has no gradient to any weight that is trained."""

import logging

from mmengine.logging import print_log
from torch import Tensor

from luminet_det.distillation.terms import Term

STEPS = 10


class MuteTerms:
    """Counts the first steps in which a term's loss has no gradient, and warns if that is true of all of them."""

    def __init__(self) -> None:
        self._silent: dict[str, int | None] = {}

    def watch(self, name: str, term: Term, loss: Tensor) -> None:
        """Check the loss of a step.

        Args:
            name: The term's name in the log.
            term: The term.
            loss: Its loss.
        """
        silent = self._silent.get(name, 0)
        if silent is None:
            return
        silent = None if loss.requires_grad else silent + 1
        self._silent[name] = silent
        if silent == STEPS:
            self._silent[name] = None
            print_log(
                f"loss_{name} has no gradient: what the student gives on the tap '{term.tap}' comes from frozen layers "
                'only (frozen_stages, requires_grad), so the term teaches nothing. Unfreeze them, or remove the term.',
                logger='current',
                level=logging.WARNING,
            )
