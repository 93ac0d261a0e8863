"""Adaptors: what losses learn while the student trains, kept out of the student's weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import MessageHub
from torch import nn

# Under this name mmengine's message hub, which every checkpoint holds, saves and restores them.
KEPT_AS = 'luminet_det.adaptors'


class Adaptors(nn.ModuleList):
    """The losses that have parts of their own: regressors, memories, fusion blocks.

    It is a part of the student, so that the student's optimizer trains it, DDP reduces its gradients, and it moves with
    the student. But no `state_dict` of the student has its keys, and none that is loaded needs them: a checkpoint's
    `state_dict` is the plain student's. Beside it, in the checkpoint's message hub, it is saved for a resumed run.
    """

    def __init__(self, losses: list[nn.Module]) -> None:
        super().__init__(losses)
        self._register_state_dict_hook(_leave_out)
        self.register_load_state_dict_post_hook(_miss_nothing)

    def restore(self) -> None:
        """Take the state of the checkpoint that this run resumes, if it does, and have it saved from now on.

        Raises:
            RuntimeError: The checkpoint's adaptors are of other losses or shapes.
        """
        hub = MessageHub.get_current_instance()
        kept = hub.get_info(KEPT_AS)
        if isinstance(kept, list):
            try:
                for loss, state in zip(self, kept, strict=True):
                    loss.load_state_dict(state)
            except (RuntimeError, ValueError) as error:
                raise RuntimeError(
                    'What the losses had learned in the checkpoint to resume does not fit the terms of `distill`; '
                    f'resume with the config of that run: {error}'
                ) from error
        hub.update_info(KEPT_AS, Snapshot(self))


class Snapshot:
    """Adaptors as a checkpoint holds them: what mmengine copies, when it saves, is their state of that moment."""

    def __init__(self, adaptors: Adaptors) -> None:
        self.adaptors = adaptors

    def __deepcopy__(self, memo: dict) -> list[dict]:
        states = [loss.state_dict() for loss in self.adaptors]
        return [{key: value.cpu().clone() for key, value in state.items()} for state in states]


@contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Within the context, the models evaluate without gradient, and no running statistic moves."""
    modes = [(module, module.training) for model in models for module in model.modules()]
    try:
        for model in models:
            model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _leave_out(module: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]
    versions = getattr(state, '_metadata', {})
    for key in [key for key in versions if f'{key}.'.startswith(prefix)]:
        del versions[key]


def _miss_nothing(module: nn.Module, incompatible_keys) -> None:
    own = {f'.{name}' for name, _ in (*module.named_parameters(), *module.named_buffers())}
    missing = incompatible_keys.missing_keys
    missing[:] = [key for key in missing if not any(f'.{key}'.endswith(f'.adaptors{name}') for name in own)]
