"""The classifiers' configs take a step on random images with random teachers, and work on a user's own image folder."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from PIL import Image

from luminet_det.published.name import read_name
from luminet_det.registry import MODELS
from tests.classification_configs import PUBLISHED, ROOT, every, of_folder, parsed, teachers


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The root of a small dataset in the layout that the configs expect, by folder of configs."""
    root = tmp_path_factory.mktemp('data')
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)
    np.savez(root / 'cifar100.npz', train_images=images, train_labels=np.arange(100))
    for split, name in [('train', name) for name in 'abc'] + [('val', name) for name in 'abc']:
        for parts in ((split, name), ('tiny', split, name, 'images')):
            (root.joinpath(*parts)).mkdir(parents=True)
            for i in range(3):
                Image.fromarray(images[i]).resize((64, 64)).save(root.joinpath(*parts, f'{i}.JPEG'))
    (root / 'tiny' / 'wnids.txt').write_text('a b c')
    return {'cifar100': root, 'imagenet': root, 'tiny_imagenet': root / 'tiny', 'image_folder': root}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Returns a function that saves random weights for a plain config's network."""
    folder = tmp_path_factory.mktemp('weights')

    @functools.cache
    def save(name: str) -> str:
        path = folder / f'{Path(name).stem}.pth'
        config = parsed(ROOT / name)
        config.model.pop('init_cfg', None)
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), path)
        return str(path)

    return save


def small(config: Config, root: Path, images: int = 8) -> Config:
    """The config with small batches and images, loaded in this process on the CPU."""
    loader = config.train_dataloader
    loader.update(batch_size=images, num_workers=0, persistent_workers=False, pin_memory=False)
    loader.dataset.update(data_root=str(root), device='cpu')
    for transform in loader.dataset.transforms:
        if 'type' in transform and transform['type'] == 'RandomResizedCrop':
            transform['size'] = 32
    return config


def step(config: Config) -> dict:
    """Losses of a step with the config's own loader and optimiser, which must change all parameters."""
    model = MODELS.build(config.model)
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimiser = build_optim_wrapper(model, config.optim_wrapper)
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    losses = model.train().train_step(batch, optimiser)
    assert not [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert all(value.isfinite().all() for value in model.state_dict().values())
    return losses


STEPS = [
    *(path for path in PUBLISHED if path.stem.startswith('luminet') and of_folder(path) == 'cifar100'),
    *(
        ROOT / 'configs' / f'{name}.py'
        for name in (
            'cifar100/kd_resnet20-resnet56',
            'cifar100/dkd_resnet20-resnet56',
            'cifar100/luminet_deit_compact_32px-deit_small_32px',
            'cifar100/strong_augmentation/luminet_vgg8-vgg13_autoaugment',
            'cifar100/strong_augmentation/luminet_vgg8-vgg13_two_views',
            'cifar100/ablations/luminet_wrn_16_2-wrn_40_2-resnet8x4',
            'imagenet/dkd_resnet18-resnet34',
            'imagenet/luminet_mobilenetv1-resnet50',
            'imagenet/kd_mobilenetv2-resnet50',
            'tiny_imagenet/luminet_shufflenetv2-resnet18_32px',
            'image_folder/luminet_resnet18-resnet50',
        )
    ),
]


@every(STEPS)
def test_a_distilling_config_takes_a_step(path, data, weights):
    config = small(parsed(path), data[of_folder(path)], images=4)
    config.model.pop('init_cfg', None)
    for teacher in teachers(config):
        teacher.checkpoint = weights(teacher.config)
    losses = step(config)
    method = read_name(path.stem).method
    assert losses['loss'].isfinite()
    assert losses[f'loss_{method}'] > 0
    assert losses['loss_ce'] > 0


def test_the_two_views_are_a_plain_one_and_a_strong_one(data):
    path = ROOT / 'configs' / 'cifar100/strong_augmentation/luminet_vgg8-vgg13_two_views.py'
    config = small(parsed(path), data['cifar100'], images=50)
    inputs = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))['inputs']
    assert inputs.shape == (100, 3, 32, 32)
    fill = torch.tensor([125, 123, 114], dtype=torch.uint8)[:, None, None]
    covered = (inputs == fill).all(1).float().mean((1, 2))
    assert covered[:50].max() < 0.01
    assert covered[50:].max() > 0.1


def test_the_ensemble_is_of_the_two_networks_of_the_figure():
    path = ROOT / 'configs' / 'cifar100/ablations/luminet_wrn_16_2-wrn_40_2-resnet8x4.py'
    assert [Path(teacher.config).stem for teacher in parsed(path).model.teacher] == ['wrn_40_2', 'resnet8x4']
    (hook,) = (hook for hook in parsed(path).custom_hooks if hook.type.endswith('TeacherEvaluationHook'))
    # Both teachers must reach the minimum, and the second is the weaker one.
    assert hook.minimum['accuracy/top1'] < 72.50


@pytest.fixture
def my_images(data, tmp_path):
    """The configs for a user's own image folder, with the two lines changed that the README says to change."""
    for folder in ('_base_', 'image_folder'):
        (tmp_path / folder).mkdir()
        for path in (ROOT / 'configs' / folder).glob('*.py'):
            text = path.read_text()
            if path.stem == 'image_folder':
                assert text.count('data/my_images') == text.count('num_classes =') == 1
                text = text.replace('data/my_images', str(data['image_folder']))
                text = text.replace('num_classes = 10', 'num_classes = 3')
            (tmp_path / folder / path.name).write_text(text)
    return tmp_path / 'image_folder'


def test_a_folder_of_ones_own_needs_its_place_and_its_number_of_classes_once(my_images):
    for path in my_images.glob('*.py'):
        config = parsed(path)
        assert config.model.network.num_classes == 3
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
            loader.update(num_workers=0, persistent_workers=False)
            built = Runner.build_dataloader(loader, seed=0)
            assert built.dataset.metainfo['classes'] == ('a', 'b', 'c')
            assert next(iter(built))['inputs'].shape == (9, 3, 224, 224)


def test_a_folder_of_ones_own_starts_from_imagenets_weights_but_for_the_last_layer(my_images, tmp_path):
    published = torchvision.models.resnet18()
    torch.save(published.state_dict(), tmp_path / 'resnet18.pth')
    config = parsed(my_images / 'resnet18.py')
    assert config.model.init_cfg.checkpoint == 'torchvision://resnet18.imagenet1k_v1'
    config.model.init_cfg.checkpoint = str(tmp_path / 'resnet18.pth')
    model = MODELS.build(config.model)
    model.init_weights()
    assert torch.equal(model.network.model.conv1.weight, published.conv1.weight)
    assert torch.equal(model.network.model.layer4[1].conv2.weight, published.layer4[1].conv2.weight)
    assert model.network.model.fc.weight.shape == (3, 512)
