"""Several processes: each distils, DDP needs no find_unused_parameters, and synced statistics equal those of one."""

import os
from copy import deepcopy
from datetime import timedelta

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from torch import distributed as dist
from torch import multiprocessing as mp

from tests import dense, pairs, tiny

SYNCED = pairs.TERM | dict(loss=dict(pairs.LUMINET, sync=True))


def processes(target, *args, folder, world=2):
    """Run `target(rank, *args)` in forked processes of one group; returns the result of each."""
    mp.start_processes(_process, (target, args, world, str(folder)), nprocs=world, start_method='fork')
    return [torch.load(folder / f'{rank}.pth') for rank in range(world)]


def _process(rank, target, args, world, folder):
    torch.set_num_threads(1)
    # A process that waits in vain for the other one fails rather than hangs.
    limit = timedelta(seconds=120)
    dist.init_process_group('gloo', f'file://{folder}/rendezvous', limit, rank=rank, world_size=world)
    torch.save(target(rank, *args), f'{folder}/{rank}.pth')
    # A normal exit would tear gloo down while the DDP model is alive, which sometimes deadlocks.
    os._exit(0)


def train_rank(rank: int, model: dict, num_items: list[tuple[int, int]]) -> dict:
    """Two steps on this rank's images: LumiNet losses, last gradients, and the teacher parameters that DDP has."""
    detector = pairs.build(model)
    # DDP raises an error in the second step if a parameter was not used in the first.
    wrapped = MMDistributedDataParallel(detector, broadcast_buffers=False, find_unused_parameters=False)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.01)
    history = []
    for _ in range(2):
        with_mask = hasattr(getattr(detector, 'roi_head', None), 'mask_head')
        inputs, samples = pairs.batch(detector, seed=rank, num_items=num_items[rank], with_mask=with_mask)
        losses = wrapped(inputs, samples, mode='loss')
        optimizer.zero_grad()
        pairs.total(detector, losses).backward()
        optimizer.step()
        history.append(losses['loss_luminet'].item())
    gradients = {name: p.grad for name, p in detector.named_parameters()}
    teachers = {id(p) for teacher in detector.teachers for p in teacher.model.parameters()}
    in_ddp = sum(id(p) in teachers for p in wrapped.parameters())
    return dict(history=history, gradients=gradients, in_ddp=in_ddp)


def require_equal_training(first, second, num_items):
    for result, items in zip((first, second), num_items, strict=True):
        assert result['in_ddp'] == 0
        assert all((loss > 0) == (sum(items) > 0) for loss in result['history'])
    for name, gradient in first['gradients'].items():
        assert torch.equal(gradient, second['gradients'][name]), name


@pytest.mark.parametrize(
    ('term', 'num_items'),
    [(dict(), [(2, 1), (1, 2)]), (dict(SYNCED, rois='foreground'), [(2, 1), (0, 0)])],
    ids=['all', 'synced_and_one_rank_without_foreground'],
)
def test_two_processes_distil_on_every_rank_with_equal_gradients(tmp_path, teacher, term, num_items):
    model = pairs.distilling(tiny.faster_rcnn(), teacher, pairs.TERM | term)
    require_equal_training(*processes(train_rank, model, num_items, folder=tmp_path), num_items)


@pytest.mark.parametrize('student', [pairs.mask_rcnn, pairs.cascade_rcnn])
def test_mask_and_cascade_students_of_an_ensemble_need_no_unused_parameters(tmp_path, teacher, student):
    terms = [SYNCED, dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss'))]
    model = pairs.distilling(student(), [teacher, deepcopy(teacher)], terms)
    num_items = [(2, 1), (1, 2)]
    require_equal_training(*processes(train_rank, model, num_items, folder=tmp_path), num_items)


@pytest.mark.parametrize('kind', ['retinanet', 'rtmdet'])
def test_a_single_stage_student_needs_no_unused_parameters(tmp_path, kind):
    setting = pairs.save_teacher(tmp_path / 'teacher.pth', dense.model(kind))
    terms = [
        dict(tap='dense_cls', loss=dict(pairs.LUMINET, use_sigmoid=True, sync=True)),
        dict(tap='neck', loss=dict(type='luminet_det.PKDLoss')),
    ]
    model = pairs.distilling(dense.model(kind), setting, terms) | dict(type='luminet_det.DistillSingleStageDetector')
    num_items = [(2, 1), (1, 2)]
    require_equal_training(*processes(train_rank, model, num_items, folder=tmp_path), num_items)


def student_without_chance():
    """A student that takes every proposal as a RoI and, as in the COCO configs, uses no batch statistics."""
    model = tiny.faster_rcnn()
    model['backbone']['norm_eval'] = True
    model['train_cfg']['rcnn']['sampler'].update(num=1000, pos_fraction=1.0)
    return model


def term_of(images: slice, model: dict, num_items: tuple[int, int]) -> dict:
    """The value and the gradients of the distillation term for some of the images."""
    detector = pairs.build(model)
    inputs, samples = pairs.batch(detector, num_items=num_items)
    losses = detector.loss(inputs[images], samples[images])
    losses['loss_luminet'].backward()
    gradients = {name: p.grad for name, p in detector.named_parameters() if p.grad is not None}
    return dict(value=losses['loss_luminet'].detach(), gradients=gradients)


def one_image(rank: int, model: dict, num_items: tuple[int, int]) -> dict:
    """`term_of` one image, that of this process; averaged over the processes, as DDP does."""
    found = term_of(slice(rank, rank + 1), model, num_items)
    for tensor in (found['value'], *found['gradients'].values()):
        dist.all_reduce(tensor)
        tensor /= dist.get_world_size()
    return found


@pytest.mark.parametrize('rois', ['all', 'foreground'])
@pytest.mark.parametrize('num_items', [(3, 1), (3, 0)], ids=['uneven', 'one_image_without_boxes'])
def test_synced_two_processes_with_an_image_each_equal_one_with_both(tmp_path, teacher, rois, num_items):
    def model(sync):
        term = dict(SYNCED, rois=rois, loss=dict(pairs.LUMINET, sync=sync))
        return pairs.distilling(student_without_chance(), teacher, term)

    expected = term_of(slice(None), model(True), num_items)
    # The tolerance is relative to the largest gradient: some, as of the class bias, cancel to rounding errors.
    largest = max(gradient.abs().max().item() for gradient in expected['gradients'].values())
    for found in processes(one_image, model(True), num_items, folder=tmp_path):
        torch.testing.assert_close(found['value'], expected['value'], rtol=1e-5, atol=1e-6)
        assert found['gradients'].keys() == expected['gradients'].keys()
        for name, gradient in expected['gradients'].items():
            torch.testing.assert_close(found['gradients'][name], gradient, rtol=1e-5, atol=1e-5 * largest)
    (tmp_path / 'apart').mkdir()
    apart = processes(one_image, model(False), num_items, folder=tmp_path / 'apart')[0]
    assert apart['value'] != pytest.approx(expected['value'].item(), rel=1e-3)
