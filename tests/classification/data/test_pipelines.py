"""The ordinary and the device-resident pipeline of a dataset: its subsets, views and batches."""

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from luminet_det.classification.data import CIFAR100, ImageFolder, UnreadableImage, collate_images
from luminet_det.registry import TRANSFORMS
from tests.classification.data import written

CROP_AND_FLIP = [{'type': 'RandomCrop', 'size': 32, 'padding': 4}, {'type': 'RandomHorizontalFlip'}]
ERASING = {'type': 'RandomErasing', 'p': 1.0}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """Resident images live on the CPU unless a test says otherwise."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)


@pytest.fixture
def root(tmp_path):
    written.npz(tmp_path / 'cifar.npz', classes=4, each=10)
    return tmp_path


def batches(dataset, batch_size=7, **settings) -> list[dict]:
    return list(DataLoader(dataset, batch_size, collate_fn=collate_images, **settings))


def test_without_transforms_both_pipelines_serve_the_same_batches(root):
    ordinary, resident = (batches(CIFAR100(root, device_resident=flag)) for flag in (False, True))
    assert len(ordinary) == len(resident) == 6
    for one, other in zip(ordinary, resident, strict=True):
        assert one.keys() == other.keys() == {'inputs', 'labels', 'index'}
        for key in one:
            assert torch.equal(one[key], other[key])
            assert one[key].dtype == other[key].dtype
    assert one['inputs'].dtype == torch.uint8
    assert one['labels'].dtype == one['index'].dtype == torch.int64


@pytest.mark.parametrize('resident', [False, True])
@pytest.mark.parametrize('workers', [0, 2])
def test_each_sample_comes_once_with_its_own_index_and_label(root, resident, workers):
    dataset = CIFAR100(root, device_resident=resident, transforms=CROP_AND_FLIP, fraction=0.5, device='cpu')
    served = batches(dataset, shuffle=True, num_workers=workers)
    index = torch.cat([batch['index'] for batch in served])
    assert index.sort().values.tolist() == list(range(20))
    assert torch.equal(torch.cat([batch['labels'] for batch in served]), dataset.labels[index])
    assert torch.cat([batch['inputs'] for batch in served]).shape == (20, 3, 32, 32)


@pytest.mark.parametrize('resident', [False, True])
def test_a_batch_holds_all_images_of_the_first_view_then_those_of_the_second(root, resident):
    views = [[], [{'type': 'RandomHorizontalFlip', 'p': 1.0}]]
    plain, dataset = CIFAR100(root), CIFAR100(root, transforms=views, device_resident=resident)
    (batch,) = batches(dataset, batch_size=40)
    expected = torch.stack([plain[i]['inputs'] for i in range(40)])
    assert torch.equal(batch['inputs'], torch.cat([expected, expected.flip(-1)]))
    assert batch['labels'].shape == batch['index'].shape == (40,)
    assert dataset[3]['inputs'].shape == (2, 3, 32, 32)


def test_views_of_an_image_are_cropped_independently(root):
    torch.manual_seed(0)
    for resident in (False, True):
        dataset = CIFAR100(root, transforms=[CROP_AND_FLIP, CROP_AND_FLIP], device_resident=resident)
        first, second = batches(dataset, batch_size=40)[0]['inputs'].chunk(2)
        assert (first != second).flatten(1).any(1).sum() > 30


@pytest.mark.parametrize('resident', [False, True])
def test_views_of_different_sizes_are_refused_with_both(root, resident):
    dataset = CIFAR100(root, transforms=[[], [{'type': 'CenterCrop', 'size': 24}]], device_resident=resident)
    with pytest.raises(ValueError, match='views differ in size: .*32, 32.*24, 24'):
        batches(dataset)


def test_one_image_of_a_resident_set_is_what_its_batch_would_hold(root):
    dataset = CIFAR100(root, device_resident=True)
    sample = dataset[5]
    assert torch.equal(sample['inputs'], dataset.__getitems__([5])['inputs'][0])
    assert (int(sample['index']), sample['inputs'].shape) == (5, (3, 32, 32))
    with pytest.raises(IndexError):
        dataset[40]


def test_the_same_seed_serves_the_same_resident_epoch(root):
    dataset = CIFAR100(root, device_resident=True, transforms=[*CROP_AND_FLIP, {'type': 'AutoAugment'}])
    epochs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        epochs.append(torch.cat([batch['inputs'] for batch in batches(dataset, shuffle=True)]))
    assert torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], epochs[2])


def test_a_fraction_is_taken_of_each_class_the_same_each_time_and_within_a_larger_one(root):
    def chosen(**settings):
        dataset = CIFAR100(root, **settings)
        return {dataset[i]['inputs'].numpy().tobytes() for i in range(len(dataset))}, dataset.labels.bincount().tolist()

    small, counts = chosen(fraction=0.3)
    assert counts == [3] * 4
    assert chosen(fraction=0.3)[0] == small < chosen(fraction=0.6)[0]
    assert chosen(fraction=0.3, subset_seed=1)[0] != small
    assert chosen(fraction=0.001)[1] == [1] * 4


def test_train_and_held_out_parts_are_disjoint_and_together_the_fraction(root):
    parts = [CIFAR100(root, fraction=0.5, val_fraction=0.2, part=part) for part in ('train', 'held-out')]
    images = [{part[i]['inputs'].numpy().tobytes() for i in range(len(part))} for part in parts]
    whole = CIFAR100(root, fraction=0.5)
    assert images[0].isdisjoint(images[1])
    assert images[0] | images[1] == {whole[i]['inputs'].numpy().tobytes() for i in range(len(whole))}
    assert parts[1].labels.bincount().tolist() == [1] * 4
    resident = CIFAR100(root, fraction=0.5, val_fraction=0.2, part='held-out', device_resident=True)
    assert torch.equal(resident.labels, parts[1].labels)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'fraction': 0}, '0 < fraction <= 1'),
        ({'val_fraction': 1.0}, '0 <= val_fraction < 1'),
        ({'part': 'val'}, "choose 'train' or 'held-out'"),
        ({'part': 'held-out'}, 'set val_fraction'),
        ({'on_error': 'ignore'}, "choose 'stop' or 'skip'"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_range(root, settings, message):
    with pytest.raises(ValueError, match=message):
        CIFAR100(root, **settings)


def test_resize_brings_images_of_any_shape_to_one_size(tmp_path):
    written.tree(tmp_path, classes=['ant'], side=40)
    written.tree(tmp_path, classes=['bee'], side=20)
    with pytest.raises(ValueError, match='40 x 40.*20 x 20.*set resize='):
        ImageFolder(tmp_path, split=None, device_resident=True)
    with pytest.raises(ValueError, match='differ in size.*resize=...'):
        batches(ImageFolder(tmp_path, split=None))
    ordinary, resident = (
        batches(ImageFolder(tmp_path, split=None, resize=24, device_resident=flag), batch_size=8)[0]
        for flag in (False, True)
    )
    assert ordinary['inputs'].shape == (8, 3, 24, 24)
    assert torch.equal(ordinary['inputs'], resident['inputs'])


@pytest.mark.parametrize('resident', [False, True])
def test_a_truncated_image_stops_with_its_name_or_is_left_out_and_named_once(tmp_path, caplog, resident):
    path = written.truncate(written.tree(tmp_path) / 'bee' / '1.png')
    with pytest.raises(UnreadableImage, match=f"{path} cannot be read.*on_error='skip'"):
        batches(ImageFolder(tmp_path, split=None, device_resident=resident))
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    dataset = ImageFolder(tmp_path, split=None, device_resident=resident, on_error='skip')
    sizes = [sum(len(batch['labels']) for batch in batches(dataset)) for _ in range(2)]
    logger.removeHandler(caplog.handler)
    assert sizes == [11, 11]
    assert caplog.text.count('Left out') == caplog.text.count(str(path)) == 1
    assert '1 so far' in caplog.text


def test_a_batch_of_skipped_images_alone_is_empty(tmp_path):
    folder = written.tree(tmp_path, classes=['ant'], each=5) / 'ant'
    for name in ('2.png', '3.png'):
        written.truncate(folder / name)
    served = batches(ImageFolder(tmp_path, split=None, on_error='skip'), batch_size=2)
    assert [batch['index'].tolist() for batch in served] == [[0, 1], [], [4]]
    assert {batch['inputs'].dtype for batch in served} == {torch.uint8}
    assert {batch[key].dtype for batch in served for key in ('labels', 'index')} == {torch.int64}


def test_a_transform_that_writes_into_its_image_leaves_the_data_set_as_it_is(root):
    plain, erased = (CIFAR100(root, transforms=each) for each in (None, [dict(ERASING, inplace=True)]))
    before = torch.stack([sample['inputs'] for sample in plain])
    assert not torch.equal(torch.stack([sample['inputs'] for sample in erased]), before)
    assert torch.equal(torch.from_numpy(erased.source.images).permute(0, 3, 1, 2), before)


@pytest.mark.parametrize('resident', [False, True])
def test_a_set_without_any_readable_image_is_an_error(tmp_path, resident):
    for path in (written.tree(tmp_path, classes=['ant'], each=2) / 'ant').iterdir():
        path.write_bytes(b'no image')
    with pytest.raises(ValueError, match='None of the 2 images'):
        ImageFolder(tmp_path, split=None, on_error='skip', device_resident=resident)


def test_grey_and_transparent_images_come_out_in_three_channels(tmp_path):
    from PIL import Image

    (tmp_path / 'ant').mkdir()
    for mode in ('L', 'RGBA', 'P', 'LA', 'CMYK'):
        Image.new(mode, (8, 8)).save(tmp_path / 'ant' / f'{mode}.{"jpg" if mode == "CMYK" else "png"}')
    assert batches(ImageFolder(tmp_path, split=None))[0]['inputs'].shape == (5, 3, 8, 8)


@pytest.mark.parametrize('mode', ['I;16', 'F'])
def test_images_of_more_than_8_bits_are_refused_or_skipped_and_never_cut_off(tmp_path, mode):
    from PIL import Image

    (tmp_path / 'ant').mkdir()
    for name in ('deep', 'other'):
        Image.new(mode if name == 'deep' else 'L', (8, 8)).save(tmp_path / 'ant' / f'{name}.tiff')
    with pytest.raises(UnreadableImage, match=f'deep.tiff cannot be read: its pixels .*{mode}.* more than 8 bits'):
        batches(ImageFolder(tmp_path, split=None))
    assert len(batches(ImageFolder(tmp_path, split=None, on_error='skip'))[0]['inputs']) == 1


def test_what_catches_unknown_settings_is_none(root):
    with pytest.raises(ValueError, match="no setting 'unknown'") as caught:
        CIFAR100(root, unknown=3)
    assert 'transforms, val_fraction' in str(caught.value)


def test_transforms_that_leave_bytes_are_refused_with_the_reason(root):
    dataset = CIFAR100(root, transforms=[{'type': 'ToPILImage'}])
    with pytest.raises(TypeError, match='expected uint8.*data_preprocessor'):
        dataset[0]


def test_images_on_a_gpu_refuse_loader_processes_with_the_setting_to_change(root):
    dataset = CIFAR100(root, device_resident=True, device='cpu')
    # In a loader process only the type of the device is checked, so no GPU is needed.
    dataset.resident.device = torch.device('cuda')
    with pytest.raises(RuntimeError, match='num_workers=0'):
        batches(dataset, num_workers=1)
    dataset.resident.device = torch.device('cpu')
    assert len(batches(dataset)) == 6


@pytest.mark.gpu
def test_a_gpu_serves_the_batches_that_the_cpu_would(root):
    for extra, tolerated in (([], 0.0), ([{'type': 'AutoAugment', 'policy': 'cifar10'}], 0.002)):
        epochs = []
        for device in ('cpu', 'cuda'):
            torch.manual_seed(1)
            dataset = CIFAR100(root, device_resident=True, device=device, transforms=CROP_AND_FLIP + extra)
            epochs.append(torch.cat([batch['inputs'] for batch in batches(dataset)]))
        assert epochs[1].is_cuda
        assert ((epochs[0].int() - epochs[1].cpu().int()).abs() > 1).float().mean() <= tolerated


def test_an_empty_set_is_refused_even_where_empty_classes_are_allowed(tmp_path):
    written.tree(tmp_path, each=0)
    with pytest.raises(ValueError, match='There is no image'):
        ImageFolder(tmp_path, split=None, allow_empty=True)


def test_the_runner_serves_batches_from_a_config(root):
    config = Config(
        {
            'batch_size': 8,
            'num_workers': 0,
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
            'collate_fn': {'type': 'luminet_det.collate_images'},
            'dataset': {
                'type': 'luminet_det.CIFAR100',
                'data_root': str(root),
                'device_resident': True,
                'device': 'cpu',
                'transforms': CROP_AND_FLIP,
            },
        }
    )
    loader = Runner.build_dataloader(config, seed=0)
    assert [batch['inputs'].shape for batch in loader] == [(8, 3, 32, 32)] * 5
    assert loader.dataset.metainfo['dataset'] == 'CIFAR-100'


@pytest.mark.parametrize('around', [dict(type='RandomApply', p=1.0), dict(type='RandomChoice'), dict(type='Compose')])
def test_transforms_of_transforms_are_built(root, around):
    around = around | dict(transforms=[dict(type='RandomHorizontalFlip', p=1.0)])
    plain, flipped = (CIFAR100(root, device_resident=False, transforms=each) for each in (None, [around]))
    assert torch.equal(flipped[0]['inputs'], plain[0]['inputs'].flip(-1))


@pytest.mark.parametrize('resident', [False, True])
@pytest.mark.parametrize('name', ['MixUp', 'CutMix'])
def test_what_mixes_labels_is_refused_with_the_reason(root, name, resident):
    with pytest.raises(ValueError, match=f'{name} mixes the labels of a batch'):
        CIFAR100(root, device_resident=resident, transforms=[dict(type=name, num_classes=4)])


@TRANSFORMS.register_module()
class Inverted(torch.nn.Module):
    def forward(self, image):
        return 255 - image


def test_a_transform_of_ones_own_is_named_with_its_scope(root):
    plain, inverted = (CIFAR100(root, transforms=each) for each in (None, [dict(type='luminet_det.Inverted')]))
    assert torch.equal(inverted[0]['inputs'], 255 - plain[0]['inputs'])


def test_samples_without_an_index_make_a_batch_without():
    sample = dict(inputs=torch.zeros(3, 4, 4, dtype=torch.uint8), labels=1)
    assert set(collate_images([sample, sample])) == {'inputs', 'labels'}
    assert collate_images([dict(sample, index=i) for i in (4, 2)])['index'].tolist() == [4, 2]
