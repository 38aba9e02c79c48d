from __future__ import annotations

import collections
import random
from pathlib import Path

import pytest

from wornpath.core import Action, UsageError
from wornpath.envs.checker import check_env
from wornpath.envs.explorer import Explorer
from wornpath.envs.file_finding import FileFinding, Folder
from wornpath.envs.file_finding_rules import heuristic, teacher
from wornpath.envs.names import DEV_FAMILIES, FAMILIES, GOALS, NAMES, SETTINGS, TRAIN_FAMILIES, Split
from wornpath.envs.situation import Tracker, action_text
from wornpath.envs.trees import MAX_FILES, MIN_FILES, grow
from wornpath.learn.evaluation import RulePolicy, evaluate, random_policy


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


@pytest.fixture
def env(root: Path) -> FileFinding:
    return FileFinding("train", trees=2, root=root)


def test_it_keeps_the_contract(env: FileFinding, root: Path) -> None:
    assert check_env(env) == []
    assert check_env(FileFinding("test", trees=2, root=root)) == []


def test_trees_have_the_promised_size_and_every_fact_is_in_its_file_alone() -> None:
    for seed, split, language in (
        (0, "train", "en"),
        (1, "train", "zh"),
        (2, "test", "en"),
        (3, "test", "zh"),
        (4, "dev", "en"),
        (5, "dev", "zh"),
    ):
        files, facts = grow(seed, split, language)  # type: ignore[arg-type]
        assert MIN_FILES <= len(files) <= MAX_FILES + 50
        assert {f.family for f in facts} == set(FAMILIES) | set(DEV_FAMILIES)
        for fact in facts:
            assert fact.path in files
            if fact.family not in ("code", "newest"):
                assert any(
                    line.endswith(fact.answer) or fact.answer in line.split(",")
                    for line in files[fact.path].split("\n")
                ), fact
        assert (files, facts) == grow(seed, split, language)  # type: ignore[arg-type]


@pytest.mark.parametrize(("split", "seed"), [("train", 34), ("train", 13), ("dev", 38), ("test", 43)])
def test_every_function_is_in_a_file_of_its_own(split: Split, seed: int) -> None:
    """In these trees two are drawn for the same path."""
    files, facts = grow(seed, split, "zh" if seed % 2 else "en")
    found = [fact for fact in facts if fact.family == "code"]
    assert len({fact.path for fact in found}) == len(found)
    for fact in found:
        assert f"def {fact.slots['function']}(" in files[fact.path]


def test_train_dev_and_test_share_no_name_no_sentence_and_not_all_families() -> None:
    pools = ("services", "companies", "people", "projects", "subjects", "items", "places")
    for language in ("en", "zh"):
        for one, other in (("train", "test"), ("train", "dev"), ("dev", "test")):
            for pool in pools:
                mine, its = (getattr(NAMES[split, language], pool) for split in (one, other))  # type: ignore[index]
                assert not set(mine) & set(its), (one, other, pool)
            for sentences in GOALS.values():
                assert not set(sentences.get((one, language), ())) & set(sentences.get((other, language), ()))  # type: ignore[call-overload]
        assert not set(SETTINGS["dev", language]) & {*SETTINGS["train", language], *SETTINGS["test", language]}  # type: ignore[index]
    assert set(FAMILIES) - set(TRAIN_FAMILIES) == {"stock"} and set(DEV_FAMILIES) - set(TRAIN_FAMILIES) == {"mail"}
    assert len(FAMILIES) >= 6


def test_consecutive_seeds_go_round_the_families_and_equal_seeds_are_equal(root: Path) -> None:
    env = FileFinding("test", trees=2, root=root)
    met = collections.Counter(env.reset(seed=1_000_000 + i)[1]["task_family"] for i in range(16))
    assert set(met.values()) == {2} and set(met) == set(FAMILIES)
    assert env.reset(seed=5) == env.reset(seed=5)


def test_the_family_is_not_shown_to_the_policy(env: FileFinding) -> None:
    observation, info = env.reset(seed=3)
    situation = Tracker().reset(observation, info)
    assert "family" not in situation.state.features and info["task_family"] not in situation.state.text.split()


def test_rewards_end_and_truncation(env: FileFinding) -> None:
    env.reset(seed=3)
    assert env.fact is not None
    _, reward, terminated, truncated, info = env.step(action_text("finish", answer=env.fact.answer))
    assert (reward, terminated, truncated, info["success"]) == (pytest.approx(0.98), True, False, True)
    env.reset(seed=3)
    _, reward, terminated, _, info = env.step(action_text("finish", answer=""))
    assert (reward, terminated, info["success"]) == (pytest.approx(-0.52), True, False)
    env.reset(seed=3)
    for i in range(20):
        _, reward, terminated, truncated, info = env.step('list_files(path="nowhere")')
        assert (reward, terminated, truncated) == (pytest.approx(-0.02), False, i == 19)
        assert info["result"] == "error"
    assert info["success"] is False


def test_at_most_sixteen_candidates_all_of_them_accepted_and_giving_up_among_them(env: FileFinding) -> None:
    rng = random.Random(0)
    for seed in range(8):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            actions = info["admissible_actions"]
            assert 2 <= len(actions) <= 16 and 'finish(answer="")' in actions
            looking = [a for a in actions if not a.startswith("finish")]
            _, _, terminated, truncated, info = env.step(rng.choice(looking or actions))
            assert info["result"] in ("ok", "empty")
            over = terminated or truncated


def test_the_tools_read_what_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "Notes.txt").write_text("first\nPort: 80\n", encoding="utf-8")
    (tmp_path / "端口.md").write_text("端口: 8080\n", encoding="utf-8")
    folder = Folder(tmp_path)
    assert folder.list_files("") == ("a/\n端口.md", "ok")
    assert folder.list_files("a/b/") == ("a/b/Notes.txt", "ok")
    assert folder.find_files("*notes*") == ("a/b/Notes.txt", "ok")
    assert folder.search_text("port") == ("a/b/Notes.txt:2: Port: 80", "ok")
    assert folder.search_text("端口") == ("端口.md:1: 端口: 8080", "ok")
    assert folder.search_text("zzz")[1] == "empty"
    assert folder.read_file("../secret")[1] == "error"


def test_a_family_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="stock"):
        FileFinding("train", families=["stock"])


def test_teacher_beats_heuristic_beats_random(root: Path) -> None:
    def make(seed: int) -> FileFinding:
        return FileFinding("train", trees=2, root=root)

    from wornpath.envs.situation import Situation

    shown = evaluate(
        RulePolicy(lambda s, c, r: teacher(Situation(s, c, (True,) * len(c), ()))), make, episodes=42, seed=0
    )
    simple = evaluate(RulePolicy(heuristic), make, episodes=42, seed=0)
    blind = evaluate(random_policy(), make, episodes=42, seed=0)
    assert shown.success > simple.success > blind.success
    assert shown.success > 0.7 and blind.success < 0.2


def test_a_wrong_answer_is_relabelled_with_the_goal_that_it_meets(env: FileFinding) -> None:
    """An invoice was asked for, another one read and its total given."""
    seed = next(
        s
        for s in range(200)
        if env.reset(seed=s)[1]["task_family"] == "invoice"
        and "invoices/" in env.folder.paths[-1] + "".join(env.folder.paths)
    )
    start, _ = env.reset(seed=seed)
    assert env.fact is not None
    other = next(
        p
        for p in env.folder.paths
        if p.startswith("invoices/")
        and p != env.fact.path
        and "draft" not in p
        and "copy" not in p
        and p.endswith(".txt")
    )
    text = env.folder.text(other)
    total = next(line for line in text.split("\n") if line.startswith("Total: "))[7:]
    number = text.split("\n")[0].split()[1]
    trace = [("", start), (action_text("read_file", path=other), text), (action_text("finish", answer=total), "Wrong.")]
    found = env.relabel(trace)
    assert found is not None
    goal, answer = found
    assert number in goal and answer == total
    views = env.retrace(goal, trace)
    assert len(views) == 2 and views[0][1]["goal"] == goal
    assert action_text("finish", answer=total) in views[1][1]["admissible_actions"]
    stale = [trace[0], (action_text("read_file", path="old/" + other), text), trace[2]]
    assert env.relabel(stale) is None
    assert env.relabel([trace[0], (action_text("finish", answer=""), "Wrong.")]) is None
    goods = next(line for line in text.split("\n") if line.startswith("Goods: "))[7:]
    assert env.relabel([*trace[:2], (action_text("finish", answer=goods), "Wrong.")]) is None


def test_a_chinese_query_that_nothing_holds_is_tried_in_parts() -> None:
    explorer = Explorer("查一下林涛用哪个邮箱")
    asked = [a for a in explorer.actions() if a.startswith("search_text")]
    assert action_text("search_text", query="林涛用") in asked
    explorer.observe(Action.of("search_text", query="林涛用"), "Nothing found.", "empty")
    assert action_text("search_text", query="林涛") in explorer.actions()
