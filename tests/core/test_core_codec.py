"""The JSON round trip of every type of the vocabulary, and the canonical form of actions."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath import core
from wornpath.core import (
    EVENT_TYPES,
    Action,
    Decision,
    Event,
    Goal,
    Plan,
    State,
    canonical,
    digest,
    from_json,
    to_json,
    words,
)

NOT_RECORDED = {words.Task}  # holds bytes, is written to a folder and never to JSON
TYPES = [
    t for t in vars(words).values() if dataclasses.is_dataclass(t) and isinstance(t, type) and t not in NOT_RECORDED
]

text = st.text(st.characters(exclude_categories=()), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value of a type annotation."""
    origin, args = get_origin(annotation), get_args(annotation)
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        fields = {f.name: values(hints[f.name]) for f in dataclasses.fields(annotation)}
        return st.builds(annotation, **fields)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin is tuple:
        assert args[1:] == (Ellipsis,)
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(text, values(args[1]), max_size=3)
    if type(None) in args:
        return st.one_of(*(values(a) for a in args))
    simple: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        str: text,
        int: st.integers(),
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
        Any: json_values,
    }
    return simple[annotation]


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__name__)
def test_every_word_makes_the_round_trip_through_json_text(cls: type) -> None:
    @settings(deadline=None, max_examples=25)
    @given(value=values(cls))
    def check(value: Any) -> None:
        data = json.loads(json.dumps(to_json(value)))
        back = from_json(cls, data)
        assert back == value and to_json(back) == to_json(value)

    check()


def test_the_vocabulary_is_frozen_slotted_and_public() -> None:
    assert len(TYPES) > 15
    for cls in TYPES:
        assert cls.__dataclass_params__.frozen and "__slots__" in vars(cls), cls  # type: ignore[attr-defined]
        assert cls.__name__ in core.__all__
    assert set(core.__all__) <= set(vars(core))
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES) == 22


def test_defaults_are_left_out_and_unknown_keys_ignored() -> None:
    assert to_json(Goal("g")) == {"text": "g"}
    assert from_json(Goal, {"text": "g", "added_in_version_9": [1]}) == Goal("g")
    assert to_json(State("s", vector=())) == {"text": "s", "vector": []}


@pytest.mark.parametrize(
    ("cls", "data"),
    [
        (Goal, {}),
        (Goal, []),
        (Goal, {"text": 3}),
        (Goal, {"text": "g", "checks": 3}),
        (Plan, {"subtasks": [{"id": "1", "description": ""}]}),
        (Plan, {"subtasks": [{"id": True, "description": ""}]}),
        (Plan, {"subtasks": [{"id": 1, "description": "", "status": "resting"}]}),
        (Decision, {"state": None}),
    ],
)
def test_what_does_not_fit_is_refused(cls: type, data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_json(cls, data)


@settings(deadline=None)
@given(cls=st.sampled_from(TYPES), data=st.dictionaries(st.sampled_from(["text", "kind", "state", "id"]), json_values))
def test_reading_any_json_gives_the_type_or_an_ordinary_error(cls: type, data: Any) -> None:
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        assert isinstance(from_json(cls, data), cls)


def test_whole_numbers_are_read_as_floats_where_floats_belong() -> None:
    value = from_json(words.Usage, {"cost_usd": 2}).cost_usd
    assert (value, type(value)) == (2.0, float)


@given(arguments=st.dictionaries(text, json_values, max_size=5), seed=st.integers())
def test_an_action_has_one_form_however_it_was_spelled(arguments: dict[str, Any], seed: int) -> None:
    def shuffled(value: Any) -> Any:
        """The same call as another writer would spell it: other orders, decomposed text, tuples, absent arguments."""
        if isinstance(value, str):
            return unicodedata.normalize("NFD", value)
        if isinstance(value, dict):
            items = list(value.items())
            order.shuffle(items)
            return {k: shuffled(v) for k, v in items}
        return tuple(shuffled(v) for v in value) if isinstance(value, list) else value

    order = random.Random(seed)
    action = Action.of("tool", arguments)
    other = Action.of(
        "tool", {**shuffled(arguments), "absent": None} if "absent" not in arguments else shuffled(arguments)
    )
    assert (other, other.canonical, other.key) == (action, action.canonical, action.key)
    assert hash(other) == hash(action)
    assert Action.of("tool", action.arguments) == action
    assert Action.of("tool2", arguments).key != action.key
    assert None not in action.arguments.values()
    again = from_json(Action, json.loads(json.dumps(to_json(action))))
    assert again == action and again.key == action.key


@given(one=json_values, two=json_values)
def test_different_arguments_are_different_actions(one: Any, two: Any) -> None:
    a, b = Action.of("t", x=one), Action.of("t", x=two)
    assert (a.key == b.key) == (a.canonical == b.canonical)
    if a == b:
        assert hash(a) == hash(b)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ({"path": "café"}, {"path": "cafe\u0301"}, True),
        ({"n": 3.0}, {"n": 3}, True),
        ({"n": 3.5}, {"n": 3}, False),
        ({"n": True}, {"n": 1}, False),
        ({"a": None}, {}, True),
        ({"a": ""}, {}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, True),
        ({"n": "3"}, {"n": 3}, False),
    ],
)
def test_what_counts_as_the_same_call(one: dict[str, Any], two: dict[str, Any], same: bool) -> None:
    a, b = Action.of("t", one), Action.of("t", two)
    assert (a.key == b.key) == same
    assert (a == b) == same


def test_the_text_of_an_action_stays_as_it_came() -> None:
    text = "5 \u2126 \uf90a Jose\u0301"
    action = Action.of("write_file", content=text, lines=[text])
    assert action.arguments == {"content": text, "lines": [text]}
    same = Action.of("write_file", content=unicodedata.normalize("NFC", text), lines=[text])
    assert same == action and same.key == action.key and hash(same) == hash(action)
    assert Action("write_file", {"content": text}).key == Action.of("write_file", content=text).key


def test_canonical_text_and_digest() -> None:
    assert canonical({"b": [1, None], "a": "目录"}) == '{"a":"目录","b":[1,null]}'
    assert digest("a") != digest("b") and len(digest("\ud800")) == 16


def test_the_key_of_a_state_covers_all_of_it() -> None:
    base = State("s", {"a": 1}, (words.Entity("f", "file", ("newest",)),), (0.5,))
    others = [
        State("t", base.features, base.entities, base.vector),
        State("s", {"a": 2}, base.entities, base.vector),
        State("s", base.features, (words.Entity("f", "file", ()),), base.vector),
        State("s", base.features, base.entities, None),
    ]
    assert len({s.key for s in [base, *others]}) == 5
    assert from_json(State, to_json(base)).key == base.key


def test_usage_adds_up() -> None:
    total = words.Usage(1, 2, 3, 4, 0.5) + words.Usage(10, 20, 30, 40, 0.25)
    assert total == words.Usage(11, 22, 33, 44, 0.75) and total.total == 33


def test_the_envelope_of_an_event() -> None:
    event = Event(7, "r1", 1.5, 2, "run.paused", {"reason": "x"})
    assert list(event.as_dict()) == ["v", "seq", "run_id", "time", "step", "type", "data"]
    assert event.as_dict()["v"] == 1


def test_errors_carry_the_documented_exit_codes() -> None:
    codes = {
        core.WornpathError: 1,
        core.UsageError: 2,
        core.NeedsPerson: 4,
        core.BudgetReached: 5,
        core.ModelUnavailable: 6,
        core.SandboxUnavailable: 2,
    }
    assert {cls: cls.exit_code for cls in codes} == codes
    reached = core.BudgetReached("tokens", 1200, 1000)
    assert str(reached) == "The limit of 1000 tokens was reached (1200 used); raise it to go on."
