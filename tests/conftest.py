from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples at every run, and no deadlines: a busy machine is no bug.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
os.environ["WORNPATH_AFTER_RUN"] = "off"  # no learner of its own for every run that a test makes


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The 1.5B weights, fetched into the user's cache when they are not there yet."""
    from wornpath.llm import weights

    return weights.pull("local")
