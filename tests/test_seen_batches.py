"""Loader processes seed each batch and skip those already trained on; hooks/test_exact_resume.py tests resuming."""

import pytest
import torch
from mmcv.transforms import BaseTransform
from torch.utils.data import DataLoader, Dataset

from luminet_det.seen_batches import begin_epoch


class Drawn(Dataset):
    def __init__(self, *pipeline):
        self.pipeline = pipeline

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return torch.rand(())


class Mosaic(BaseTransform):
    def __init__(self, keeps):
        if keeps:
            self.results_cache = []

    def transform(self, results):
        return results


def test_the_loaders_of_each_process_draw_for_themselves(monkeypatch):
    drawn = []
    for rank in (0, 1):
        monkeypatch.setattr('luminet_det.seen_batches.get_rank', lambda rank=rank: rank)
        loader = DataLoader(Drawn(), num_workers=1)
        begin_epoch(loader, run_seed=3, start=0, done=0)
        drawn.append(next(iter(loader)).item())
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(('keeps', 'passed_over'), [(False, 5), (True, 0)])
def test_batches_of_an_epoch_are_passed_over_unless_a_transform_keeps_their_images(keeps, passed_over):
    loader = DataLoader(Drawn(Mosaic(keeps)))
    begin_epoch(loader, run_seed=3, start=3, done=2)
    assert loader.dataset.__getitems__.seen.batches == passed_over
