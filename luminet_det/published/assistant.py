"""The assistants of the TAKD rows, which are our choice: the papers name none."""

from luminet_det.published import cifar100
from luminet_det.published.cifar100 import Pair

CIFAR100 = {
    Pair('resnet20', 'resnet56'): 'resnet32',
    Pair('resnet32', 'resnet110'): 'resnet56',
    Pair('resnet8x4', 'resnet32x4'): 'wrn_40_2',
    Pair('wrn_16_2', 'wrn_40_2'): 'resnet110',
    Pair('wrn_40_1', 'wrn_40_2'): 'wrn_16_2',
    Pair('vgg8', 'vgg13'): 'vgg11',
    Pair('shufflenetv1', 'resnet32x4'): 'wrn_40_2',
    Pair('shufflenetv1', 'wrn_40_2'): 'resnet8x4',
    Pair('mobilenetv2_half', 'vgg13'): 'vgg8',
    Pair('mobilenetv2_half', 'resnet50_32px'): 'shufflenetv2',
    Pair('shufflenetv2', 'resnet32x4'): 'wrn_40_2',
}
IMAGENET = {
    Pair('resnet18', 'resnet34'): 'hrnet_w18_small',
    Pair('mobilenetv1', 'resnet50'): 'resnet34',
}


def before(dataset: str, pair: Pair) -> tuple[str, ...]:
    """The configs that a chain trains before its student's, in order.

    On ImageNet the teacher's weights are torchvision's, so the assistant comes first.

    Raises:
        KeyError: The pair has no chain.
    """
    if dataset == 'ImageNet':
        return (f'configs/imagenet/takd/kd_{IMAGENET[pair]}-{pair.teacher}.py',)
    taught = Pair(CIFAR100[pair], pair.teacher)
    # A pair with its own row already has a config.
    folder = 'configs/cifar100' if taught in cifar100.PAIRS else 'configs/cifar100/takd'
    return f'configs/cifar100/{pair.teacher}.py', f'{folder}/kd_{taught.student}-{taught.teacher}.py'
