"""A classifier and a segmenter of drawn pictures, each trained once."""

import pytest
from drawn import PARTS, SIDES, halves, scenes

from gans.features.classifier import Classifier
from gans.features.segmentation import Segmenter


@pytest.fixture(scope="session")
def classifier():
    return Classifier.train(*halves(256, 0), SIDES, halves(64, 1), "halves", epochs=3, seed=5)


@pytest.fixture(scope="session")
def segmenter():
    return Segmenter.train(*scenes(256, 0), PARTS, scenes(40, 1), "scenes", epochs=4, seed=5)
