"""No secret of a run gets into its events, its prompts or its exports; files and programs still get the real value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_world import FINISH, Make, act, chat, events, observations, subtask, text_of

from wornpath import AutoGPT
from wornpath.core import Action
from wornpath.llm import ScriptedChat
from wornpath.store import to_atif, to_messages
from wornpath.tools import tool

KEY = "sk-proj-" + "a1B2" * 8
WORD = "correcthorse"


def everything(agent: AutoGPT) -> str:
    """All that is kept of a run, and all that the model was told."""
    stored = [json.dumps(event.as_dict(), ensure_ascii=False) for event in agent.store.events(agent.run_id)]
    exported = [
        json.dumps(to_atif(agent.store, agent.run_id)),
        *map(json.dumps, to_messages(agent.store, agent.run_id)),
    ]
    assert isinstance(agent.model, ScriptedChat)
    told = [call.prompt for call in agent.model.calls]
    return "\n".join([*stored, *exported, *told])


def test_what_a_file_holds_stays_there(make: Make, work: Path) -> None:
    (work / ".env").write_text(f"API_KEY={KEY}\nDB_PASSWORD={WORD}\nAPP_NAME=orders\n")
    (work / "config.py").write_text(f'key = "{KEY}"\nurl = "postgres://app:{WORD}@db/orders"\n')
    actions = [act("read_file", path=".env"), act("read_file", path="config.py"), act("python"), FINISH]
    code = "print(open('.env').read(), open('config.py').read())"
    agent = make(plan=[subtask(f"Check that {KEY} is in config.py", "read")], actions=actions, texts=[code])
    agent.run()
    kept = everything(agent)
    assert KEY not in kept and WORD not in kept
    assert "[secret" in kept and "orders" in kept
    assert [seen.get("result", "ok") for seen in observations(agent)[:3]] == ["ok", "ok", "ok"]


def test_a_goal_with_a_key_in_it_is_told_without(make: Make) -> None:
    agent = make(f"Write the key {KEY} into key.txt", plan=[subtask("x", "read")], actions=[FINISH])
    agent.run()
    assert KEY not in everything(agent)
    assert "[secret" in events(agent, "goal.set")[0].data["goal"]["text"]


def test_a_mark_that_is_written_into_a_file_is_the_value_there(make: Make, work: Path) -> None:
    (work / "config.py").write_text(f'key = "{KEY}"\ndebug = True\n')
    agent = make()
    shown = agent.call_tool(Action.of("read_file", path="config.py"))
    assert KEY in shown.text  # the caller in the process is the user
    mark = text_of(observations(agent)[0]).split('"')[1]
    assert mark.startswith("[secret ")
    agent.call_tool(
        Action.of("edit_file", path="config.py", old=f'"{mark}"\ndebug = True', new=f'"{mark}"\ndebug = False')
    )
    assert (work / "config.py").read_text() == f'key = "{KEY}"\ndebug = False\n'
    agent.call_tool(Action.of("python", code=f"open('copy.py', 'w').write('''{mark}''')"))
    assert (work / "copy.py").read_text() == KEY
    assert KEY not in everything(agent)
    agent.close()


def test_a_mark_never_leaves_the_machine_and_an_unknown_one_is_no_value(make: Make, work: Path) -> None:
    sent: list[str] = []

    @tool(risk="send")
    def mail(to: str, body: str) -> str:
        """Send a mail."""
        sent.append(body)
        return "sent"

    (work / "key.txt").write_text(KEY)
    rules = work.parent / "rules.toml"
    rules.write_text('[[rule]]\neffect = "allow"\ntool = "mail"\nuntrusted = true\n')
    agent = make(tools=[mail], rules=rules)
    agent.call_tool(Action.of("read_file", path="key.txt"))
    mark = text_of(observations(agent)[0])
    refused = agent.call_tool(Action.of("mail", to="a@example.com", body=f"the key is {mark}"))
    assert refused.result == "error" and not sent and "may not be given a secret" in refused.text
    unknown = agent.call_tool(Action.of("write_file", path="new.txt", content="[secret 000000]"))
    assert unknown.result == "error" and not (work / "new.txt").exists()
    agent.close()


def test_a_key_of_the_environment_is_known_wherever_it_stands(
    make: Make, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "plain-looking-value-7"
    monkeypatch.setenv("SOME_SERVICE_TOKEN", value)
    (work / "log.txt").write_text(f"called with {value} twice\n")
    agent = make(plan=[subtask("Read it", "read")], actions=[act("read_file", path="log.txt"), FINISH])
    agent.run()
    assert value not in everything(agent) and "called with [secret" in everything(agent)


def test_after_a_resume_the_file_is_read_again(make: Make, work: Path) -> None:
    (work / "config.py").write_text(f'key = "{KEY}"\n')
    agent = make()
    agent.call_tool(Action.of("read_file", path="config.py"))
    mark = text_of(observations(agent)[0]).split('"')[1]
    agent.close()
    with AutoGPT.resume(agent.run_id, store=agent.store, model=chat()) as again:
        seen = again.call_tool(Action.of("write_file", path="b.py", content=mark))
        assert seen.result == "error" and "not known any more" in seen.text and not (work / "b.py").exists()
        again.call_tool(Action.of("read_file", path="config.py"))
        mark = text_of(observations(agent)[-1]).split('"')[1]
        again.call_tool(Action.of("write_file", path="b.py", content=mark))
        assert (work / "b.py").read_text() == KEY


PASSWORD = "s3cr3tHorse99"


@pytest.mark.parametrize(
    "code",
    [
        "print(word)",
        "import base64; print(base64.b64encode(word.encode()).decode())",
        "import base64; print(base64.urlsafe_b64encode(b'x' + word.encode() + b'yz').decode())",
        "import base64; print(base64.b64encode(b'xy' + word.encode()).decode())",
        "print(word.encode().hex())",
        "print(word[::-1])",
        "import urllib.parse; print('https://x.example/?q=' + urllib.parse.quote(word))",
        "raise ValueError(f'cannot log in with {word}')",
    ],
)
@pytest.mark.parametrize("file", [".env", "settings.ini"])
def test_a_program_cannot_say_a_secret_in_another_form(make: Make, work: Path, file: str, code: str) -> None:
    """By itself, encoded, or in an error: whether it was known from the start or was met in a file."""
    (work / file).write_text(f'DB_PASSWORD="{PASSWORD}"\n')
    prints = f"word = open('{file}').read().split('=')[1].strip().strip(chr(34))\n{code}"
    agent = make(
        plan=[subtask("Look", "compute")], actions=[act("read_file", path=file), act("python"), FINISH], texts=[prints]
    )
    agent.run()
    import base64

    raw = PASSWORD.encode()
    kept = everything(agent)
    assert "[secret" in text_of(observations(agent)[1])
    written = [base64.b64encode(b"x" * n + raw)[4:-4].decode() for n in range(3)]
    for form in (PASSWORD, PASSWORD[::-1], raw.hex(), *written):
        assert form not in kept, form
