"""What tests of parity share: the PyTorch steps of `benchmarks`, and float64 in both frameworks."""

import sys
from pathlib import Path

import keras
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))


@pytest.fixture
def float64():
    torch = pytest.importorskip("torch")
    policy = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(policy)
