"""Datasets of labelled images, and the transforms of single images and of whole batches."""

from .cifar import CIFAR10, CIFAR100
from .collate import collate_images
from .folder import ImageFolder
from .imagenet import ImageNet
from .images import LabelledImages
from .missing import MissingData
from .sources import UnreadableImage
from .stl10 import STL10
from .tiny_imagenet import TinyImageNet
from .transforms import Cutout

__all__ = [
    'CIFAR10',
    'CIFAR100',
    'STL10',
    'Cutout',
    'ImageFolder',
    'ImageNet',
    'LabelledImages',
    'MissingData',
    'TinyImageNet',
    'UnreadableImage',
    'collate_images',
]
