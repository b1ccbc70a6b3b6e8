"""What all tests share: a small toy data set, networks by hand, and no way out to a network."""

import ipaddress
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep import toy_fashion

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Where each audited event names the host: https://docs.python.org/3/library/audit_events.html
_HOST_OF_EVENT = {
    "socket.connect": lambda args: args[1][0] if isinstance(args[1], tuple) else "localhost",
    "socket.sendto": lambda args: args[1][0] if isinstance(args[1], tuple) else "localhost",
    "socket.getaddrinfo": lambda args: args[0],
    "socket.gethostbyname": lambda args: args[0],
}


def _is_local(host: str | bytes | None) -> bool:
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _forbid_network(event: str, args: tuple) -> None:
    if event in _HOST_OF_EVENT:
        host = _HOST_OF_EVENT[event](args)
        if not _is_local(host):
            # No `Exception`: code under test that survives a lost network must not survive this.
            pytest.fail(f"expected no network in a test. Received: {event} to {host!r}")


sys.addaudithook(_forbid_network)


@pytest.fixture(autouse=True)
def iterators_end_at_once():
    """Has every tf.data pipeline of a test go without its tuner, as `gans.data.stream.untuned`:
    otherwise some of them take up to a minute to be deleted.
    """
    if (tf := sys.modules.get("tensorflow")) is None or hasattr(tf.data.Dataset, "tuned_iter"):
        return
    options, tuned_iter = tf.data.Options(), tf.data.Dataset.__iter__
    options.autotune.enabled = False
    tf.data.Dataset.tuned_iter = tuned_iter
    tf.data.Dataset.__iter__ = lambda dataset: tuned_iter(dataset.with_options(options))


@pytest.fixture(scope="session")
def randomised():
    """Gives a GAN weights that are large enough for samples that differ, the same ones each time;
    returns the GAN.
    """

    def assign(gan):
        random = np.random.default_rng(0)
        for variable in gan.trainable_variables:
            scale = max(1, variable.shape[0]) ** -0.5
            variable.assign(random.standard_normal(variable.shape) * scale)
        return gan

    return assign


@pytest.fixture(scope="session")
def toy_bags(tmp_path_factory) -> Path:
    """12 training and 4 validation pairs of bags, each half 32x32; not to be changed."""
    out = tmp_path_factory.mktemp("toy_bags") / "bags"
    toy_fashion.generate(out, size=32, train=12, val=4, domain="bags", workers=1, progress=False)
    return out


class StandIn:
    """A network without weights, in a train step: a function of its inputs.

    Attributes:
        given: the inputs of each call, as arrays, where it is called eagerly.
    """

    trainable_variables = weights = ()

    def __init__(self, function):
        self.function, self.given = function, []

    def __call__(self, inputs, training):
        import tensorflow as tf

        assert training is True
        if tf.executing_eagerly():
            self.given.append(tf.nest.map_structure(np.array, inputs))
        return self.function(inputs)

    def _flatten_layers(self, **_):
        return []


@pytest.fixture(scope="session")
def stand_in() -> type[StandIn]:
    """Networks that can be computed by hand."""
    return StandIn
