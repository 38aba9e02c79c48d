from __future__ import annotations

from typing import Any

import pytest
from gymnasium import Env, spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath.core import UsageError
from wornpath.envs.checker import check_env
from wornpath.envs.situation import Tracker, action_text, parse_action


class Corridor(Env[str, str]):
    """Go right four times. Faults are switched on by name."""

    def __init__(self, fault: str = "") -> None:
        self.observation_space, self.action_space = spaces.Text(1000), spaces.Text(100)
        self.fault = fault

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = 0
        return self._see()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.at = max(0, self.at + (1 if action == "right" else -1))
        reward: Any = {"nan": float("nan"), "word": "much"}.get(self.fault, float(self.at == 4))
        return self._see()[0], reward, self.at == 4, False, self._see()[1]

    def _see(self) -> tuple[Any, dict[str, Any]]:
        actions: Any = {
            "none": [],
            "double": ["left", "left"],
            "number": ["left", 3],
            "string": "left right",
        }.get(self.fault, ["left", "right"])
        info = {} if self.fault == "missing" else {"admissible_actions": actions, "goal": "reach the end"}
        if self.fault == "mask":
            info["action_mask"] = [False, False]
        text: Any = {"long": "x" * 1_000_000, "bytes": b"you are here"}.get(self.fault, f"You are at {self.at}.")
        if self.fault == "chance":
            text = f"{self.at} {id(object())} {self.np_random.random()}" + str(__import__("time").perf_counter_ns())
        return text, info


def test_a_sound_environment_has_no_faults() -> None:
    assert check_env(Corridor(), max_steps=500) == []


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("none", "is empty"),
        ("double", "'left' is listed twice"),
        ("number", "one is 3"),
        ("string", "must be a list"),
        ("missing", "must be a list"),
        ("nan", "finite number"),
        ("word", "'much'"),
        ("long", "1000000 characters"),
        ("bytes", "must be text"),
        ("mask", "allow something"),
        ("chance", "Two episodes with seed 0"),
    ],
)
def test_the_checker_says_what_is_wrong(fault: str, says: str) -> None:
    faults = check_env(Corridor(fault))
    assert any(says in f for f in faults), faults


def test_the_tracker_keeps_what_was_tried_and_cuts_long_texts() -> None:
    tracker = Tracker()
    info = {"admissible_actions": ["left", "right"], "goal": "reach the end"}
    first = tracker.reset("You are at 0.", info)
    then = tracker.step(first.candidates[1].action, "y" * 1_000_000, {**info, "result": "empty"})
    assert then.state.features["tried"] == {first.candidates[1].action.key: 1}
    assert (then.state.features["last_tool"], then.state.features["last_result"], then.state.features["step"]) == (
        "act",
        "empty",
        1,
    )
    assert len(then.state.text) < 2000
    assert tracker.reset("again", info).state.features["tried"] == {}


@settings(deadline=None)
@given(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
        st.text() | st.integers() | st.booleans() | st.lists(st.text()),
        max_size=3,
    ),
)
def test_a_call_survives_being_written_and_read(tool: str, arguments: dict[str, Any]) -> None:
    call = parse_action(action_text(tool, **arguments))
    assert call.tool == tool
    assert dict(call.arguments) == dict(sorted(arguments.items()))


@settings(deadline=None)
@given(st.text(min_size=1))
def test_any_other_text_is_an_act(text: str) -> None:
    action = parse_action(text)
    assert action.tool == "act" or "(" in text


def test_text_that_only_looks_like_a_call_is_kept_whole() -> None:
    assert parse_action("take(lamp)").arguments == {"text": "take(lamp)"}
    assert parse_action('say(what="a, b=c")').arguments == {"what": "a, b=c"}


def test_features_fit_environments_of_box_and_of_text_only() -> None:
    from wornpath.learn.encode import shape_of

    assert shape_of(Corridor()).kind == "rows"
    odd = Corridor()
    odd.observation_space = spaces.Discrete(3)  # type: ignore[assignment]
    with pytest.raises(UsageError, match="Discrete"):
        shape_of(odd)
