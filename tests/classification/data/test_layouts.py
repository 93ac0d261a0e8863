"""Each dataset is read from each of its layouts; errors name an absent or damaged one and say what to do."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from torchvision import datasets as torchvision_datasets

from luminet_det.classification import data
from luminet_det.classification.data import CIFAR10, CIFAR100, STL10, ImageFolder, ImageNet, MissingData, TinyImageNet
from luminet_det.registry import DATASETS
from tests.classification.data import written
from tests.detection.test_processes import processes


def pixels(dataset) -> torch.Tensor:
    return torch.stack([dataset[i]['inputs'] for i in range(len(dataset))])


def test_cifar_is_the_same_from_pickles_an_npz_and_an_image_folder(tmp_path, monkeypatch):
    for name in ('official', 'npz', 'folder'):
        (tmp_path / name).mkdir()
    arrays = written.pickles(tmp_path / 'official', torchvision_datasets.CIFAR100, monkeypatch)
    written.npz(tmp_path / 'npz' / 'any_name.npz')
    from PIL import Image

    for i, (image, label) in enumerate(zip(arrays['train_images'], arrays['train_labels'], strict=True)):
        (tmp_path / f'folder/train/class{label}').mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / f'folder/train/class{label}/{i:02}.png')
    roots = ['official', 'official/cifar-100-python', 'npz', 'npz/any_name.npz', 'folder']
    found = [CIFAR100(tmp_path / root) for root in roots]
    assert torch.equal(pixels(found[0]), torch.from_numpy(arrays['train_images']).permute(0, 3, 1, 2))
    for dataset in found:
        assert dataset.metainfo == {'classes': ('class0', 'class1', 'class2', 'class3'), 'dataset': 'CIFAR-100'}
        assert len(dataset) == 24
        order = np.lexsort(pixels(dataset).flatten(1).numpy().T)
        reference = np.lexsort(pixels(found[0]).flatten(1).numpy().T)
        assert torch.equal(pixels(dataset)[order], pixels(found[0])[reference])
        assert torch.equal(dataset.labels[order], found[0].labels[reference])
    assert torch.equal(CIFAR100(tmp_path / 'npz', split='test').labels, torch.arange(8) % 4)


def test_cifar_10s_five_files_are_one_training_set(tmp_path, monkeypatch):
    arrays = written.pickles(tmp_path, torchvision_datasets.CIFAR10, monkeypatch)
    assert len(list((tmp_path / 'cifar-10-batches-py').glob('data_batch_*'))) == 5
    for split in ('train', 'test'):
        found = CIFAR10(tmp_path, split=split)
        assert torch.equal(pixels(found), torch.from_numpy(arrays[f'{split}_images']).permute(0, 3, 1, 2))
        assert found.labels.tolist() == arrays[f'{split}_labels'].tolist()
        assert found.metainfo['classes'] == ('class0', 'class1', 'class2', 'class3')
    (tmp_path / 'cifar-10-batches-py' / 'data_batch_4').unlink()
    with pytest.raises(MissingData, match='lacks data_batch_4'):
        CIFAR10(tmp_path)


def test_a_config_builds_a_data_set_by_its_name(tmp_path):
    written.npz(tmp_path / 'cifar.npz')
    config = {'type': 'luminet_det.CIFAR10', 'data_root': str(tmp_path), 'split': 'test'}
    assert isinstance(DATASETS.build(config), CIFAR10)
    assert all(DATASETS.get(f'luminet_det.{name}') for name in ('ImageNet', 'TinyImageNet', 'STL10', 'ImageFolder'))


@pytest.mark.parametrize('kind', [CIFAR10, CIFAR100, ImageNet, TinyImageNet, STL10, ImageFolder])
def test_an_absent_data_set_says_where_to_get_it_and_what_its_folder_looks_like(kind, tmp_path):
    place = tmp_path / 'nothing'
    with pytest.raises(MissingData) as caught:
        kind(place)
    message = str(caught.value)
    assert str(place) in message
    assert 'no such folder' in message
    assert 'data_root' in message
    assert kind is ImageFolder or '://' in message
    assert 'train' in message
    assert len(message.splitlines()) > 3


def test_all_layouts_of_cifar_are_drawn_if_none_is_found(tmp_path):
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(MissingData, match='it holds notes.txt') as caught:
        CIFAR100(tmp_path)
    for piece in ('cifar-100-python/meta', 'train/<class>/*.png', '.npz', 'download=True', 'cs.toronto.edu'):
        assert piece in str(caught.value)


def test_a_pickle_with_another_checksum_is_named_and_one_that_is_absent_is_told_apart(tmp_path, monkeypatch):
    written.pickles(tmp_path, torchvision_datasets.CIFAR100, monkeypatch)
    damaged = tmp_path / 'cifar-100-python' / 'train'
    written.truncate(damaged)
    with pytest.raises(ValueError, match=f'{damaged}: the checksum.*Delete it and fetch it again'):
        CIFAR100(tmp_path)
    damaged.unlink()
    with pytest.raises(MissingData, match='lacks train'):
        CIFAR100(tmp_path)


def test_an_npz_that_is_damaged_or_holds_something_else_is_refused_with_what_it_holds(tmp_path):
    path = tmp_path / 'cifar.npz'
    faults = [
        ({'train_labels': np.arange(24)}, '20 of 24 labels are outside 0..3.*4 .image 4'),
        ({'train_labels': np.arange(24) / 4}, 'labels are float64'),
        ({'train_labels': np.zeros(7, int)}, 'labels are int64 of shape \\(7,\\)'),
        ({'train_images': np.zeros((24, 32, 32, 3), np.float32)}, 'images are float32.*expected uint8'),
        ({'train_images': np.zeros((24, 3, 32, 32), np.uint8)}, 'shape \\(24, 3, 32, 32\\)'),
        ({'train_images': None}, 'has no train_images; it holds train_labels'),
    ]
    for changes, message in faults:
        written.npz(path, **changes)
        with pytest.raises(ValueError, match=message):
            CIFAR100(path)
    written.npz(path)
    written.truncate(path)
    with pytest.raises(ValueError, match='cifar.npz cannot be read'):
        CIFAR100(path)


def test_of_several_npz_files_a_damaged_one_is_named(tmp_path):
    written.npz(tmp_path / 'a.npz')
    (tmp_path / 'b.npz').write_bytes(b'no zip at all')
    with pytest.raises(ValueError, match='b.npz cannot be read: it is not an .npz file, or is cut off. Delete it'):
        CIFAR100(tmp_path)


def test_names_that_are_python_objects_are_not_read_and_no_one_is_told_to_run_them(tmp_path):
    arrays = written.npz(tmp_path / 'cifar.npz')
    np.savez(tmp_path / 'cifar.npz', **arrays | dict(classes=arrays['classes'].astype(object)))
    with pytest.raises(ValueError, match='classes is an array of Python objects.*dtype=str') as caught:
        CIFAR100(tmp_path)
    assert 'allow_pickle' not in str(caught.value)


@pytest.mark.parametrize(('kind', 'first', 'last'), [(CIFAR10, 'airplane', 'truck'), (CIFAR100, 'apple', 'worm')])
def test_an_npz_without_names_has_the_official_ones(tmp_path, kind, first, last):
    """So a teacher trained on the pickles can teach a student that trains on the npz."""
    arrays = written.npz(tmp_path / 'cifar.npz')
    del arrays['classes']
    np.savez(tmp_path / 'cifar.npz', **arrays)
    names = kind(tmp_path, allow_empty=True).metainfo['classes']
    assert (names[0], names[-1], len(set(names))) == (first, last, int(kind.NAME[6:]))
    # Both datasets officially order their classes alphabetically.
    assert list(names) == sorted(names)


class Downloading:
    """Stands in for a dataset of torchvision; a second download fails, and so does reading before the first."""

    base_folder, meta = 'cifar-100-python', dict(filename='meta', md5='')

    def __init__(self, root, train=True, download=False):
        if download:
            (Path(root) / self.base_folder).mkdir(exist_ok=False)
        self.data, labels = written.images(4), [0, 1, 2, 3]
        assert (Path(root) / self.base_folder).is_dir()
        self.targets, self.classes = labels, ['a', 'b', 'c', 'd']


def build_downloading(rank, root):
    os.environ['LOCAL_RANK'] = str(rank)
    CIFAR100.OFFICIAL = Downloading
    return len(CIFAR100(root, download=True))


def test_of_several_processes_one_downloads_and_the_others_wait(tmp_path):
    (tmp_path / 'data').mkdir()
    assert processes(build_downloading, str(tmp_path / 'data'), folder=tmp_path) == [4, 4]


def test_a_class_without_images_is_named_and_accepted_only_on_demand(tmp_path):
    written.npz(tmp_path / 'cifar.npz', train_labels=np.arange(24) % 2)
    with pytest.raises(ValueError, match='2 of 4 classes have no image.*class2, class3.*allow_empty=True'):
        CIFAR100(tmp_path)
    assert len(CIFAR100(tmp_path, allow_empty=True)) == 24


def test_tiny_imagenet_is_read_in_its_original_layout(tmp_path):
    wnids = ['n02', 'n01', 'n03']
    (tmp_path / 'wnids.txt').write_text('\n'.join(wnids))
    (tmp_path / 'words.txt').write_text('n01\tgoldfish, Carassius auratus\nn02\tfire salamander\nn99\tother\n')
    for wnid in wnids:
        written.tree(tmp_path / 'train' / wnid, classes=['images'], each=2, side=8, suffix='JPEG')
    written.tree(tmp_path / 'val', classes=['images'], each=3, side=8, suffix='JPEG')
    rows = ['0.JPEG\tn03\t0\t0\t7\t7', '1.JPEG\tn01\t0\t0\t7\t7', '2.JPEG\tn02\t0\t0\t7\t7']
    (tmp_path / 'val' / 'val_annotations.txt').write_text('\n'.join(rows) + '\n')
    train, val = TinyImageNet(tmp_path), TinyImageNet(tmp_path, split='val')
    assert train.metainfo['classes'] == val.metainfo['classes'] == ('goldfish', 'fire salamander', 'n03')
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert val.labels.tolist() == [2, 0, 1]
    assert val[0]['inputs'].shape == (3, 8, 8)
    (tmp_path / 'val' / 'val_annotations.txt').write_text(rows[0] + '\n')
    with pytest.raises(ValueError, match='lists 1 images, and .*images holds 2 more: 1.JPEG, 2.JPEG'):
        TinyImageNet(tmp_path, split='val')
    (tmp_path / 'val' / 'val_annotations.txt').write_text('0.JPEG\tn77\t0\n')
    with pytest.raises(ValueError, match='1 of 1 lines have no synset'):
        TinyImageNet(tmp_path, split='val')
    (tmp_path / 'val' / 'val_annotations.txt').unlink()
    with pytest.raises(MissingData, match='val_annotations.txt is not there'):
        TinyImageNet(tmp_path, split='val')


def test_imagenet_takes_labels_from_the_training_folders_and_names_from_meta_bin(tmp_path):
    written.tree(tmp_path / 'train', classes=['n01', 'n02', 'n03'], each=1)
    written.tree(tmp_path / 'val', classes=['n02', 'n03'], each=1, suffix='JPEG')
    assert ImageNet(tmp_path, split='val', allow_empty=True).labels.tolist() == [1, 2]
    torch.save(({'n01': ('tench', 'Tinca'), 'n02': ('goldfish',)}, []), tmp_path / 'meta.bin')
    assert ImageNet(tmp_path).metainfo['classes'] == ('tench', 'goldfish', 'n03')
    written.tree(tmp_path / 'val', classes=['n04'], each=1)
    with pytest.raises(ValueError, match='1 folders that are not among the 3 classes: n04'):
        ImageNet(tmp_path, split='val')


def test_unsorted_imagenet_validation_images_are_told_from_absent_ones(tmp_path):
    written.tree(tmp_path, classes=['val'], each=1, suffix='JPEG')
    with pytest.raises(MissingData, match='not sorted into folders'):
        ImageNet(tmp_path, split='val')


def test_stl10_is_read_from_its_binary_files_without_the_unlabelled_ones(tmp_path, monkeypatch):
    kind, folder = STL10.OFFICIAL, tmp_path / 'stl10_binary'
    folder.mkdir()
    images = written.images(20, 96)
    sums = {}
    for split in ('train', 'test'):
        # Columns before rows, as in the files.
        (folder / f'{split}_X.bin').write_bytes(images.transpose(0, 3, 2, 1).tobytes())
        (folder / f'{split}_y.bin').write_bytes((np.arange(20) % 10 + 1).astype(np.uint8).tobytes())
        for part in 'Xy':
            name = f'{split}_{part}.bin'
            sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    (folder / 'class_names.txt').write_text('\n'.join(f'name{i}' for i in range(10)))
    for split in ('train', 'test'):
        monkeypatch.setattr(kind, f'{split}_list', [[n, m] for n, m in sums.items() if n.startswith(split)])
    dataset = STL10(tmp_path, split='test')
    assert torch.equal(pixels(dataset), torch.from_numpy(images).permute(0, 3, 1, 2))
    assert dataset.labels.tolist() == list(range(10)) * 2
    assert dataset.metainfo['classes'][3] == 'name3'
    written.truncate(folder / 'test_y.bin')
    with pytest.raises(ValueError, match='test_y.bin: the checksum'):
        STL10(tmp_path)


def test_any_image_folder_is_read_with_and_without_splits(tmp_path):
    written.tree(tmp_path / 'train', each=2)
    written.tree(tmp_path / 'val', classes=['bee', 'cat'], each=1)
    split = ImageFolder(tmp_path, split='val', allow_empty=True)
    assert split.metainfo['classes'] == ('ant', 'bee', 'cat')
    assert split.labels.tolist() == [1, 2]
    assert ImageFolder(tmp_path / 'val', split=None).labels.tolist() == [0, 1]
    with pytest.raises(MissingData, match='split=.test.'):
        ImageFolder(tmp_path, split='test')


def test_images_in_formats_that_are_not_read_are_counted_and_hidden_files_left_out(tmp_path, caplog):
    root = written.tree(tmp_path / 'train', each=2)
    for name in ('one.gif', 'two.GIF', 'three.heic', '._four.png', 'Thumbs.db'):
        (root / 'ant' / name).write_bytes(b'')
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    assert len(ImageFolder(tmp_path)) == 6
    logger.removeHandler(caplog.handler)
    assert 'are left out: 2 .gif, 1 .heic. Convert them' in caplog.text


def test_another_name_of_a_split_is_told(tmp_path):
    for split in ('train', 'test'):
        written.tree(tmp_path / split)
    with pytest.raises(MissingData, match="to use one of these, set split to 'test' or 'train'"):
        ImageFolder(tmp_path, split='val')


def test_an_unknown_split_is_told_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="split='valid' of CIFAR-100 is unknown.*train, test"):
        CIFAR100(tmp_path, split='valid')
    assert set(data.__all__) >= {'CIFAR10', 'CIFAR100', 'ImageNet', 'TinyImageNet', 'STL10', 'ImageFolder'}
