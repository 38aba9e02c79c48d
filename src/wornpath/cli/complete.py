"""What the shell completes with: run ids and model names. Never an error, never a word on stderr."""

from __future__ import annotations


def run_ids(incomplete: str) -> list[tuple[str, str]]:
    """The newest runs whose id starts with INCOMPLETE, with their goals as help."""
    try:
        from wornpath.cli.opening import open_store
        from wornpath.cli.text import clip, one_line

        with open_store() as store:
            return [
                (r.run_id, clip(one_line(r.goal), 60)) for r in store.runs(limit=200) if r.run_id.startswith(incomplete)
            ][:50]
    except Exception:
        return []


def weight_names(incomplete: str) -> list[tuple[str, str]]:
    """The embedded models."""
    from wornpath.llm.weights import REGISTRY

    return [(name, weights.title) for name, weights in REGISTRY.items() if name.startswith(incomplete)]
