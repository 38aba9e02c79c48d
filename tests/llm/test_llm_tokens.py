from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wornpath.llm.tokens import clip, clip_ends, count, count_messages

PROSE = "The quick brown fox jumps over the lazy dog, and nobody was surprised that the meeting was on a Tuesday. " * 5


def test_estimates_are_near_a_real_tokenizer() -> None:
    # The figures are those of Qwen2.5's tokenizer.
    for text, real in (
        (PROSE, 111),
        ('{"tool":"read","arguments":{"path":"docs/file7.txt"}}', 14),
        ("2026-11-01,inv1.txt,137.50,paid", 23),
    ):
        assert 0.7 * real < count(text) < 1.6 * real
    assert count("路径因行走而成") == 7
    assert count("") == 0


@given(st.text(), st.text())
def test_counting(left: str, right: str) -> None:
    assert 0 <= count(left) <= len(left)
    assert count(left + right) <= count(left) + count(right)
    assert count(left) <= count(left + right)


@given(st.text(max_size=300), st.integers(0, 60))
def test_clipping(text: str, tokens: int) -> None:
    out = clip(text, tokens)
    assert count(out) <= tokens
    if count(text) <= tokens:
        assert out == text
    elif out:
        assert out.endswith(" …")
        assert text.startswith(out[:-2])


@given(st.text(max_size=300), st.integers(0, 60))
def test_clipping_to_both_ends(text: str, tokens: int) -> None:
    out = clip_ends(text, tokens)
    assert count(out) <= tokens or not tokens
    assert out == text if count(text) <= tokens else len(out) <= len(text) + 5
    assert "\nValueError: 3" in clip_ends("begins" + " x" * 500 + "\nValueError: 3", 30)


def test_clipping_keeps_as_much_as_fits() -> None:
    out = clip(PROSE, 50)
    assert count(out) >= 48


def test_messages() -> None:
    plain = [{"role": "user", "content": PROSE}]
    parts = [
        {
            "role": "user",
            "content": [{"type": "text", "text": PROSE}, {"type": "image_url", "image_url": {"url": "data:"}}],
        }
    ]
    assert count(PROSE) < count_messages(plain) < count(PROSE) + 20
    assert count_messages(parts) > count_messages(plain) + 100
