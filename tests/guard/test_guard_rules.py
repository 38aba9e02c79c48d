"""Rules: which fit, which has the last word, what an answer becomes, and files of them that are right or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Action, Observation, Rule, ToolError, UsageError
from wornpath.guard import check_names, described, read_rules
from wornpath.guard.rules import always_denied, deciding, fits, host, like
from wornpath.tools import Link, Registry, standard_tools, tool

TOOLS = {t.name: t for t in standard_tools()}


@tool(risk="send")
def mail(to: list[str], body: str) -> str:
    """Send a mail."""
    return "sent"


@tool
def fetch(url: Annotated[str, Link]) -> str:
    """Fetch a page."""
    return url


def one(effect: Any, tool: str = "*", **more: Any) -> Rule:
    return Rule(effect, tool, **more)


def shell(command: str) -> Action:
    return Action.of("shell", command=command)


effects = st.sampled_from(["allow", "ask", "deny"])
rules = st.lists(
    st.builds(
        Rule,
        effects,
        st.sampled_from(["*", "delete_file", "shell", "del*"]),
        st.sampled_from([(), ("delete",), ("read", "write")]),
        st.sampled_from([{}, {"path": "tmp/*"}, {"path": "*.txt"}, {"command": "git *"}]),
    ),
    max_size=6,
)
actions = st.sampled_from(
    [Action.of("delete_file", path=p) for p in ("tmp/a.txt", "a.txt", "b.md")] + [shell("git log"), shell("rm -r x")]
)


@given(rules, actions, st.randoms(use_true_random=False))
def test_the_strictest_rule_that_fits_decides_in_whatever_order(rules: list[Rule], action: Action, rng: Any) -> None:
    about = TOOLS[action.tool]
    found = deciding(rules, about, action)
    fitting = {rule.effect for rule in rules if fits(rule, about, action)}
    wanted = next((effect for effect in ("deny", "ask", "allow") if effect in fitting), None)
    assert (found.effect if found else None) == wanted
    shuffled = rng.sample(rules, len(rules))
    again = deciding(shuffled, about, action)
    assert (again.effect if again else None) == wanted
    if always_denied(rules, about):
        assert wanted == "deny"


@pytest.mark.parametrize(
    ("pattern", "command", "allowed"),
    [
        ("git *", "git status", True),
        ("git *", "git status; rm -rf .", False),
        ("git *", "git log | sh", False),
        ("git *", "git log `id`", False),
        ("git *", "git log $(id)", False),
        ("git *", "git log\nrm -r .", False),
        ("git *", "gitk", False),
        ("ls ?", "ls a", True),
        ("ls ?", "ls ;", False),
        ("make", "make", True),
    ],
)
def test_an_allowance_of_a_command_ends_where_another_could_begin(pattern: str, command: str, allowed: bool) -> None:
    assert fits(one("allow", "shell", arguments={"command": pattern}), TOOLS["shell"], shell(command)) == allowed
    denied = fits(one("deny", "shell", arguments={"command": "*rm*"}), TOOLS["shell"], shell(command))
    assert denied == ("rm" in command)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("tmp/a", True), ("tmp/x/a", False), ("./tmp/a", True), ("tmp/../a", False), ("a", False), ("tmp", False)],
)
def test_a_path_is_matched_where_it_leads(path: str, allowed: bool) -> None:
    rule = one("allow", "delete_file", arguments={"path": "tmp/*"})
    assert fits(rule, TOOLS["delete_file"], Action.of("delete_file", path=path)) == allowed


def test_an_allowance_holds_for_all_of_a_list_and_a_denial_for_any() -> None:
    ours = {"to": "*@ours.example"}
    both = Action.of("mail", to=["a@ours.example", "b@evil.example"], body="x")
    assert not fits(one("allow", "mail", arguments=ours), mail, both)
    assert fits(one("deny", "mail", arguments={"to": "*@evil.example"}), mail, both)
    hidden = Action.of("mail", to=["b@evil.example,a@ours.example"], body="x")
    assert not fits(one("allow", "mail", arguments=ours), mail, hidden)
    assert fits(one("allow", "mail", arguments=ours), mail, Action.of("mail", to=["a@ours.example"], body="x"))
    assert not fits(one("allow", "mail", arguments={"cc": "*"}), mail, both), "what is not there fits nothing"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://docs.example.com/a", True),
        ("docs.example.com/a", True),
        ("https://DOCS.example.com.", True),
        ("https://evil.example/docs.example.com", False),
        ("https://docs.example.com@evil.example/", False),
        ("https://docs.example.com.evil.example/", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_hosts_are_those_that_links_lead_to(url: str, allowed: bool) -> None:
    assert fits(one("allow", hosts=("*.example.com",)), fetch, Action.of("fetch", url=url)) == allowed
    assert not fits(one("allow", hosts=("*",)), mail, Action.of("mail", to=["a"], body="x"))


@given(st.text(max_size=60))
def test_a_host_is_found_or_empty_and_never_an_error(link: str) -> None:
    assert isinstance(host(link), str)


values = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(values, values, st.sampled_from(["allow", "deny"]))
def test_an_answer_for_longer_covers_its_own_action_and_nobody_else_is_sent_to(a: str, b: str, effect: Any) -> None:
    first, other = (Action.of("mail", to=[v], body="hello") for v in (a, b))
    rule = like(effect, mail, first, "folder", "/w")
    single = not any(c in str(first.arguments["to"][0]) for c in "\r\n\t\x00") and "@" not in a and a.isprintable()
    if effect == "deny" or single:
        assert fits(rule, mail, first)
    if first.arguments["to"] != other.arguments["to"]:
        assert not fits(rule, mail, other)


def test_what_an_answer_becomes() -> None:
    def words(name: str, **arguments: Any) -> str:
        return described(like("allow", TOOLS[name], Action.of(name, **arguments), "always", ""))

    assert words("delete_file", path="tmp/a.log") == "allow delete_file(path=tmp/*.log)"
    assert words("delete_file", path="Makefile") == "allow delete_file(path=Makefile)"
    assert words("shell", command="git status") == "allow shell(command=git *)"
    assert words("shell", command="ls") == "allow shell(command=ls)"
    assert words("write_file", path="a/b.md", content="x") == "allow write_file(path=a/*.md)"
    with pytest.raises(ToolError, match="several values"):
        like("allow", mail, Action.of("mail", to=["a", "b"], body="x"), "run", "")


GOOD = """
[[rule]]
effect = "allow"
tool = "delete_file"
risk = "delete"
arguments = { path = "tmp/*", recursive = true }
note = "scratch files"

[[rule]]
effect = "deny"
hosts = ["*.evil.example"]

[[rule]]
effect = "allow"
risk = ["send", "spend"]
untrusted = true
"""


def test_a_policy_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(GOOD)
    first, second, third = read_rules(file)
    assert first == Rule(
        "allow", "delete_file", ("delete",), {"path": "tmp/*", "recursive": "true"}, note="scratch files"
    )
    assert second == Rule("deny", hosts=("*.evil.example",))
    assert third == Rule("allow", risk=("send", "spend"), untrusted=True)
    assert fits(first, TOOLS["delete_file"], Action.of("delete_file", path="tmp/x", recursive=True))
    check_names([first, second, third], list(Registry.standard()))


plain: Any = st.recursive(
    st.one_of(st.text("abc*", max_size=4), st.booleans(), st.integers(-3, 3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text("xy", min_size=1, max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(["effect", "tool", "risk", "arguments", "hosts", "untrusted", "note", "tol"]), plain, max_size=5
    )
)
def test_any_table_is_a_rule_or_one_sentence(table: dict[str, Any]) -> None:
    from wornpath.guard.rules import read_rule

    try:
        rule = read_rule(table, "Rule 1 in x.toml")
    except UsageError as error:
        assert "\n" not in str(error) and str(error).startswith("Rule 1 in x.toml")
    else:
        assert rule.effect == table["effect"] and set(table) <= {*Rule.__slots__}


@given(st.text(max_size=80))
def test_any_text_is_rules_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("r") / "rules.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        read_rules(file)
    except UsageError as error:
        assert "\n" not in str(error) and "rules.toml" in str(error)


def test_names_that_there_are_not() -> None:
    tools = list(Registry.standard())
    with pytest.raises(UsageError, match="did you mean shell"):
        check_names([one("deny", "shel")], tools)
    with pytest.raises(UsageError, match="argument 'cmd'"):
        check_names([one("deny", "shell", arguments={"cmd": "*"})], tools)
    check_names([one("deny", "no_such_*"), one("deny", "answer")], tools)


def test_an_observation_of_before_is_read_with_its_origin() -> None:
    assert Observation().origin == "own"
