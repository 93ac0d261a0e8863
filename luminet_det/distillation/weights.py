"""Strict loading of weights, with an error that says what to change."""

import logging
import re
from collections import Counter, OrderedDict

from mmengine.logging import print_log
from torch import nn

PIXELS = ('data_preprocessor.mean', 'data_preprocessor.std')


class Misfit(RuntimeError):
    """Weights that do not fit a model.

    Attributes:
        foreign: Whether the model knows none of their keys.
        outputs_alone: Whether only the numbers of outputs of some layers differ, as with other classes.
    """

    # mmengine's registries raise errors again with only their type and text, so the other arguments have defaults.
    def __init__(self, text: str, foreign: bool = False, outputs_alone: bool = False) -> None:
        super().__init__(text)
        self.foreign, self.outputs_alone = foreign, outputs_alone


def load_strictly(model: nn.Module, checkpoint: dict, source: str) -> None:
    """Load every weight of `model` from an mm checkpoint or a bare state dict.

    Two things in files from older versions are ignored: the pixel mean and std that the first versions of mmdet 3
    saved (with a warning if they differ from the model's), and the second copy of each weight that mmdet 2 saved for
    its moving average.

    Args:
        model: The model to fill.
        checkpoint: `{'state_dict': ...}` or the state dict itself; a `module.` prefix is removed.
        source: Path or URL, for the message.

    Raises:
        Misfit: A key is missing or unexpected, or its weight has another shape. The message counts these keys, names
            the first ones and gives the likely cause.
    """
    state = checkpoint.get('state_dict', checkpoint)
    stripped = OrderedDict((re.sub(r'^module\.', '', key), value) for key, value in state.items())
    # The versions stored with the weights let modules convert older layouts on loading.
    stripped._metadata = getattr(state, '_metadata', OrderedDict())
    own = model.state_dict()
    _leave_out(stripped, own, dict(model.named_buffers()), source)
    misshapen = {k: v for k, v in stripped.items() if k in own and own[k].shape != v.shape}
    for key in misshapen:
        del stripped[key]
    missing, unexpected = model.load_state_dict(stripped, strict=False)
    missing = [key for key in missing if key not in misshapen]
    if not (missing or unexpected or misshapen):
        return
    shapes = [f'{k} {tuple(v.shape)} for {tuple(own[k].shape)}' for k, v in misshapen.items()]
    findings = [
        f'{len(keys)} {word} ({", ".join(keys[:3])}{", ..." if len(keys) > 3 else ""})'
        for word, keys in (('missing', missing), ('unexpected', unexpected), ('of another shape', shapes))
        if keys
    ]
    foreign = not (misshapen or stripped.keys() & own.keys())
    cause = _foreign(unexpected) if foreign else _likely_cause(own, missing, unexpected, misshapen)
    raise Misfit(
        f'The checkpoint {source} does not fit its config, which has {len(own)} weights: '
        f'{"; ".join(findings)}. Likely cause: {cause}',
        foreign,
        outputs_alone=not (missing or unexpected) and _same_but_outputs(own, misshapen),
    )


def _leave_out(state: dict, own: dict, buffers: dict, source: str) -> None:
    """Remove what today's models do not save: buffers that are not weights, and mmdet 2's copies for its EMA."""
    copies = {f'ema_{key.replace(".", "_")}' for key in own}
    for key in [key for key in state if key in copies or (key in buffers and key not in own)]:
        theirs, ours = state.pop(key).flatten().tolist(), buffers.get(key)
        if key in PIXELS and theirs != (ours := ours.flatten().tolist()):
            print_log(
                f'{source} was trained with {key}={theirs}, but its config says {ours}: correct the config if that is '
                'not intended.',
                logger='current',
                level=logging.WARNING,
            )


def _likely_cause(own: dict, missing: list[str], unexpected: list[str], misshapen: dict) -> str:
    classifier = next((k for k in misshapen if 'fc_cls' in k or 'retina_cls' in k), None)
    layers = {key.rpartition('.')[0] for key in misshapen}
    elsewhere = any(part in k for k in misshapen for part in ('backbone', 'neck', 'shared_fcs'))
    if classifier and not elsewhere:
        return (
            f'the checkpoint has {len(misshapen[classifier])} class outputs (background included), the config '
            f'{len(own[classifier])}; set num_classes in the config to the classes the checkpoint was trained with.'
        )
    if {k.split('.')[0] for k in (*missing, *unexpected, *misshapen)} == {'backbone'}:
        return 'another backbone (depth or width); give the config the checkpoint was trained with.'
    if len(layers) == 1 and not (missing or unexpected) and _same_but_outputs(own, misshapen):
        key, value = next(iter(misshapen.items()))
        return (
            f'the checkpoint has {len(value)} class outputs, the config {len(own[key])}; set num_classes in the config '
            'to the classes the checkpoint was trained with.'
        )
    if misshapen and not (missing or unexpected):
        return (
            f'layers of another width, from {next(iter(misshapen))} on; give the config the checkpoint was trained '
            'with, which mmengine saves next to it in the work dir.'
        )
    if any('mask_head' in k for k in unexpected):
        return 'the checkpoint is of Mask R-CNN, the config of Faster R-CNN.'
    if bool(missing) != bool(unexpected) and not misshapen:
        deeper, key = ('config', missing[0]) if missing else ('checkpoint', unexpected[0])
        return (
            f'networks of another depth, or an incomplete file: only the {deeper} has {key}; give the config the '
            'checkpoint was trained with.'
        )
    return 'config and checkpoint belong to different models; give the pair that was trained together.'


def _same_but_outputs(own: dict, misshapen: dict) -> bool:
    """Whether the shapes differ in their first dimension only, as those of a last layer for other classes do."""
    return all(own[key].shape[1:] == value.shape[1:] for key, value in misshapen.items())


def _foreign(keys: list[str]) -> str:
    """The cause where no key is known to the model."""
    container = next((k for k in keys if '.' not in k and k in ('model', 'model_ema', 'ema', 'net', 'weights')), None)
    if container:
        return f"another framework's file, which keeps its weights under the key '{container}'; save only those."
    prefix = Counter(k.split('.')[0] for k in keys).most_common(1)[0][0] if keys else ''
    if prefix in ('student', 'teacher', 'architecture', 'detector', 'model'):
        return (
            f"the weights have the prefix '{prefix}.', as wrappers of other projects save them; export the plain "
            f"student first, for instance by {{key.removeprefix('{prefix}.'): value for key, value in weights.items() "
            f"if key.startswith('{prefix}.')}}."
        )
    return 'this is not a checkpoint of a model of this kind.'
