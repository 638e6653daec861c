"""YAML as recipes have it: what is written is read back as the same plain data."""

import re
from typing import Any

import yaml

from hrs_keras.errors import RecipeError


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with what recipes want: 1e-4 is a number, and what people mistake is an error."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} again", problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return node

    def construct_scalar(self, node: Any) -> Any:
        """Read surrogate pairs as JSON does, which YAML would take for two characters that no file can hold."""
        text = super().construct_scalar(node)
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise yaml.MarkedYAMLError(
                problem=f"{text!r} has half of a character (one surrogate of a pair)", problem_mark=node.start_mark
            ) from None

    def construct_yaml_int(self, node: Any) -> Any:
        """Refuse ``010``, which YAML 1.1 reads as octal, and most people as ten."""
        text = node.value.replace("_", "")
        if re.fullmatch("[-+]?0[0-7]+", text) and int(text, 8) != int(text):
            raise yaml.MarkedYAMLError(
                problem=f"{node.value} is {int(text, 8)} in YAML, because it begins with a zero; write {int(text)}, or"
                " put it in quotes if it is a text",
                problem_mark=node.start_mark,
            )
        return super().construct_yaml_int(node)


class _Dumper(yaml.SafeDumper):
    """Puts what :class:`_Loader` would take for something else in quotes."""


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
# YAML 1.1 reads 1e-4 as text.
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d+)[eE][-+]?\d+$"),
        list("-+0123456789."),
    )
# Recipes are plain data. A date is text, as in YAML 1.2; sets, which have no order, and other objects are refused.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}
_Loader.yaml_constructors = {
    tag: make for tag, make in _Loader.yaml_constructors.items() if tag is None or tag in _PLAIN
}


def parse_yaml(text: str, what: str) -> Any:
    """Plain data from YAML: None, bool, int, float, str, list and dict.

    Args:
        text: of the file.
        what: how messages call it.

    Raises:
        RecipeError: it is not valid YAML, or holds something else; names the place.
    """
    try:
        return _unshared(yaml.load(text, _Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RecipeError(f"{what} is not valid YAML{where}: {error.problem or error.context}") from None
    # ValueError: such as the number 0b_. RecursionError: an alias inside of its own anchor.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{what} is not valid YAML: {error}") from None


def _unshared(tree: Any) -> Any:
    """A copy in which no two places are the same object (as YAML aliases are), so that one can be overridden."""
    if isinstance(tree, dict):
        return {key: _unshared(value) for key, value in tree.items()}
    return [_unshared(value) for value in tree] if isinstance(tree, list) else tree


def dump_yaml(tree: Any) -> str:
    """Plain data as YAML text that :func:`parse_yaml` reads back, in the order of its keys."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False)


def dump_scalar(value: Any) -> str:
    """A plain value as YAML on one line, for texts of several lines, too; :func:`parse_yaml` reads it back."""
    text = _dump_wide(value, None)
    return _dump_wide(value, '"') if "\n" in text else text


def _dump_wide(value: Any, style: str | None) -> str:
    text = yaml.dump(value, Dumper=_Dumper, default_style=style, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")
