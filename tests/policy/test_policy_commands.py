"""What the dense features say of commands in words: where they led before, what they go on from, what was said about them."""

from __future__ import annotations

from typing import Any

from wornpath.envs.situation import Situation, Tracker, parse_action
from wornpath.policy.features import NAMES, VERBS, dense

HALL = "You are in the hall.\nTo the East you see the kitchen. To the West you see the cellar."
KITCHEN = "You are in the kitchen.\nThere is a red apple.\nTo the West you see the hall."


def offer(*actions: str) -> dict[str, Any]:
    return {"admissible_actions": list(actions), "goal": "Bring the apple to the cellar"}


def feature(situation: Situation, name: str) -> list[float]:
    rows = dense(situation.state, situation.candidates)
    return [round(float(x), 3) for x in rows[:, NAMES.index(name)]]


def test_a_command_that_led_back_is_told_from_one_never_tried() -> None:
    tracker = Tracker()
    first = tracker.reset(HALL, offer("move east", "move west"))
    assert feature(first, "tried_here") == [0, 0]
    tracker.step(parse_action("move east"), KITCHEN, offer("take apple", "move west"))
    back = tracker.step(parse_action("move west"), HALL, offer("move east", "move west"))
    assert feature(back, "tried_here") == [1, 0], "west was tried, but not from here"
    assert feature(back, "tried") == [0.333, 0.333]
    tracker.step(parse_action("move east"), KITCHEN, offer("take apple", "move west"))
    again = tracker.step(parse_action("move west"), HALL, offer("move east", "move west"))
    assert feature(again, "end_visits") == [0.5, 0], "the kitchen was visited twice"


def test_the_sentence_about_a_command_is_what_it_is_judged_by() -> None:
    first = Tracker().reset(HALL, offer("move east", "move west", "wait"))
    assert feature(first, "line_in_goal")[1] > feature(first, "line_in_goal")[0], "west is where the cellar is"
    assert feature(first, "line_in_goal")[2] == 0


def test_a_command_goes_on_from_the_last_one_and_from_what_is_new() -> None:
    tracker = Tracker()
    tracker.reset(HALL, offer("move east"))
    there = tracker.step(parse_action("move east"), KITCHEN, offer("take apple", "move west", "move east"))
    assert feature(there, "fresh")[0] > 0 and feature(there, "fresh")[1:] == [0, 0]
    assert feature(there, "with_last") == [0, 0.5, 1]


def test_what_was_read_earlier_is_remembered() -> None:
    tracker = Tracker()
    tracker.reset("Directions:\n  fry the red apple", offer("move east"))
    there = tracker.step(parse_action("move east"), KITCHEN, offer("fry red apple", "fry table"))
    said = feature(there, "said")
    assert said[0] == 1 and said[1] < said[0] and feature(there, "said_lead")[0] == 1


def test_verbs_are_told_apart() -> None:
    verbs = ["take", "put", "open", "close", "move", "cook", "chop", "eat", "read"]
    situation = Tracker().reset(HALL, offer(*(f"{v} it" for v in verbs)))
    rows = dense(situation.state, situation.candidates)[:, -VERBS:]
    assert len({tuple(row) for row in rows.tolist()}) == len(verbs)
    assert set(rows.sum(axis=1).tolist()) == {VERBS / 4}
