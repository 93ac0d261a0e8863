"""What a term's tap takes from the outputs of a classification network."""

from torch import Tensor, nn

from luminet_det.classification.models import Outputs
from luminet_det.distillation.taps import chosen
from luminet_det.distillation.terms import Given, Term

# The parts of `Outputs` for each choice of `relu`: the student's, then the teacher's.
RELU = {
    'after': ('features', 'features'),
    'before': ('before_relu', 'before_relu'),
    'after-before': ('features', 'before_relu'),
}


def parts(term: Term) -> tuple[str, str]:
    """The names of the part of `Outputs` that a term compares, the student's and the teacher's."""
    if 'networks' in term.needs:
        # A loss that runs the networks from the middle takes the maps at which they can be cut.
        return 'boundaries', 'boundaries'
    return RELU[term.options['relu']] if term.tap == 'features' else (term.tap, term.tap)


def wanted(terms: list[Term]) -> set[str]:
    """The parts of the teacher's `Outputs` that these terms take."""
    names = {parts(term)[1] for term in terms}
    return names | {'embedding'} if any(term.options.get('pooled') for term in terms) else names


def given(outputs: Outputs, term: Term, name: str) -> Given:
    """A part of a network's outputs, selected by the term's options.

    Args:
        outputs: Of the student or the teacher.
        term: The term.
        name: The part, see `parts`.

    Raises:
        ValueError: The network does not return this part, or has no such stage.
    """
    # A custom network may return an object that has only logits.
    found, embedding = getattr(outputs, name, None), getattr(outputs, 'embedding', None)
    if term.tap == 'logits':
        return found
    pooled = term.options.get('pooled')
    if found is None or (term.tap == 'features' and not len(found)) or (pooled and embedding is None):
        raise ValueError(
            f"The tap '{term.tap}' is empty: the network of the student or the teacher returns no {name}. Use the tap "
            "'logits', or let the network return luminet_det.classification.models.Outputs."
        )
    if term.tap == 'embedding':
        return found
    stages = chosen('features', 'stages', term.options['stages'], tuple(found))
    return (*stages, embedding[:, :, None, None]) if pooled else stages


def require_before_relu(network: nn.Module, term: Term, name: str) -> None:
    """Raise ValueError if a term takes maps before ReLUs that no module of a torchvision or timm network outputs.

    Args:
        network: Of the student or the teacher.
        term: The term.
        name: The part of its `Outputs`, see `parts`.
    """
    places = getattr(network, 'places', None)
    if places is None or name != 'before_relu':
        return
    stages = chosen('features', 'stages', term.options['stages'], tuple(range(len(places.rectified))))
    if hidden := [stage for stage in stages if places.rectified[stage]]:
        raise ValueError(
            f"relu={term.options['relu']!r} of the tap 'features' needs the maps of {network.name} before the last "
            f'ReLU, which none of its modules outputs at the stages {hidden}, counted from the stem. '
            "Set relu='after', leave these stages out with stages=[...], or use another network."
        )


def comparable(student: Given, teacher: Given, term: Term) -> tuple[Given, Given]:
    """Return both unchanged; raise ValueError if the term's loss cannot compare these shapes."""
    shapes = [[tuple(tensor.shape[1:]) for tensor in listed(each)] for each in (student, teacher)]
    loss = type(term.loss).__name__
    takes_maps = getattr(term.loss, 'compares', '') == 'maps'
    if takes_maps and any(len(shape) != 3 for of_network in shapes for shape in of_network):
        raise ValueError(
            f"The tap 'features' gives tokens of a transformer, not maps: student {shapes[0][-1]}, teacher "
            f"{shapes[1][-1]}. {loss} compares maps. Use the tap 'logits' or 'embedding', or convolutional networks."
        )
    if len(shapes[0]) != len(shapes[1]):
        few = min(map(len, shapes))
        raise ValueError(
            f"The tap '{term.tap}' gives {len(shapes[0])} stages in the student, {shapes[0]}, and {len(shapes[1])} in "
            f'the teacher, {shapes[1]}; {loss} needs the same number in both. '
            + (
                'It runs whole networks: use two with the same number of stages.'
                if 'networks' in term.needs
                else f'Choose them in the term: stages={list(range(1, few))}, counted from the stem, or '
                f'stages={list(range(1 - few, 0))}, from the end.'
            )
        )
    if not term.bridges and shapes[0] != shapes[1]:
        raise ValueError(
            f"The tap '{term.tap}' gives {shapes[0]} in the student and {shapes[1]} in the teacher; "
            f"{loss} compares tensors of the same shape. Use the tap 'logits', networks of the same width, or a loss "
            "that learns to bridge them, such as 'luminet_det.FitNetLoss'."
        )
    return student, teacher


def listed(found: Given) -> tuple[Tensor, ...]:
    """The tensors of what a tap gives."""
    return found if isinstance(found, tuple) else (found,)
