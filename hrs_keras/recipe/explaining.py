"""What pydantic found wrong in a file, in the words of the file: the key, what was found and the nearest valid key."""

import reprlib
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hrs_keras.errors import did_you_mean
from hrs_keras.recipe.schema import Recipe
from hrs_keras.recipe.types import Section


def explain(error: ValidationError, schema: type[Section], given: Any = None) -> str:
    """One line for each problem, indented by two spaces.

    Args:
        error: from validating a file.
        schema: what it was validated as.
        given: the file's content as plain data, for sections whose valid keys depend on what they say.
    """
    return "\n".join(f"  {_explain(problem, schema, given)}" for problem in error.errors())


def _explain(problem: ErrorDetails, schema: type[Section], given: Any) -> str:
    *parents, last = problem["loc"] or (schema.__name__.lower(),)
    where = ".".join(map(str, (*parents, last)))
    match problem["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key." + did_you_mean(str(last), _keys_at(schema, parents, given))
        case "missing" if isinstance(last, int):
            return f"{where}: missing; the list has too few items."
        case "missing":
            return f"{where}: missing. {'Extend base.yaml or give' if schema is Recipe else 'Give'} it a value."
        case "too_short":
            return f"{where}: is a list of {len(problem['input'])}, wants at least {problem['ctx']['min_length']}"
        case "value_error":
            return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
        case "model_type":
            return f"{where}: wants a mapping of keys to values, found {reprlib.repr(problem['input'])}"
        case _:
            return f"{where}: {problem['msg']} (found {reprlib.repr(problem['input'])})"


def _keys_at(section: Any, path: Sequence[str | int], given: Any) -> list[str]:
    """The valid keys at ``path`` below a section, found by walking the schema and what is given side by side."""
    for part in path:
        given = _item(given, part)
        if isinstance(part, int):
            continue  # a list's items share one schema
        annotation = section.model_fields[part].annotation
        section = (get_args(annotation)[0] if get_origin(annotation) else annotation).variant(given)
    return [field.alias or name for name, field in section.model_fields.items()]


def _item(tree: Any, key: str | int) -> Any:
    if isinstance(tree, dict):
        return tree.get(key)
    return tree[key] if isinstance(tree, list) and isinstance(key, int) and key < len(tree) else None
