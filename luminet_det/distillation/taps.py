"""Tap: a named place where student and teacher give comparable tensors."""

from dataclasses import dataclass, field

# What a tap can give, in the words of the messages, and an example of a loss that compares it.
GIVES = {
    'logits': ('class logits (K, C)', "loss=dict(type='luminet_det.LumiNetLoss')"),
    'deltas': ('box deltas (K, 4)', "loss=dict(type='mmdet.L1Loss')"),
    'embeddings': ('embeddings (N, D)', "loss=dict(type='luminet_det.RKDLoss')"),
    'maps': ('feature maps (N, C, H, W)', "loss=dict(type='luminet_det.FitNetLoss')"),
}

# Additional inputs that a loss may need, and which taps have them.
NEEDS = {
    'target': 'the class of each row (K,), which the taps of logits and those of classifiers give',
    'index': "each image's place in the training set (B,), which classifiers give",
    'training_labels': 'the class of every image of the training set (N,), which classifiers give',
    'norms': "the teacher's norms before the last ReLU of each stage, which the tap 'features' of classifiers gives",
    'networks': "student and teacher stage by stage, which the tap 'features' of classifiers gives",
    'epoch': 'the epoch of the run, which every tap gives',
    'boxes': "ground-truth boxes (G, 4) of each image, which the feature taps of detectors ('neck', 'backbone') give",
    'image_size': "height and width of the network's input, which the feature taps of detectors give",
    'strides': 'pixels per cell of each level, which the feature taps of detectors give',
    'priors': "the student's anchors (H, W, A, 4) of each level, which the tap 'neck' of detectors gives",
    'heads': "both networks' box heads on the RoIs of the step, which the tap 'neck' of two-stage detectors gives",
}


@dataclass(frozen=True)
class Tap:
    """A named place where student and teacher give comparable tensors.

    Attributes:
        gives: What the tensors are: one of `GIVES`.
        options: Keys that a term may add, each with its choices, the default first. The type `int` among them
            stands for any whole number above 0, the type `list` for a list of indices.
        offers: Additional inputs that it can pass to a loss, some of `NEEDS`.
        views: Whether it gives the views of the images separately.
        softmax: Whether its logits are always those of a softmax.
    """

    gives: str
    options: dict[str, tuple] = field(default_factory=dict)
    offers: tuple[str, ...] = ('epoch',)
    views: bool = False
    softmax: bool = False

    def check(self, name: str, option: str, value) -> None:
        """Raise ValueError unless `value` is a choice of `option`; `name` is the tap's."""
        choices = self.options[option]
        listed = any(type(value) is type(choice) and value == choice for choice in choices)
        whole = int in choices and type(value) is int and value > 0
        indices = list in choices and isinstance(value, (list, tuple)) and value and _are_indices(value)
        if not (listed or whole or indices):
            words = {int: 'a number above 0', list: f'a list of indices such as {option}=[2]'}
            known = ', '.join(words[choice] if isinstance(choice, type) else str(choice) for choice in choices)
            raise ValueError(f"{option}={value!r} of tap '{name}' is unknown; choose one of {known}.")


def chosen(name: str, option: str, which: str | list[int], levels: tuple) -> tuple:
    """The levels or stages that a term's option selects.

    Raises:
        ValueError: An index is out of range, two name the same level, or they are not in the network's order.
    """
    if isinstance(which, str):
        return levels
    places = f'there are {len(levels)}: 0 to {len(levels) - 1}, or -1 to -{len(levels)} from the end.'
    if beyond := [i for i in which if not -len(levels) <= i < len(levels)]:
        raise ValueError(f"{option}={list(which)} of tap '{name}' asks for {beyond[0]}, but {places}")
    found = [i % len(levels) for i in which]
    if len(set(found)) < len(found):
        raise ValueError(f"{option}={list(which)} of tap '{name}' asks for one of them twice; {places}")
    if found != sorted(found):
        # A loss on several levels tells them apart by their order.
        raise ValueError(f"{option}={list(which)} of tap '{name}' is out of order; write {option}={sorted(found)}.")
    return tuple(levels[i] for i in found)


def _are_indices(values) -> bool:
    return all(type(value) is int for value in values) and len(set(values)) == len(values)
