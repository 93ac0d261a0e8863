"""The lines about distillation that a run logs when it starts."""

from collections.abc import Iterable, Sequence

from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Term


def announcement(teachers: Sequence[Teacher], links: Sequence, terms: Iterable[tuple[str, Term]]) -> str:
    """The lines as one block of text.

    Args:
        teachers: The built teachers.
        links: How the student is wired to each of them, by `describe() -> list[str]`.
        terms: Each term's name in the log, and the term.
    """
    lines = ['Distillation']
    for teacher, link in zip(teachers, links, strict=True):
        millions = sum(p.numel() for p in teacher.model.parameters()) / 1e6
        precision = teacher.dtype or "the student's dtype"
        role = 'peer   ' if teacher.trainable else 'teacher'
        lines += [
            f'  {role}  {teacher.name} ({type(teacher.model).__name__}, {millions:.2f} M parameters)',
            f'  weights  {teacher.checkpoint or "from scratch"}, in {precision}'
            + f', {teacher.folded} BatchNorms folded' * bool(teacher.folded)
            + ', compiled' * bool(teacher.compile),
            *(f'  {line}' for line in link.describe()),
        ]
    for name, term in terms:
        learned = sum(p.numel() for p in term.loss.parameters())
        kept = sum(b.numel() for b in term.loss.buffers())
        own = f', {learned:,} additional parameters' * bool(learned) + f', {kept:,} numbers stored' * bool(kept)
        lines.append(f'  term     loss_{name}: {term}{own}')
    return '\n'.join(lines)
