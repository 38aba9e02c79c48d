"""Rules: which fit, which has the last word, what an answer becomes, and files of them that are right or wrong."""

from __future__ import annotations

import posixpath
import re
import tempfile
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


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize("said", ["jos\u00e9@a.example", "jose\u0301@a.example"])
def test_a_rule_fits_however_the_text_is_composed(effect: Any, said: str) -> None:
    for pattern in ("jos\u00e9@a.example", "jose\u0301@a.example"):
        assert fits(one(effect, "mail", arguments={"to": pattern}), mail, Action.of("mail", to=[said], body=""))


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
    assert words("shell", command="wc -l a.txt") == "allow shell(command=wc *)"
    assert words("shell", command="ls") == "allow shell(command=ls)"
    assert words("write_file", path="a/b.md", content="x") == "allow write_file(path=a/*.md)"
    for literal in (
        "! grep -q x f.txt",
        '"bash" -c "ls"',
        "'python3' -c 1",
        "> out.txt ls",
        "ls>out.txt x",
        "$SHELL -c ls",
        "~/bin/x a",
        "A=1 ls -l",
        "\\bash -c ls",
        "npx prettier .",
        "bunx x",
        "uvx x",
        "pypy3 a.py",
        "/usr/bin/pypy3.10 a.py",
        "pipx run x",
        "docker run x",
        "podman run x",
        "java -jar x",
        "Rscript a.R",
        "python3.11 a.py",
        "sed -n 1p a",
        "coproc ls -l",
        "git status",
        "rg x",
        "sqlite3 a.db .tables",
    ):
        assert like("allow", TOOLS["shell"], shell(literal), "run", "").arguments == {
            "command": literal.replace("\\", "\\\\")
        }
    with pytest.raises(ToolError, match="several values"):
        like("allow", mail, Action.of("mail", to=["a", "b"], body="x"), "run", "")


starts = st.lists(st.sampled_from([*"!<>\"'$~=*?\\ .-", "bash", "npx", "ls", "./run"]), min_size=1, max_size=4).map(
    "".join
)


@given(starts, starts)
def test_leave_for_a_command_is_leave_for_no_other_program(first: str, second: str) -> None:
    rule = like("allow", TOOLS["shell"], shell(f"{first} a"), "run", "")
    other = f"{second} -c 'rm -rf x'"
    if fits(rule, TOOLS["shell"], shell(other)):
        program = second.split()[0]
        assert program == first.split()[0] and re.fullmatch(r"[\w./-]+", program) and program not in ("bash", "npx")


# -- folders: what is in them goes with them ---------------------------------------------------------


@pytest.fixture
def work(tmp_path: Path) -> str:
    for path in ("keep/a", "top/keep/a", "top/b.key", "new/x", "b"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "empty").mkdir()
    return str(tmp_path)


def ruled(work: str, effect: Any, patterns: dict[str, str], name: str, **arguments: Any) -> bool:
    """Whether, beside an allowance, a rule of EFFECT about PATTERNS decides on the action."""
    action = Action.of(name, **TOOLS[name].canonical(arguments))
    found = deciding([one("allow", name), one(effect, name, arguments=patterns)], TOOLS[name], action, work)
    return found is not None and found.effect == effect


@pytest.mark.parametrize("effect", ["deny", "ask"])
def test_a_folder_is_not_deleted_with_what_may_not_be(work: str, effect: Any) -> None:
    def gone(pattern: str, path: str, recursive: bool = True) -> bool:
        return ruled(work, effect, {"path": pattern}, "delete_file", path=path, recursive=recursive)

    assert gone("keep/**", "keep/a") and gone("keep/**", "keep") and gone("keep/*", "keep/") and gone("KEEP/A", "keep")
    assert gone("top/keep/**", "top") and gone("*.key", "top") and gone("**/keep/a", "top")
    assert not gone("keep/**", "top") and not gone("*.key", "keep") and not gone("keep/**", "b")
    assert not gone("empty/**", "empty") and not gone("keep/**", "keep", recursive=False)


@pytest.mark.parametrize("effect", ["deny", "ask"])
@pytest.mark.parametrize("name", ["move_file", "copy_file"])
def test_what_may_not_be_moved_does_not_go_with_its_folder(work: str, effect: Any, name: str) -> None:
    def goes(patterns: dict[str, str], source: str, destination: str) -> bool:
        return ruled(work, effect, patterns, name, source=source, destination=destination)

    assert goes({"source": "keep/**"}, "keep", "x") and goes({"source": "top/keep/a"}, "top", "x")
    assert not goes({"source": "keep/**"}, "top", "x")
    for destination in ("keep/b", "keep/", "keep", "top/../keep"):
        assert goes({"destination": "keep/**"}, "b", destination)
    assert goes({"destination": "safe/**"}, "new", "safe"), "the folder brings its files along"
    assert goes({"destination": "safe/**"}, "b", "safe/") and goes({"destination": "safe/**"}, "new", "safe/")
    assert not goes({"destination": "keep/**"}, "b", "x.txt")
    assert goes({"source": "*.key", "destination": "out/*"}, "top", "out")
    assert not goes({"source": "*.key", "destination": "out/*"}, "new", "out")


def test_a_folder_that_cannot_be_looked_into_may_hold_what_a_denial_names(work: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("wornpath.guard.rules.MAX_PARTS", 0)
    for pattern, fitting in (
        ("top/keep/**", True),
        ("*.key", True),
        ("top/b.ke?", True),
        ("keep/**", False),
        ("top", True),
    ):
        assert ruled(work, "deny", {"path": pattern}, "delete_file", path="top", recursive=True) == fitting
    assert ruled(work, "deny", {"destination": "safe/x"}, "move_file", source="new", destination="safe")
    assert not ruled(work, "deny", {"path": "top\\*"}, "delete_file", path="top", recursive=True)


@given(st.text("ab/*?.", min_size=1, max_size=8), st.text("ab/.", max_size=6), st.text("ab/.", min_size=1, max_size=4))
def test_what_fits_something_in_a_folder_could_fit_it(pattern: str, folder: str, name: str) -> None:
    denial, path = one("deny", arguments={"path": pattern}), posixpath.normpath(f"{folder}/{name}".lstrip("/"))
    above = posixpath.dirname(path)
    if fits(denial, TOOLS["delete_file"], Action.of("delete_file", path=path)):
        assert fits(denial, TOOLS["delete_file"], Action.of("delete_file", path=posixpath.join(above, "\0")))


@given(
    st.sampled_from(["keep", "top", "new", "empty", "b"]), st.sampled_from(["*", "**/a", "keep/*", "top/**", "*.key"])
)
def test_a_folder_goes_only_if_each_thing_in_it_might(path: str, pattern: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        for name in ("keep/a", "top/keep/a", "top/b.key", "new/x", "empty/none/"):
            (Path(place) / name).parent.mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                (Path(place) / name).touch()
        below = [f.relative_to(place).as_posix() for f in (Path(place) / path).rglob("*")]
        each = [ruled(place, "deny", {"path": pattern}, "delete_file", path=p) for p in [path, *below]]
        assert ruled(place, "deny", {"path": pattern}, "delete_file", path=path, recursive=True) == any(each)


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
