"""What the doctor says about a classifier's datasets, file by file and class by class."""

import numpy as np
import pytest
import torch
from PIL import Image

from luminet_det.classification.data import CIFAR100, ImageFolder
from luminet_det.doctor import images
from luminet_det.doctor.findings import Unusable
from tests.classification.data import written

LOADER = dict(
    batch_size=4,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='luminet_det.collate_images'),
)


def said(findings):
    return [(finding.level, finding.found) for finding in findings]


def npz(path, counts, **settings):
    """A dataset with these numbers of images per class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    written.npz(path, len(counts), train_images=written.images(len(labels), 4), train_labels=labels)
    return CIFAR100(str(path), **settings)


@pytest.mark.parametrize(
    ('counts', 'warned'),
    [
        ([9, 9], []),
        ([9, 4, 3], ['2 of 3 classes have fewer than 5 images: class2 3, class1 4']),
        ([5, 500], []),
        ([5, 501], ['501 images of class1, and 5 of class0']),
        ([9, 0], ['1 of 2 classes have fewer than 5 images: class1 0']),
    ],
)
def test_classes_with_few_images_or_too_many_are_named(tmp_path, counts, warned):
    *warnings, last = images.check_counts('train_dataloader', npz(tmp_path / 'i.npz', counts, allow_empty=True))
    assert said(warnings) == [('WARN', f'train_dataloader: {text}') for text in warned]
    assert all(finding.change for finding in warnings)
    assert last.found.startswith(f'train_dataloader: {sum(counts)} images of {len(counts)} classes, ')
    low, high = int(np.argmin(counts)), int(np.argmax(counts))
    each = f'{min(counts)} (class{low}) to {max(counts)} (class{high}) each'
    assert last.found.endswith('classes, 9 each' if min(counts) == max(counts) else each)


def test_where_the_images_are_and_what_the_network_gets(tmp_path):
    crop = [dict(type='CenterCrop', size=2)]
    for settings, found in (
        (dict(device_resident=True, device='cpu'), '4 x 4, all resident on cpu'),
        (dict(), '4 x 4, all in memory'),
        (dict(transforms=[crop, crop]), '4 x 4, all in memory; the network gets 2 x 2'),
    ):
        dataset = npz(tmp_path / 'i.npz', [5, 5], **settings)
        assert said(images.check_reading('val', LOADER, dataset)) == [('OK', f'val: {found}')]
    dataset = ImageFolder(str(written.tree(tmp_path / 'tree', side=8)), split=None)
    assert said(images.check_reading('val', LOADER, dataset)) == [('OK', 'val: 8 x 8, in files, 12 of them opened')]


def test_images_of_several_sizes_must_end_in_one(tmp_path):
    root = written.tree(tmp_path / 'tree', side=8)
    Image.new('RGB', (6, 9)).save(root / 'ant' / 'other.png')
    crop = [dict(type='CenterCrop', size=4)]
    (finding,) = images.check_reading('val', LOADER, ImageFolder(str(root), split=None, transforms=crop))
    assert finding.found == 'val: of 2 sizes (8 x 8, 9 x 6, ...), in files, 13 of them opened; the network gets 4 x 4'
    with pytest.raises(ValueError, match='The images of a batch differ in size'):
        list(images.check_reading('val', LOADER, ImageFolder(str(root), split=None)))


def test_files_that_cannot_be_read_are_named(tmp_path):
    root = written.tree(tmp_path / 'tree')
    path = written.truncate(root / 'bee' / '1.png')
    (finding,) = images.check_reading('val', LOADER, ImageFolder(str(root), split=None))
    assert (finding.level, "val.dataset.on_error='skip'" in finding.change) == ('FAIL', True)
    assert f'1 of 12 files that were opened cannot be read: {path} (' in finding.found
    left = images.check_reading('val', LOADER, ImageFolder(str(root), split=None, on_error='skip'))
    assert [finding.level for finding in left] == ['WARN', 'OK']


def test_batches_are_tensors(tmp_path):
    loader = {key: value for key, value in LOADER.items() if key != 'collate_fn'}
    with pytest.raises(Unusable, match='hold a list of images') as caught:
        list(images.check_reading('val_dataloader', loader, npz(tmp_path / 'i.npz', [5, 5])))
    assert caught.value.change == "val_dataloader.collate_fn = dict(type='luminet_det.collate_images')"


def test_loader_processes_cannot_serve_a_gpu(tmp_path):
    dataset = npz(tmp_path / 'i.npz', [5, 5], device_resident=True, device='cpu')
    dataset.resident.device = torch.device('cuda')
    with pytest.raises(Unusable, match='cannot be served by loader processes') as caught:
        list(images.check_reading('train_dataloader', LOADER, dataset))
    assert caught.value.change.startswith('train_dataloader.num_workers = 0')


def test_the_same_image_is_the_same_however_it_is_held(tmp_path):
    held = npz(tmp_path / 'i.npz', [5, 5])
    resident = npz(tmp_path / 'i.npz', [5, 5], device_resident=True, device='cpu')
    assert list(images.identities(held)) == list(images.identities(resident))
    assert len({identity for identity, _ in images.identities(held)}) == 10


def test_a_link_is_the_file_it_leads_to(tmp_path):
    root = written.tree(tmp_path / 'tree')
    (tmp_path / 'links' / 'ant').mkdir(parents=True)
    (tmp_path / 'links' / 'ant' / 'a.png').symlink_to(root / 'ant' / '2.png')
    (tmp_path / 'other').symlink_to(root)
    original, link, folder = (
        dict(images.identities(ImageFolder(str(path), split=None)))
        for path in (root, tmp_path / 'links', tmp_path / 'other')
    )
    assert list(link) == [str((root / 'ant' / '2.png').resolve())]
    assert link.keys() < original.keys() == folder.keys()
