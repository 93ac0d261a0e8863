"""Transforms of whole batches give the same results, in the same distribution, as those of single images."""

import pytest
import torch
from torchvision.transforms import v2

from luminet_det.classification.data import Cutout, batch_transforms, transforms


def batched(name, **settings):
    ((transform,),) = batch_transforms.build_views([{'type': name, **settings}])
    return transform


def picture(height=32, width=32):
    """A random image without black pixels, of which all crops differ."""
    return torch.randint(1, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def chi_square(counts: torch.Tensor) -> float:
    expected = counts.double().mean()
    return float(((counts - expected) ** 2 / expected).sum())


def test_every_crop_and_flip_is_one_of_torchvisions_and_all_are_equally_likely():
    torch.manual_seed(0)
    image, draws = picture(8, 8), 40 * 5 * 5 * 2
    padded = v2.functional.pad(image, [2, 2, 2, 2])
    possible = [padded[:, top : top + 8, left : left + 8] for top in range(5) for left in range(5)]
    possible = torch.stack(possible + [crop.flip(-1) for crop in possible]).flatten(1)
    images = image.expand(draws, -1, -1, -1)
    found = batched('RandomHorizontalFlip')(batched('RandomCrop', size=8, padding=2)(images)).flatten(1)
    matches = (found[:, None] == possible).all(-1)
    assert (matches.sum(1) == 1).all()
    # With 49 degrees of freedom, chance exceeds 85.4 once in a thousand tests.
    assert chi_square(matches.sum(0)) < 85.4


def test_a_crop_of_32_pixels_padded_by_4_has_81_places():
    torch.manual_seed(0)
    found = batched('RandomCrop', size=32, padding=4)(picture().expand(2000, -1, -1, -1))
    assert len({row.numpy().tobytes() for row in found}) == 81


@pytest.mark.parametrize(
    'settings',
    [
        {'size': 20},
        {'size': [20, 30], 'padding': [3, 1]},
        {'size': 24, 'padding': [1, 2, 3, 4], 'fill': 9},
        {'size': 34, 'padding': 3, 'padding_mode': 'reflect'},
        {'size': 34, 'padding': 3, 'padding_mode': 'edge'},
    ],
)
def test_crops_of_any_size_and_padding_are_found_among_torchvisions(settings):
    torch.manual_seed(0)
    image = picture(28, 32)
    single = v2.RandomCrop(**settings)
    possible = {single(image).numpy().tobytes() for _ in range(1500)}
    found = batched('RandomCrop', **settings)(image.expand(64, -1, -1, -1))
    assert found.shape[1:] == single(image).shape
    assert sum(crop.numpy().tobytes() in possible for crop in found) > 60


@pytest.mark.parametrize('name', ['RandomHorizontalFlip', 'RandomVerticalFlip'])
def test_a_flip_happens_never_always_or_as_often_as_p_says(name):
    torch.manual_seed(0)
    images = picture().expand(2000, -1, -1, -1)
    turned = getattr(v2, name)(p=1.0)(picture())
    assert torch.equal(batched(name, p=0.0)(images), images)
    assert torch.equal(batched(name, p=1.0)(images), turned.expand(2000, -1, -1, -1))
    share = (batched(name, p=0.3)(images) == turned).all(-1).all(-1).all(-1).float().mean()
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5


AUGMENTATIONS = [
    {'type': 'AutoAugment', 'policy': 'cifar10'},
    {'type': 'AutoAugment', 'policy': 'svhn', 'fill': [125, 123, 114]},
    {'type': 'RandAugment', 'num_ops': 2, 'magnitude': 20},
    {'type': 'TrivialAugmentWide'},
    {'type': 'ColorJitter', 'brightness': 0.4, 'contrast': [0.2, 1.0], 'saturation': 0.9},
    {'type': 'RandomErasing', 'p': 0.7, 'value': 200},
    {'type': 'Cutout', 'size': [4, 16], 'fill': [125, 123, 114], 'p': 0.8},
]


@pytest.mark.parametrize('config', AUGMENTATIONS, ids=lambda config: '-'.join(map(str, list(config.values())[:2])))
def test_mean_and_spread_of_each_pixel_are_those_of_single_images(config):
    torch.manual_seed(0)
    image, draws = v2.functional.gaussian_blur(picture(16, 16), [5, 5]), 2500
    (single,) = transforms.build_views([config])
    one = torch.stack([single(image) for _ in range(draws)]).double()
    other = batched(**{'name': config['type'], **{k: v for k, v in config.items() if k != 'type'}})(
        image.expand(draws, -1, -1, -1)
    ).double()
    for moment in (lambda x: x, lambda x: (x - one.mean(0)) ** 2):
        first, second = moment(one), moment(other)
        error = ((first.var(0) + second.var(0)) / draws).sqrt().clamp(min=1e-9)
        deviation = ((first.mean(0) - second.mean(0)) / error).abs()
        # All 768 values brighten and darken together, so their mean deviation scatters like that of a single one.
        assert deviation.max() < 6
        assert deviation.mean() < 3


def test_jitter_changes_each_image_in_an_order_of_its_own():
    torch.manual_seed(0)
    jitter = batched('ColorJitter', brightness=[2, 2], contrast=[0.5, 0.5])
    found = jitter(picture(8, 8).expand(64, -1, -1, -1))
    assert len({row.numpy().tobytes() for row in found}) == 2


def test_images_of_a_batch_draw_for_themselves():
    torch.manual_seed(0)
    for config in AUGMENTATIONS:
        found = batch_transforms.build_views([config])[0][0](picture().expand(64, -1, -1, -1))
        assert len({row.numpy().tobytes() for row in found}) > 8, config


def test_the_same_seed_draws_the_same_batch():
    for config in [*AUGMENTATIONS, {'type': 'RandomCrop', 'size': 32, 'padding': 4}, {'type': 'RandomHorizontalFlip'}]:
        transform = batch_transforms.build_views([config])[0][0]
        images = picture().expand(16, -1, -1, -1)
        torch.manual_seed(3)
        first = transform(images)
        torch.manual_seed(3)
        assert torch.equal(first, transform(images)), config


def test_no_transform_waits_for_the_device_to_know_what_it_computed():
    # Images on the meta device have no values, so reading one raises an error.
    images = torch.empty(16, 3, 32, 32, dtype=torch.uint8, device='meta')
    configs = [*AUGMENTATIONS, {'type': 'RandomCrop', 'size': 32, 'padding': 4}, {'type': 'RandomHorizontalFlip'}]
    for config in configs:
        assert batch_transforms.build_views([config])[0][0](images).shape == images.shape, config


@pytest.mark.parametrize(
    'config',
    [
        {'type': 'ColorJitter'},
        {'type': 'RandAugment', 'num_ops': 0},
        {'type': 'RandomErasing', 'p': 0},
        {'type': 'Cutout', 'size': 8, 'p': 0},
        {'type': 'Cutout', 'size': 0},
    ],
)
def test_settings_that_change_nothing_leave_every_pixel(config):
    images = picture().expand(64, -1, -1, -1)
    assert torch.equal(batch_transforms.build_views([config])[0][0](images), images)


@pytest.mark.parametrize('config', [{'type': 'CenterCrop', 'size': 20}, {'type': 'Resize', 'size': [20, 24]}])
def test_changes_of_size_are_torchvisions_of_each_image(config):
    images = torch.stack([picture(), picture().flip(-1)])
    (single,) = transforms.build_views([config])
    found = batch_transforms.build_views([config])[0][0](images)
    expected = torch.stack([single(image) for image in images])
    assert (found.int() - expected.int()).abs().max() <= 1


def test_cutout_covers_one_square_of_its_side_cut_off_at_the_border():
    torch.manual_seed(0)
    image = picture()
    for covered in [Cutout(10)(image) for _ in range(50)] + list(
        batched('Cutout', size=10)(image.expand(50, -1, -1, -1))
    ):
        rows, columns = (covered == 0).all(0).nonzero().unbind(1)
        height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert len(rows) == height * width
        assert 5 <= height <= 10
        assert 5 <= width <= 10


@pytest.mark.parametrize('build', [transforms.build_views, batch_transforms.build_views])
def test_a_misspelt_transform_or_argument_is_told_its_nearest(build):
    with pytest.raises(KeyError, match='RandomCorp.*RandomCrop'):
        build([{'type': 'RandomCorp', 'size': 32}])
    with pytest.raises(TypeError, match="'paddings'.*nearest: padding"):
        build([{'type': 'RandomCrop', 'size': 32, 'paddings': 4}])
    with pytest.raises(TypeError, match='a list of dict'):
        build(['RandomCrop'])


def test_a_transform_without_a_form_for_batches_says_what_to_do():
    with pytest.raises(KeyError, match='RandomPerspective does not support.*RandomCrop.*device_resident=False'):
        batch_transforms.build_views([{'type': 'RandomPerspective'}])
    with pytest.raises(TypeError, match="'hue'.*device_resident=False"):
        batch_transforms.build_views([{'type': 'ColorJitter', 'hue': 0.1}])


def test_a_window_larger_than_the_image_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match='size=\\(40, 40\\).*34 x 34'):
        batched('RandomCrop', size=40, padding=1)(picture()[None])
