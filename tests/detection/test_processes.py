"""With many processes distillation is on every rank, and DDP needs no crutch."""

import os

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from torch import distributed as dist
from torch import multiprocessing as mp

from tests import pairs, tiny


def train_rank(rank: int, folder: str, model: dict, num_items: list[tuple[int, int]]) -> None:
    """Two steps on this rank's images; saves the losses and gradients."""
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
    detector = pairs.build(model)
    wrapped = MMDistributedDataParallel(detector, broadcast_buffers=False)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.01)
    history = []
    for _ in range(2):
        inputs, samples = pairs.batch(detector, seed=rank, num_items=num_items[rank])
        losses = wrapped(inputs, samples, mode='loss')
        optimizer.zero_grad()
        pairs.total(detector, losses).backward()
        optimizer.step()
        history.append(losses['loss_luminet'].item())
    gradients = {name: p.grad for name, p in detector.named_parameters()}
    ours = {id(p) for p in detector.teachers[0].model.parameters()}
    in_ddp = sum(id(p) in ours for p in wrapped.parameters())
    torch.save(dict(history=history, gradients=gradients, in_ddp=in_ddp), f'{folder}/{rank}.pth')
    # Tearing gloo down beside a live DDP deadlocks once in a while.
    os._exit(0)


@pytest.mark.parametrize(
    ('term', 'num_items'),
    [
        (dict(), [(2, 1), (1, 2)]),
        (dict(rois='foreground', loss=dict(pairs.LUMINET, sync=True)), [(2, 1), (0, 0)]),
    ],
    ids=['all', 'synced_and_one_rank_without_foreground'],
)
def test_two_processes_distil_on_every_rank_with_equal_gradients(tmp_path, teacher, term, num_items):
    model = pairs.distilling(tiny.faster_rcnn(), teacher, pairs.TERM | term)
    mp.spawn(train_rank, (str(tmp_path), model, num_items), nprocs=2)
    first, second = (torch.load(tmp_path / f'{rank}.pth') for rank in (0, 1))
    for result, items in zip((first, second), num_items, strict=True):
        assert result['in_ddp'] == 0
        assert all((loss > 0) == (sum(items) > 0) for loss in result['history'])
    for name, gradient in first['gradients'].items():
        assert torch.equal(gradient, second['gradients'][name]), name
