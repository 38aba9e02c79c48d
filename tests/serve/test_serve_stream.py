"""The one stream: in order, nothing twice, nothing lost, whoever writes and however slow the reader is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_world import PATIENCE, World, sse

from wornpath.serve import feed as feeds
from wornpath.serve.feed import Feed
from wornpath.store import SqliteStore


def said(store: SqliteStore, run: str, n: int, text: str = "x") -> None:
    store.append_many(run, [("person.said", {"kind": "comment", "text": f"{text}{i}"}, 0) for i in range(n)])


def events_of(data: bytes) -> list[dict[str, Any]]:
    found = sse(iter(data.decode().split("\n")))
    return [json.loads(event["data"]) for event in found if event.get("event") == "event"]


async def taken(frames: AsyncIterator[bytes], n: int) -> list[dict[str, Any]]:
    """The next N events of FRAMES."""
    found: list[dict[str, Any]] = []
    while len(found) < n:
        found += events_of(await anext(frames))
    return found


@contextlib.asynccontextmanager
async def following(root: Path) -> AsyncIterator[tuple[SqliteStore, Feed]]:
    with SqliteStore(root) as store, SqliteStore(root) as reader:
        store.last_seq()
        feed = Feed(reader)
        feed.start()
        try:
            yield store, feed
        finally:
            await feed.close()


async def test_every_event_once_and_in_order_however_small_the_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "RING_FRAMES", 8)
    async with following(tmp_path) as (store, feed):
        said(store, "a", 100)
        early = feed.frames(after=0)
        assert [e["seq"] for e in await taken(early, 50)] == list(range(1, 65))  # a page of the store
        said(store, "b", 100)  # far more than the ring holds, while the reader looks away
        feed.wake()
        rest = await taken(early, 136)
        assert [e["seq"] for e in rest] == list(range(65, 201))
        only_b = feed.frames("b", after=0)
        assert {e["run_id"] for e in await taken(only_b, 100)} == {"b"}
        said(store, "a", 1)
        said(store, "b", 1)
        feed.wake()
        assert [e["seq"] for e in await taken(early, 2)] == [201, 202]
        assert [e["seq"] for e in await taken(only_b, 1)] == [202]


async def test_a_reader_without_a_place_begins_now(tmp_path: Path) -> None:
    async with following(tmp_path) as (store, feed):
        said(store, "a", 5)
        feed.wake()
        assert [e["seq"] for e in await taken(feed.frames(after=4), 1)] == [5]
        late = feed.frames()
        assert await anext(late) == b"retry: 1000\n\n"
        said(store, "a", 1)
        feed.wake()
        assert [e["seq"] for e in await taken(late, 1)] == [6]


async def test_text_is_heard_between_the_events_it_was_written_between(tmp_path: Path) -> None:
    async with following(tmp_path) as (store, feed):
        said(store, "a", 1)
        feed.wake()
        one, everything = feed.frames("a", after=1), feed.frames(after=1)
        await anext(one)
        await anext(everything)
        for word in ("It ", "is ", "so."):
            feed.text("a", "argument", word, 1)
        said(store, "a", 1)
        said(store, "b", 1)
        feed.text("a", "answer", "Done.", 2)
        feed.wake()
        for frames, wanted in ((one, 3), (everything, 4)):
            found: list[dict[str, str]] = []
            while len(found) < wanted:
                found += [event for event in sse(iter((await anext(frames)).decode().split("\n"))) if "event" in event]
            told = [json.loads(event["data"]) for event in found]
            assert [each.get("text") or each["seq"] for each in told] == [
                "It is so.",
                2,
                *([3] if wanted == 4 else []),
                "Done.",
            ]


async def test_what_another_process_writes_is_found(tmp_path: Path) -> None:
    async with following(tmp_path) as (_, feed):
        with SqliteStore(tmp_path) as other:  # which wakes nobody
            said(other, "a", 3)
        assert [e["seq"] for e in await taken(feed.frames(after=0), 3)] == [1, 2, 3]


async def test_a_reader_that_takes_nothing_holds_nothing(tmp_path: Path) -> None:
    async with following(tmp_path) as (store, feed):
        slow = feed.frames(after=0)
        await anext(slow)
        for _ in range(40):
            said(store, "a", 500, "x" * 2000)
            feed.wake()
            await taken(feed.frames(after=feed.head), 0)
            await asyncio.to_thread(int)  # lets the feed have its turn
        while feed.head < 20_000:
            await asyncio.to_thread(int)
        assert len(feed._frames) <= feeds.RING_FRAMES
        assert sum(len(f.data) for f in feed._frames) <= feeds.RING_BYTES
        assert [e["seq"] for e in await taken(slow, 20_000)] == list(range(1, 20_001))


async def test_a_heartbeat_where_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "HEARTBEAT_SECONDS", 0.01)
    async with following(tmp_path) as (_, feed):
        frames = feed.frames()
        await anext(frames)
        assert await anext(frames) == b": still here\n\n"


async def test_the_end_tells_what_is_left(tmp_path: Path) -> None:
    async with following(tmp_path) as (store, feed):
        frames = feed.frames(after=0)
        await anext(frames)
        said(store, "a", 2)
        await feed.close()
        assert b"".join([data async for data in frames]).count(b"event: event") == 2


@given(st.text(max_size=200))
def test_any_text_makes_the_round_trip(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, SqliteStore(folder) as store:
        event = store.append("a", "person.said", {"kind": "comment", "text": text})
        ((seq, run_id, type, line),) = store.event_texts()
        assert (seq, run_id, type) == (1, "a", "person.said")
        assert json.loads(line) == event.as_dict()
        assert "\n" not in line and "\r" not in line
        (read,) = events_of(feeds.event_frame(seq, line))
        assert read == event.as_dict()


def test_a_reader_comes_back_and_misses_nothing(world: World) -> None:
    run = world.hand_in("write a.txt then write b.txt then write c.txt")
    seen: list[int] = []
    over = False
    while not over:
        headers = {"last-event-id": str(seen[-1] if seen else 0)}
        with world.http.stream("GET", "/api/v1/events", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for event in _events(answer.iter_lines()):
                seen.append(int(event["id"]))
                data = json.loads(event["data"])
                assert data["seq"] == seen[-1]
                over = data["type"] == "run.finished"
                if over or len(seen) % 3 == 0:
                    break  # the connection is dropped
    assert seen == [e["seq"] for e in world.get(f"/runs/{run}/events")["events"]]


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    return (event for event in sse(lines) if event.get("event") == "event")


def test_the_queue_and_the_text_pass_by(world: World) -> None:
    with world.http.stream("GET", "/api/v1/events") as answer:
        lines = answer.iter_lines()
        next(lines)
        run = world.hand_in("write a.txt")
        kinds: dict[str, list[dict[str, Any]]] = {}
        for event in sse(lines):
            if "event" in event:
                kinds.setdefault(event["event"], []).append(json.loads(event["data"]))
            if kinds.get("run") and kinds["run"][-1]["status"] == "unverified":
                break
    assert kinds["text"] == [{"run_id": run, "purpose": "argument", "text": "Some text.\n"}]
    assert [row["status"] for row in kinds["run"]] == ["running", "unverified"]


def test_a_stopping_server_ends_its_streams(tmp_path: Path) -> None:
    with World(tmp_path) as world, world.http.stream("GET", "/api/v1/events") as answer:
        chunks = answer.iter_raw()
        next(chunks)
        world._server.should_exit = True
        list(chunks)  # comes to an end
        world._thread.join(PATIENCE)
        assert not world._thread.is_alive()
