"""Settings with which a classifier trains, but not as intended."""

import math
from collections.abc import Iterator

import torch
from mmengine.config import Config
from torch import nn

from luminet_det.distillation.small_batch import ENOUGH_ROWS
from luminet_det.doctor.findings import OK, WARN, Finding
from luminet_det.losses import LumiNetLoss


def check(model: nn.Module, cfg: Config, images: int) -> Iterator[Finding]:
    """Whether weights and batches are those that the losses need.

    Args:
        model: A `Classifier`.
        cfg: The config.
        images: Number of training images.
    """
    logits = [term for term in getattr(model, 'terms', ()) if term.tap == 'logits' and term.loss_weight]
    luminet = [term for term in logits if isinstance(term.loss, LumiNetLoss)]
    size = cfg.train_dataloader.get('batch_size') or 0
    traps = [
        *_scale(model),
        *_rows(size, luminet),
        *_last_batch(size, images, cfg.train_dataloader),
        *_channels(model),
    ]
    yield from traps
    if not traps:
        heard = f', {len(logits)} terms on the logits' if len(logits) > 1 else ''
        yield Finding('recipe', OK, f'cross-entropy has weight {model.ce_weight:g}{heard}; {size} images per batch')


def check_logits(model: nn.Module, batch: dict) -> Iterator[Finding]:
    """Whether student or teachers give probabilities, to which cross-entropy and losses would apply softmax again."""
    data = model.data_preprocessor(batch, False)
    images = data['inputs'][: len(data['labels'])]
    with torch.no_grad():
        found = {'model.network': model.outputs(images).logits}
        for i, link in enumerate(getattr(model, 'links', ())):
            if link.classes:
                found[f'the network of teacher {i}'] = link.answer(images, ('logits',)).logits
    for whose, rows in found.items():
        if (rows >= 0).all() and torch.allclose(rows.sum(1), rows.new_ones(len(rows)), atol=1e-3):
            yield Finding(
                'logits',
                WARN,
                f'{whose} gives probabilities: none is below 0, and those of an image add up to 1',
                f'{whose}: remove the softmax at its end; losses and accuracy take logits',
            )


def check_pixels(model: nn.Module, batch: dict) -> Iterator[Finding]:
    """Whether a custom dataset gives pixels of 0 to 255, as the preprocessor expects."""
    inputs = batch['inputs']
    low, high = float(inputs.min()), float(inputs.max())
    deviation = getattr(model.data_preprocessor, 'std', torch.ones(1))
    if inputs.is_floating_point() and (low < 0 or high <= 1) and float(deviation.max()) > 1:
        yield Finding(
            'pixels',
            WARN,
            f'train_dataloader gives floats from {low:.2f} to {high:.2f}, but data_preprocessor normalises them as '
            'pixels of 0 to 255',
            'train_dataloader.dataset: give uint8, without ToDtype, ToTensor and Normalize',
        )


def _scale(model: nn.Module) -> Iterator[Finding]:
    if not getattr(model, 'scale_is_fixed', True):
        yield Finding(
            'recipe',
            WARN,
            "ce_weight is 0, and LumiNetLoss sees neither scale nor offset of a class's logits: nothing fixes them, "
            'so the largest logit may not be that of the right class',
            'model.ce_weight = 1.0 or 2.0, as published',
        )


def _rows(size: int, luminet: list) -> Iterator[Finding]:
    alone = [term for term in luminet if not term.loss.sync]
    if alone and 0 < size < ENOUGH_ROWS / 2:
        off = f'is off by {1 / math.sqrt(2 * (size - 1)):.0%}' if size > 1 else 'does not exist'
        yield Finding(
            'recipe',
            WARN,
            f'LumiNetLoss standardises each class over a batch of {size}, where the standard deviation {off}; the '
            f'published runs have batches of {ENOUGH_ROWS}',
            f'train_dataloader.batch_size = {ENOUGH_ROWS}, or with several processes sync=True in the loss',
        )


def _last_batch(size: int, images: int, loader: dict) -> Iterator[Finding]:
    endless = 'Infinite' in str((loader.get('sampler') or {}).get('type'))
    if size > 1 and images % size == 1 and not loader.get('drop_last') and not endless:
        yield Finding(
            'recipe',
            WARN,
            f'{images} images in batches of {size} leave a single image in the last batch: BatchNorm and LumiNetLoss '
            'compute their statistics over it alone',
            'train_dataloader.drop_last = True',
        )


def _channels(model: nn.Module) -> Iterator[Finding]:
    if getattr(model.data_preprocessor, '_channel_conversion', False):
        yield Finding(
            'recipe',
            WARN,
            'data_preprocessor swaps red and blue, while the datasets of luminet_det give RGB',
            'model.data_preprocessor: leave out bgr_to_rgb and rgb_to_bgr',
        )
