"""The JSON schema of config files, with which editors explain and check what people write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.tiers import TIER_NAME

Schema = dict[str, Any]

_SWEPT_KEY = r"^(data|model|optim|train|evaluate)(\.|$)"
"""The keys that a sweep can set."""

_OF_A_FILE = ("name", "tiers")
"""Keys that a tier cannot set."""


def write_schema() -> str:
    """Returns the schema as the text of a JSON file."""
    return json.dumps(build_schema(), indent=1, ensure_ascii=False) + "\n"


def build_schema() -> Schema:
    """Returns the schema (draft 2020-12) of what people write, plug-ins included.

    It accepts every config that bnexp accepts, alone or put on top of others by `extends`, and
    refuses unknown keys and wrong types. What fits together is left to bnexp itself.
    """
    schema = ExperimentConfig.model_json_schema()
    definitions: dict[str, Schema] = schema["$defs"]
    unions: dict[str, dict[str, str]] = {}
    for key, node in _walk(schema):
        _tidy(node)
        if "discriminator" in node:
            _name_union(node, f"any_{key}", unions)
    definitions |= {key: _write_union(places, definitions) for key, places in unions.items()}
    _open_sweep(definitions["SweepConfig"]["properties"], definitions["TuneConfig"]["properties"])
    del definitions["TuneConfig"]["required"]  # may be in a file that is extended
    del definitions["LooksConfig"]["required"]
    needed = _take_needs_of_claims(definitions)
    properties = schema["properties"]
    claim = properties["claim"]
    properties["claim"] = {"description": claim["description"], **_open_claim(needed)}
    overlay = {key: {"$ref": f"#/properties/{key}"} for key in properties if key not in _OF_A_FILE}
    properties["tiers"] = _describe_tiers(properties["tiers"]["description"], overlay)
    properties["extends"] = {
        "description": "A config file, or a list of them, that this file is put on top of.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    named = {key: _if({"type": "object"}, {"required": ["name"]}) for key in ("data", "model")}
    alone = [
        {"required": ["name"], "properties": {"claim": _if({"type": "object"}, needed)}},
        # A sweep may set what is missing here.
        _unless_given("sweep", {"required": ["data", "model"], "properties": named}),
    ]
    del schema["required"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config of bnexp",
        **schema,
        **_unless_given("extends", {"allOf": alone}),
    }


def _walk(node: Any, key: str = "") -> Iterator[tuple[str, Schema]]:  # noqa: ANN401 - any JSON
    """Yields every mapping in a schema, outer ones first, with the key that it is the rule of."""
    if isinstance(node, dict):
        yield key, node
        for name, child in node.items():
            yield from _walk(child, key if name in ("anyOf", "items") else name)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child, key)


def _tidy(node: Schema) -> None:
    """Removes pydantic's titles, which repeat the key, and the line breaks of descriptions."""
    if isinstance(node.get("title"), str):
        del node["title"]
    if isinstance(text := node.get("description"), str) and "```" not in text:
        paragraphs = (" ".join(one.split()) for one in text.split("\n\n"))
        node["description"] = "\n\n".join(paragraphs)


def _name_union(node: Schema, name: str, unions: dict[str, dict[str, str]]) -> None:
    """Replaces a union of parts by a reference to a definition, which is yet to be written."""
    places: dict[str, str] = node.pop("discriminator")["mapping"]
    del node["oneOf"]
    if unions.setdefault(name, places) != places:
        name = "_or_".join(places)
        unions[name] = places
    node["$ref"] = f"#/$defs/{name}"


def _write_union(places: dict[str, str], definitions: dict[str, Schema]) -> Schema:
    """Returns the rule for a part: its name alone, or a mapping, with or without its name.

    Without its name it changes options of the default part, or of one in a file that is extended.
    """
    members = {name: definitions[place.rpartition("/")[2]] for name, place in places.items()}
    options: dict[str, list[Schema]] = {}
    for member in members.values():
        member.pop("required", None)  # may be in a file that is extended, or in the sweep
        for key, rule in member["properties"].items():
            if key != "name" and rule not in options.setdefault(key, []):
                options[key].append(rule)
    choices = [
        {"const": name, "description": member["description"].partition("\n\n")[0]}
        for name, member in members.items()
    ]
    rules = [
        _if({"properties": {"name": {"const": name}}, "required": ["name"]}, {"$ref": place})
        for name, place in places.items()
    ]
    nameless = {
        "properties": {key: {"anyOf": found} for key, found in options.items()},
        "additionalProperties": False,
    }
    return {
        "type": ["string", "object"],
        "if": {"type": "string"},
        "then": {"oneOf": choices},
        "else": {
            "properties": {"name": {"oneOf": choices}},
            "allOf": rules,
            **_unless_given("name", nameless),
        },
    }


def _open_sweep(properties: dict[str, Schema], tune: dict[str, Schema]) -> None:
    """Lets swept and tuned keys be nested as in the config, and checks their first word."""
    keys = {"propertyNames": {"pattern": _SWEPT_KEY}}
    values = {"type": "array", "minItems": 1}
    nested: Schema = {"type": "object"}
    nested["additionalProperties"] = {"anyOf": [values, {"type": "object"}]}
    for part in ("grid", "zip"):
        properties[part]["anyOf"][0] = {**nested, **keys}
    tune["over"] = {"description": tune["over"]["description"], **nested, **keys}
    for part in ("exclude", "include"):
        properties[part]["anyOf"][0]["items"] |= keys


def _open_claim(needed: Schema) -> Schema:
    """Returns the rule for one claim, a list of them, or null."""
    claim = {"$ref": "#/$defs/ClaimConfig"}
    listed = {"type": "array", "items": {"allOf": [claim, needed]}}
    return {"anyOf": [claim, listed, {"type": "null"}]}


def _take_needs_of_claims(definitions: dict[str, Schema]) -> Schema:
    """Removes from the definitions, and returns, what a claim must say if it extends no other."""
    claim, reduction = (definitions[name] for name in ("ClaimConfig", "ReductionConfig"))
    reduced = _if({"type": "object"}, {"required": reduction.pop("required")})
    return {"required": claim.pop("required"), "properties": {"reduction": reduced}}


def _describe_tiers(description: str, overlay: Schema) -> Schema:
    """Returns the rule for `tiers`: names, each with what it changes of the `overlay`'s keys."""
    tier = {"type": ["object", "null"], "properties": overlay, "additionalProperties": False}
    names = {"pattern": f"^{TIER_NAME}$"}
    tiers = {"type": "object", "propertyNames": names, "additionalProperties": tier}
    return {"description": description, "anyOf": [tiers, {"type": "null"}]}


def _if(condition: Schema, then: Schema) -> Schema:
    return {"if": condition, "then": then}


def _unless_given(key: str, rule: Schema) -> Schema:
    return {"if": {"required": [key]}, "else": rule}
