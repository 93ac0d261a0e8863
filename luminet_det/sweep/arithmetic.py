"""A formula over config values: numbers, `{config.key}`, + - * / // % **, and a few functions; no other code."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping

BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
UNARY = {ast.UAdd: operator.pos, ast.USub: operator.neg}
FUNCTIONS: dict[str, Callable] = {'int': int, 'round': round, 'min': min, 'max': max, 'sqrt': math.sqrt}
LARGEST_EXPONENT = 100  # of integers: a larger power could fill the memory
KEY = re.compile(r'\{([^{}]+)\}')


class Formula:
    """What an option is computed from, such as `(8.75 * {model.distill.0.loss.tau}) ** 2`.

    Args:
        text: The formula, with config keys in braces.

    Attributes:
        keys: The config keys it reads, in order.

    Raises:
        ValueError: It contains anything but numbers, keys, arithmetic and the functions in `FUNCTIONS`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.keys = tuple(dict.fromkeys(KEY.findall(text)))
        names = {key: f'_{place}' for place, key in enumerate(self.keys)}
        try:
            tree = ast.parse(KEY.sub(lambda found: names[found[1]], text).strip(), mode='eval')
        except SyntaxError as error:
            raise ValueError(
                f'cannot read the formula {text!r}; write config keys in braces, as {{model.key}}'
            ) from error
        self._names = {name: key for key, name in names.items()}
        self._tree = tree.body
        self._check(self._tree)

    def __call__(self, values: Mapping[str, object]) -> int | float:
        """The number that comes out.

        Args:
            values: A value of each of `keys`.

        Raises:
            ValueError: A value is not a number, or the arithmetic has no result.
        """
        for key in self.keys:
            if isinstance(values[key], bool) or not isinstance(values[key], int | float):
                raise ValueError(f'the formula {self.text!r} needs a number, but {key} is {values[key]!r}')
        try:
            found = self._value(self._tree, values)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ValueError(f'the formula {self.text!r} has no result: {error}') from error
        if isinstance(found, complex) or not math.isfinite(found):
            raise ValueError(f'the formula {self.text!r} gives {found}, which is not a finite real number')
        return found

    def _check(self, node: ast.AST) -> None:
        children: list[ast.AST] = []
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                known = True
            case ast.Name(id=name):
                known = name in self._names
            case ast.BinOp(left=left, op=op, right=right):
                known, children = type(op) in BINARY, [left, right]
            case ast.UnaryOp(op=op, operand=operand):
                known, children = type(op) in UNARY, [operand]
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                known, children = name in FUNCTIONS, args
            case _:
                known = False
        if not known:
            raise ValueError(
                f'the formula {self.text!r} may hold numbers, {{config.key}}, + - * / // % ** and '
                f'{", ".join(FUNCTIONS)}, but not `{ast.unparse(node)}`'
            )
        for child in children:
            self._check(child)

    def _value(self, node: ast.AST, values: Mapping[str, object]) -> int | float:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return values[self._names[name]]
            case ast.BinOp(left=left, op=op, right=right):
                one, other = self._value(left, values), self._value(right, values)
                if isinstance(op, ast.Pow) and isinstance(other, int) and abs(other) > LARGEST_EXPONENT:
                    raise ValueError(f'an exponent is above {LARGEST_EXPONENT}')
                return BINARY[type(op)](one, other)
            case ast.UnaryOp(op=op, operand=operand):
                return UNARY[type(op)](self._value(operand, values))
            case ast.Call(func=ast.Name(id=name), args=args):
                return FUNCTIONS[name](*(self._value(argument, values) for argument in args))
        raise AssertionError(f'{node} was not checked')
