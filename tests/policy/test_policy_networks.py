"""Acting in numpy is training in PyTorch: the same scores from the same weights, for every head, kind and branch."""

from __future__ import annotations

import numpy as np
import pytest

from wornpath.core import UsageError
from wornpath.policy.network import HEADS, Network, Spec

torch = pytest.importorskip("torch")


def ragged(rng: np.random.Generator, spec: Spec, sizes: list[int]) -> list[object]:
    from wornpath.learn.inputs import Inputs

    out = []
    for n in sizes:
        bags = (
            tuple(tuple(rng.integers(1, spec.buckets, rng.integers(1, 9)).tolist()) for _ in range(n))
            if spec.buckets
            else None
        )
        rows = rng.standard_normal((n, spec.inputs)).astype(np.float32)
        out.append(Inputs(rows, np.full(n, -np.log(n), dtype=np.float32), np.ones(n, dtype=np.float32), bags))
    return out


@pytest.mark.parametrize("buckets", [0, 512])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("sizes", [[1, 16, 3], [4, 4, 4]])
def test_numpy_equals_torch_on_ragged_lists(buckets: int, activation: str, sizes: list[int]) -> None:
    from wornpath.learn.inputs import pack
    from wornpath.learn.networks import TrainableNetwork

    rng = np.random.default_rng(1)
    spec = Spec(inputs=35, hidden=(64, 64), activation=activation, heads=HEADS, buckets=buckets)  # type: ignore[arg-type]
    trained = TrainableNetwork(spec, rng)
    acting = trained.view()
    lists = ragged(rng, spec, sizes)
    for head in HEADS:
        theirs = trained.scores(head, pack(lists, spec)).detach()
        if head == "success":
            theirs = torch.sigmoid(theirs)
        for i, one in enumerate(lists):
            ours = acting.scores(head, one.rows, one.grams)
            want = theirs[i : i + 1] if head == "value" else theirs[i, : sizes[i]]
            assert np.abs(ours - want.numpy()).max() < 1e-5


def test_a_view_follows_training_and_a_snapshot_does_not() -> None:
    from wornpath.learn.networks import TrainableNetwork

    spec = Spec("vector", 4, 2, (8,), heads=("q",))
    trained = TrainableNetwork(spec, np.random.default_rng(0))
    view, snapshot, x = trained.view(), trained.snapshot(), np.ones(4, dtype=np.float32)
    before = view.scores("q", x).copy()
    with torch.no_grad():
        trained.get_parameter("q.1.bias").add_(1.0)
    assert np.allclose(view.scores("q", x), before + 1)
    assert np.allclose(snapshot.scores("q", x), before)


def test_weights_of_another_shape_are_refused() -> None:
    spec = Spec(inputs=3, hidden=(2,), heads=("q",))
    good = {name: np.zeros(shape, dtype=np.float32) for name, shape in spec.shapes().items()}
    Network(spec, good)
    with pytest.raises(UsageError, match=r"q\.0\.weight"):
        Network(spec, {**good, "q.0.weight": np.zeros((2, 4), dtype=np.float32)})
    with pytest.raises(UsageError, match="do not fit"):
        Network(spec, {k: v for k, v in good.items() if k != "q.1.bias"})


def test_the_live_agent_s_candidates_get_the_same_scores_in_both() -> None:
    from wornpath.core import Action, Candidate, Entity, State
    from wornpath.learn.inputs import Inputs, pack
    from wornpath.learn.networks import TrainableNetwork
    from wornpath.policy import live
    from wornpath.policy.learnt import LearntPolicy

    spec = Spec(inputs=live.WIDTH, hidden=(64, 64), heads=("q", "success"), view="live")
    trained = TrainableNetwork(spec, np.random.default_rng(2))
    files = tuple(Entity(f"报表{i}.csv", "file", ("newest",) if i else (), "2 KB") for i in range(3))
    text = "Goal: 汇总 orders.csv 到 total.csv\nNow: (1 of 2, write) Write total -> total.csv\nLast: x() -> ok\n\nseen"
    recalled = {Action.of("write_file", path="total.csv").key: ["t1", 4, 1, 0.8]}
    features = {"kind": "write", "subtask": 1, "subtasks": 2, "last_tool": "python", "recalled": recalled}
    state = State(text, features, files)
    actions = [Action.of("read_file", path=f.value) for f in files]
    actions += [Action.of("write_file", path="total.csv"), Action.of("my_tool", n=3), Action.of("finish")]
    candidates = [Candidate(a, "llm", 0.1) for a in actions]
    policy = LearntPolicy(trained.view())
    rows = live.rows(state, candidates)
    flat = np.zeros(len(candidates), dtype=np.float32)
    batch = pack([Inputs(rows, flat, flat)], spec)
    assert np.abs(policy.score(state, candidates)[0] - trained.scores("q", batch).detach().numpy()[0]).max() < 1e-5
    said = torch.sigmoid(trained.scores("success", batch)).detach().numpy()[0]
    success = policy.success(state, candidates)
    assert success is not None and np.abs(success - said).max() < 1e-5
    assert len({row.tobytes() for row in rows[2:]}) == 4  # what differs in kind looks different
    named = dict(zip(live.NAMES, rows[3].tolist(), strict=True))
    assert named["names_output"] == named["is_write_file"] == named["recalled"] == 1
    assert named["recalled_good"] == pytest.approx(5 / 7) and named["subtask_steps"] == 0
