"""What the agent costs besides the model: CPU a step, import, memory a live agent. Prints one JSON object, on the last line.

    python benchmarks/overhead.py [--runs 5] [--only steps,policy,start,memory]

A server in a process of its own answers Chat Completions at once; only the client's CPU counts (user and system, all its threads).
Our side is the whole agent as a program would use it: `AutoGPT` with `OpenAIChat`, three candidates a step, events in the store, 50 steps
of a tool that only reads. Beside it, what nobody can go below: 50 calls with the growing history of a plain agent, made with httpx2
and with the openai SDK. Every figure is the median of RUNS, which are listed as `..._runs`; each part runs in processes of its own.
`mib_per_live_agent` is what 100 agents add to a process that has run one, measured while all of them are in their 50th step.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wornpath import AutoGPT
    from wornpath.core import Event
    from wornpath.store import SqliteStore

STEPS, AGENTS = 50, 100
OUTPUTS = ("north.txt", "east.txt", "south.txt", "west.txt", "middle.txt")
GOAL = f"Look at the numbers and tell what they say in {', '.join(OUTPUTS)}"
SYSTEM = "You are a careful agent. Choose the next tool call. Answer with one JSON object. " * 12
RESULT = "The number {number} is in the list, with {number} entries, all of them as they should be. " * 2

# -- the server ------------------------------------------------------------------------------------


def answer(body: dict[str, Any]) -> list[str]:
    """The completions of a model that looks at one number after another and never writes what the plan expects, so a run goes on to its
    limit of steps, over subtasks that are given up and plans made anew."""
    system = body["messages"][0]["content"]
    if system.startswith("You plan"):
        subtasks = [{"do": f"Tell about {name}", "kind": "other", "output": name, "has": []} for name in OUTPUTS]
        return [json.dumps({"subtasks": subtasks})]
    if "Choose the next tool call" not in system:
        return ['{"reason": "nothing was written", "met": false}'] * body.get("n", 1)
    text = body["messages"][-1]["content"]
    seen = max(map(int, re.findall(r"The number (\d+)", text)), default=-1)
    numbers = [seen + 1, seen + 1, seen + 1000, *range(seen + 2000, seen + 2010)][: body.get("n", 1)]
    return [f'{{"tool":"look","arguments":{{"number":{number}}}}}' for number in numbers]


def completion(body: dict[str, Any]) -> bytes:
    tokens = [{"token": "xx", "logprob": -0.05, "bytes": [120, 120], "top_logprobs": []}] * 14
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
            "logprobs": {"content": tokens} if body.get("logprobs") else None,
        }
        for index, text in enumerate(answer(body))
    ]
    usage = {"prompt_tokens": 600, "completion_tokens": 42, "total_tokens": 642}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "mock", "choices": choices, "usage": usage}
    return json.dumps(whole).encode()


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = int(re.search(rb"content-length: (\d+)", self.buffer[:end].lower())[1])  # type: ignore[index]
            if len(self.buffer) < end + 4 + length:
                return
            raw, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
            out = completion(json.loads(raw))
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(out)}\r\n\r\n"
            self.transport.write(head.encode() + out)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


# -- the clients -----------------------------------------------------------------------------------


async def plain_episode(
    post: Callable[[list[dict[str, Any]]], Awaitable[str]], at_end: Callable[[], Awaitable[None]] | None = None
) -> list[float]:
    """An agent with nothing around it: a growing history, one call a step. Returns the process's CPU seconds after every step."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": GOAL}]
    marks = [time.process_time()]
    for step in range(STEPS):
        text = await post(messages)
        action = json.loads(text)
        if step == STEPS - 1 and at_end is not None:
            await at_end()
        messages.append({"role": "assistant", "content": text})
        messages.append({"role": "user", "content": RESULT.format(number=action["arguments"]["number"])})
        marks.append(time.process_time())
    return marks


def httpx2_post(base_url: str) -> Callable[[list[dict[str, Any]]], Awaitable[str]]:
    import httpx2

    client = httpx2.AsyncClient(trust_env=False, timeout=120, verify=False)

    async def post(messages: list[dict[str, Any]]) -> str:
        answer = await client.post(f"{base_url}/chat/completions", json={"model": "mock", "messages": messages})
        return str(answer.json()["choices"][0]["message"]["content"])

    return post


def openai_post(base_url: str) -> Callable[[list[dict[str, Any]]], Awaitable[str]]:
    import httpx2
    from openai import AsyncOpenAI

    http = httpx2.AsyncClient(trust_env=False, timeout=120, verify=False)
    client = AsyncOpenAI(base_url=base_url, api_key="none", http_client=http)

    async def post(messages: list[Any]) -> str:
        answer = await client.chat.completions.create(model="mock", messages=messages)
        return str(answer.choices[0].message.content)

    return post


def an_agent(base_url: str, folder: Path, **options: Any) -> AutoGPT:
    from wornpath import AutoGPT, tool
    from wornpath.guard import Limits
    from wornpath.llm import OpenAIChat

    at_end = options.pop("at_end", None)

    async def look(number: int) -> str:
        """Look at a number."""
        if number == STEPS - 1 and at_end is not None:
            await at_end()
        return RESULT.format(number=number)

    folder.mkdir(exist_ok=True)
    model = OpenAIChat("mock", base_url=base_url, api_key="none")
    return AutoGPT(GOAL, workspace=folder, model=model, tools=[tool(look)], limits=Limits(max_steps=STEPS), **options)


async def agent_episode(base_url: str, folder: Path) -> list[float]:
    """One run. Returns the process's CPU seconds when the plan was made and after every step, and before and after it all."""
    marks: list[float] = []

    def mark(event: Event) -> None:
        if event.type == "plan.made" or (event.type == "evaluation.made" and event.data["scope"] == "step"):
            marks.append(time.process_time())

    before = time.process_time()
    episode = await an_agent(base_url, folder, on_event=mark).arun()
    if episode.result.steps != STEPS or len(marks) != STEPS + 1:
        raise SystemExit(f"the episode went another way: {episode.result}")
    return [*marks, before, time.process_time()]


# -- the measurements, each in a process of its own ------------------------------------------------


def spread(name: str, values: Sequence[float]) -> dict[str, Any]:
    return {name: round(statistics.median(values), 4), f"{name}_runs": [round(v, 4) for v in values]}


async def measure_steps(side: str, base_url: str, runs: int, folder: Path) -> dict[str, Any]:
    whole, first, last, all_of_it = [], [], [], []
    for number in range(runs + 1):
        if side == "ours":
            *marks, before, after = await agent_episode(base_url, folder / "work")
        else:
            marks = await plain_episode((httpx2_post if side == "raw_httpx2" else openai_post)(base_url))
            before, after = marks[0], marks[-1]
        if number == 0:  # imports, the first connection, the tables of the store
            continue
        whole.append((marks[-1] - marks[0]) / STEPS * 1e3)
        first.append((marks[10] - marks[0]) / 10 * 1e3)
        last.append((marks[50] - marks[40]) / 10 * 1e3)
        all_of_it.append((after - before) / STEPS * 1e3)
    out = spread("cpu_ms_per_llm_step", whole)
    out |= spread("cpu_ms_steps_1_to_10", first) | spread("cpu_ms_steps_41_to_50", last)
    if side == "ours":  # with the plan, the answer, the judge, the beginning and the end, shared out over the steps
        out |= spread("cpu_ms_whole_run_per_step", all_of_it)
    return out


def fill(store: SqliteStore, transitions: int) -> None:
    """Put earlier experience of so many TRANSITIONS into STORE, in the shape that runs leave it."""
    from wornpath.core import Action, Candidate, Decision, Evaluation, Goal, Observation, Result, State, to_json

    for run in range(transitions // STEPS):
        events: list[tuple[Any, dict[str, Any], int]] = [
            ("run.started", {"model": "mock", "policy_version": "prior"}, 0),
            ("goal.set", {"goal": to_json(Goal(f"{GOAL} ({run})"))}, 0),
        ]
        for step in range(1, STEPS + 1):
            made = tuple(Candidate(Action.of("look", number=step + n), "llm", 0.25) for n in range(4))
            decision = Decision(State(f"Step {step}.\n" * 40, {"step_bucket": 3}), made, 0, (0.25,) * 4, (True,) * 4)
            events.append(("action.decided", {"decision": to_json(decision)}, step))
            events.append(
                ("action.started", {"id": f"{step}", "action": to_json(made[0].action), "risk": "read"}, step)
            )
            events.append(("action.finished", {"id": f"{step}", "observation": to_json(Observation.of("ok"))}, step))
            events.append(("evaluation.made", {"scope": "step", "evaluation": to_json(Evaluation(-0.01))}, step))
        events.append(("run.finished", {"result": Result(f"earlier-{run}", "met", steps=STEPS).as_dict()}, STEPS))
        store.append_many(f"earlier-{run}", events)


async def measure_policy(base_url: str, runs: int, folder: Path) -> dict[str, Any]:
    """Steps without a model call: observe, list and mask the candidates, choose, record, call the tool, evaluate."""
    from wornpath.core import Action, Candidate, to_json
    from wornpath.store import SqliteStore

    store = SqliteStore(folder / "experience")
    fill(store, 1000)
    choice, whole = [], []
    for number in range(runs + 1):
        agent = an_agent(base_url, folder / "work", store=store)
        await agent.aplan()
        actor = agent._begin()
        session, rng = actor.session, random.Random(0)
        before, chosen = time.process_time(), 0.0
        for step in range(STEPS):
            state, offer = actor.observe(), actor.chooser.offer()
            known = [Candidate(Action.of("look", number=step), "recalled", 0.7)]
            candidates = actor.chooser.proposer.complete(known, session.tracker, offer)
            mask = actor.chooser._mask(candidates)
            began = time.process_time()
            decision = actor.chooser.policy.decide(state, candidates, mask, rng=rng)
            chosen += time.process_time() - began
            session.record("action.decided", {"decision": to_json(decision), "skipped": True})
            actor.evaluate(await actor.caller.call(decision.action))
        spent = time.process_time() - before
        agent.store.append(agent.run_id, "run.paused", {"reason": "measured"})
        if number:
            choice.append(chosen / STEPS * 1e3)
            whole.append(spent / STEPS * 1e3)
    store.close()
    return spread("cpu_ms_per_policy_step", whole) | spread("cpu_ms_per_policy_choice", choice)


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure_memory(side: str, base_url: str, folder: Path) -> float:
    """MiB that each of 100 agents adds, all of them in their last step."""
    waiting, release = 0, asyncio.Event()

    async def at_end() -> None:
        nonlocal waiting
        waiting += 1
        await release.wait()

    def start(number: int, end: Callable[[], Awaitable[None]] | None = at_end) -> Awaitable[Any]:
        if side == "ours":
            return an_agent(base_url, folder / f"work{number}", at_end=end).arun()
        return plain_episode(httpx2_post(base_url), end)

    await start(AGENTS, None)
    before = resident()
    tasks = [asyncio.ensure_future(start(number)) for number in range(AGENTS)]
    while waiting < AGENTS:
        await asyncio.sleep(0.05)
        if failed := [task for task in tasks if task.done()]:
            raise SystemExit(f"an agent ended before its last step: {failed[0]}")
    grown = resident() - before
    release.set()
    await asyncio.gather(*tasks)
    return grown / AGENTS / 2**20


# -- processes -------------------------------------------------------------------------------------


def child(*arguments: str, **environment: str) -> tuple[str, float]:
    """What `python ARGUMENTS` printed, and its CPU seconds."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return text, usage.ru_utime + usage.ru_stime


def measure_start(runs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """CPU seconds and MiB of imports, over those of Python itself; ours, and the openai package's."""
    imports = {
        "bare": "pass",
        "import": "import wornpath",
        "import_agent": "from wornpath import AutoGPT",
        "import_client": "from wornpath import AutoGPT; from wornpath.llm import OpenAIChat; import openai",
        "openai": "import openai",
    }
    pages = "print(open('/proc/self/statm').read().split()[1])"
    cpu: dict[str, list[float]] = {name: [] for name in (*imports, "help")}
    size: dict[str, list[float]] = {name: [] for name in imports}
    for number in range(runs + 1):  # by turns, so that a busy minute of the machine hits all alike
        for name, program in imports.items():
            text, seconds = child("-c", f"{program}; {pages}")
            if number:
                cpu[name].append(seconds)
                size[name].append(int(text) * os.sysconf("SC_PAGE_SIZE") / 2**20)
        cpu["help"] += [child("-m", "wornpath", "--help")[1]] if number else []
    bare, bare_size = statistics.median(cpu["bare"]), statistics.median(size["bare"])

    def over(name: str, title: str) -> dict[str, Any]:
        extra = spread(f"{title}_cpu_s", [value - bare for value in cpu[name]])
        return extra | spread(f"{title}_mib", [value - bare_size for value in size[name]])

    ours = {
        **over("import", "import"),
        **over("import_agent", "import_agent"),
        **over("import_client", "import_client"),
    }
    return ours | spread("help_cpu_s", cpu["help"]), over("openai", "import")


def part(*arguments: str) -> Any:
    """One measurement in a process of its own, with a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        text, _ = child(__file__, "--part", *arguments, "--home", home, WORNPATH_HOME=home)
    return json.loads(text.splitlines()[-1])


def run_part(arguments: Sequence[str], home: Path) -> Any:
    what, side, base_url, runs = arguments
    if what == "steps":
        return asyncio.run(measure_steps(side, base_url, int(runs), home))
    if what == "policy":
        return asyncio.run(measure_policy(base_url, int(runs), home))
    return asyncio.run(measure_memory(side, base_url, home))


def main() -> None:
    os.environ["WORNPATH_AFTER_RUN"] = "off"  # no learner beside what is measured
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of everything (default 5)")
    parser.add_argument("--only", default="steps,policy,start,memory", metavar="LIST", help="which measurements")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
    elif options.part:
        print(json.dumps(run_part(options.part, options.home)))
    else:
        server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            print(json.dumps(figures(server.stdout.readline().strip(), options.runs, options.only.split(","))))
        finally:
            server.terminate()
            server.wait()


def figures(base_url: str, runs: int, wanted: Sequence[str]) -> dict[str, Any]:
    out: dict[str, dict[str, Any]] = {"ours": {}, "raw_httpx2": {}, "raw_openai_sdk": {}}
    many = str(runs)
    if "steps" in wanted:
        for side, found in out.items():
            found |= part("steps", side, base_url, many)
    if "policy" in wanted:
        out["ours"] |= part("policy", "ours", base_url, many)
    if "start" in wanted:
        ours, theirs = measure_start(runs)
        out["ours"] |= ours
        out["raw_openai_sdk"] |= theirs
    if "memory" in wanted:
        for side in ("ours", "raw_httpx2"):
            out[side] |= spread("mib_per_live_agent", [part("memory", side, base_url, "1") for _ in range(runs)])
    return {**out, "python": sys.version.split()[0], "load": os.getloadavg()[0]}


if __name__ == "__main__":
    main()
