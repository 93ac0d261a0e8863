"""TrainingLabelsHook: tells a student the class of every image of its training set."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from luminet_det.registry import HOOKS

# Name of the labels in the message hub.
INFO = 'training_labels'


@HOOKS.register_module()
class TrainingLabelsHook(Hook):
    """For losses that need `training_labels`, such as CRD, whose negatives are images of other classes.

    The dataset must have an attribute `labels`, int64 (N,), in the order of its `index`; those of luminet_det have one.

    Raises:
        ValueError: The training set has no such attribute (raised when training starts).
    """

    def before_train(self, runner: Runner) -> None:
        """Publish the labels on the message hub; checkpoints do not hold them."""
        dataset = runner.train_dataloader.dataset
        labels = getattr(dataset, 'labels', None)
        if labels is None or len(labels) != len(dataset):
            raise ValueError(
                f'The training set, a {type(dataset).__name__}, does not say the class of every image: give it an '
                'attribute `labels`, one class index for each, or use a dataset of luminet_det.'
            )
        runner.message_hub.runtime_info[INFO] = torch.as_tensor(labels, dtype=torch.int64)
