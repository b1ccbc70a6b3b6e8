"""Initial weights: their distribution, and that no two kernels begin alike."""

import keras
import numpy as np
import pytest

from gans.nn import initializers


@pytest.mark.parametrize("gain", [0.02, 1.0])
def test_xavier_normal_has_the_deviation_of_pytorch(gain):
    kernel = np.array(initializers.xavier_normal(gain)((4, 4, 60, 30)))
    deviation = gain * np.sqrt(2 / (16 * 60 + 16 * 30))
    # 28,800 numbers: five deviations of the estimates.
    assert kernel.std() == pytest.approx(deviation, rel=5 / np.sqrt(2 * kernel.size))
    assert abs(kernel.mean()) < 5 * deviation / np.sqrt(kernel.size)
    # Normal and not cut off: 4.6 % are beyond two deviations, 0.27 % beyond three.
    beyond = [(np.abs(kernel) > n * deviation).mean() for n in (2, 3)]
    assert beyond == pytest.approx([0.0455, 0.0027], rel=0.4)


def test_normal_has_its_deviation():
    kernel = np.array(initializers.normal(0.02)((4, 4, 60, 30)))
    assert kernel.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * kernel.size))
    assert abs(kernel.mean()) < 5 * 0.02 / np.sqrt(kernel.size)


@pytest.mark.parametrize("make", [initializers.xavier_normal, initializers.normal])
def test_one_initializer_gives_each_kernel_its_own_numbers(make):
    initializer = make()
    kernels = [np.array(initializer((4, 4, 30, 30))).ravel() for _ in range(3)]
    kernels.append(np.array(initializer((4, 4, 30, 60))).ravel()[: 4 * 4 * 30 * 30])
    correlation = np.corrcoef(kernels) - np.eye(4)
    assert np.abs(correlation).max() < 5 / np.sqrt(4 * 4 * 30 * 30)


@pytest.mark.parametrize("make", [initializers.xavier_normal, initializers.normal])
def test_the_global_seed_fixes_the_weights(make):
    kernels = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        initializer = make()
        kernels.append([np.array(initializer((3, 4))) for _ in range(2)])
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
