"""Three train steps of a GAN in float64, beside the same steps of its official code in PyTorch.

Weights, images, noise and dropout masks are the same. Losses, gradients, Adam's moments and weights
are compared after each step, what a step computes of weights that have moved included. Skipped
where PyTorch is not installed: `pip install -e ".[parity]"`. With `pytest -s tests/parity` the
largest differences are printed.
"""

import re
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.command_line import gan_files
from gans.nn.layers import BatchNormalization, Conv2D, Conv2DTranspose, Dropout

torch = pytest.importorskip("torch")
official_networks = pytest.importorskip("official_networks")
official_steps = pytest.importorskip("official_steps")

STEPS = 3
TOLERANCE = 1e-12  # Of every number, relative to the largest of its kind.
# Gradients below this are zero but for rounding, and Adam makes steps of any size of them.
NOISE = 1e-12
NARROW = {
    "image_size": 64,
    "image_channels": 1,
    "generator_filters": 2,
    "discriminator_filters": 4,
    "learning_rate": 0.01,
}


@dataclass
class Case:
    """A GAN beside its official code.

    Attributes:
        gan: its module.
        preset: that follows the official code.
        settings: narrow ones over it.
        optimizers: names of the GAN's optimizers, each with the networks that it updates.
        batch: images of each kind in a step.
    """

    gan: str
    preset: str
    settings: dict
    optimizers: dict[str, str]
    batch: int = 1


CASES = [
    Case(
        "bicyclegan",
        "paper",
        NARROW | {"encoder_filters": 2, "latent_dim": 3, "decay_epochs": 0, "init_gain": 1.0},
        {
            "optimizer_generator": "generator",
            "optimizer_encoder": "encoder",
            "optimizer_d1": "discriminator_1",
            "optimizer_d2": "discriminator_2",
        },
    ),
    Case(
        "pix2pix",
        "paper_pytorch",
        NARROW | {"decay_epochs": 0, "init_stddev": 0.2},
        {"optimizer_generator": "generator", "optimizer_discriminator": "discriminator"},
    ),
    Case(
        "cyclegan",
        "paper",
        NARROW
        | {"image_channels": 3, "blocks": 2, "decay_epochs": 0, "pool_size": 1, "init_stddev": 0.2},
        {
            "optimizer_generators": "generator_ab generator_ba",
            "optimizer_discriminators": "discriminator_a discriminator_b",
        },
    ),
    Case(
        "discogan",
        "paper",
        NARROW | {"gan_curriculum": 2},
        {
            "optimizer_generator": "generator_ab generator_ba",
            "optimizer_discriminator": "discriminator_a discriminator_b",
        },
        batch=3,
    ),
    Case(
        "dcgan",
        "article",
        NARROW | {"latent_dim": 5, "init_stddev": 0.2},
        {"optimizer_generator": "generator", "optimizer_discriminator": "discriminator"},
        batch=4,
    ),
]


# The same weights in two frameworks.


def created(network, kind) -> list:
    """Layers of a class in the order in which they were made, which Keras' names count."""
    layers = [layer for layer in network.layers if isinstance(layer, kind)]
    return sorted(layers, key=lambda layer: int(re.search(r"_?(\d*)$", layer.name)[1] or 0))


def couples(network, module) -> list[tuple]:
    """`(variable, parameter, axes)` of all trainable weights: `parameter` with its axes in this
    order is the variable. Biases that a normalisation cancels have None for a variable.
    """
    kinds = [
        (Conv2D, torch.nn.Conv2d, (2, 3, 1, 0)),
        (Conv2DTranspose, torch.nn.ConvTranspose2d, (2, 3, 1, 0)),
        (keras.layers.Dense, torch.nn.Linear, (1, 0)),
        (BatchNormalization, torch.nn.BatchNorm2d, None),
    ]
    found = []
    for kind, of_torch, axes in kinds:
        others = {name: part for name, part in module.named_modules() if isinstance(part, of_torch)}
        layers = created(network, kind)
        # The heads of an encoder have their names in both.
        parts = [others.pop(layer.name, None) for layer in layers]
        rest = iter(others.values())
        for layer, part in zip(layers, parts, strict=True):
            part = part or next(rest)
            if kind is BatchNormalization:
                found += [(layer.gamma, part.weight, (0,)), (layer.beta, part.bias, (0,))]
                continue
            found.append((layer.kernel, part.weight, axes))
            assert (layer.bias is None) == (part.bias is None)
            if layer.bias is not None:
                cancelled = getattr(layer, "normalized", False)
                found.append((None if cancelled else layer.bias, part.bias, (0,)))
        assert not list(rest)
    assert {id(parameter) for _, parameter, _ in found} == set(map(id, module.parameters()))
    return found


def copy_weights(weights):
    """From the GAN to the official networks."""
    for variable, parameter, axes in weights:
        with torch.no_grad():
            if variable is None:
                parameter.zero_()
            else:
                parameter.copy_(torch.tensor(variable.numpy()).permute(tuple(np.argsort(axes))))


def images_first(x) -> "torch.Tensor":
    """NHWC as NCHW."""
    return torch.tensor(np.moveaxis(x, -1, 1).copy())


def share_masks(network, module, random):
    """Makes both drop the same values, the same in each call."""
    others = [part for part in module.modules() if isinstance(part, torch.nn.Dropout)]
    for layer, other in zip(created(network, Dropout), others, strict=True):
        mask = random.integers(0, 2, (1, *layer.output.shape[1:])) / (1 - layer.rate)
        of_torch = images_first(mask)
        layer.call = lambda x, training=False, mask=mask: x * mask
        other.forward = lambda x, mask=of_torch: x * mask


# What both are given, and what they make of it.


def inputs_of(case, s, random) -> tuple:
    """The batch and the random numbers of a step."""

    def images(channels):
        return random.uniform(-1, 1, (case.batch, s.image_size, s.image_size, channels))

    if case.gan == "dcgan":
        return images(s.image_channels), random.standard_normal((case.batch, s.latent_dim))
    pairs = [(images(s.image_channels), images(s.photo_channels)) for _ in range(2)]
    if case.gan == "bicyclegan":
        return tuple(pairs), tuple(random.standard_normal((2, case.batch, s.latent_dim)))
    # A full pool swaps in every step but the first.
    return pairs[0], tuple(np.full((2, case.batch, 2), (0.9, 0.0)))


def fix_draws(gan, draws):
    """The random numbers of the next step."""
    if isinstance(draws, tuple):
        gan.sample_latent = gan.sample_draws = lambda images, stream: tf.constant(draws[stream])
    else:
        gan.sample_latent = lambda images: tf.constant(draws)


def record(case, gan, official) -> tuple[dict, dict]:
    """Two dicts that hold, once a step is done, the gradients that each optimizer was given, by the
    `id` of the weight: those of the GAN and those of the official code.
    """
    ours, theirs = {}, {}
    for name in case.optimizers:
        optimizer = getattr(gan, name)

        def apply(gradients, variables, name=name, real=optimizer.apply):
            ours[name] = dict(zip(map(id, variables), map(np.array, gradients), strict=True))
            real(gradients, variables)

        def before(optimizer, arguments, options, name=name):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            theirs[name] = {id(weight): weight.grad.clone() for weight in weights}

        optimizer.apply = apply
        getattr(official, name).register_step_pre_hook(before)
    return ours, theirs


def difference(found, expected) -> float:
    """The largest, relative to the largest number that is expected in any of the arrays."""
    found, expected = ([np.asarray(x) for x in values] for values in (found, expected))
    assert all(x.dtype == np.float64 for x in (*found, *expected))
    assert [x.shape for x in found] == [x.shape for x in expected]
    largest = max(np.abs(x).max() for x in expected)
    assert largest > 0
    return max(np.abs(x - y).max() for x, y in zip(found, expected, strict=True)) / largest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.gan)
def test_steps_are_those_of_the_official_code(case, float64, monkeypatch):
    # The kernel of TensorFlow holds the slope of leaky ReLU in float32.
    monkeypatch.setattr(official_networks, "SLOPE", float(np.float32(0.2)))
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    file = gan_files.read(case.gan)
    gan = file.load()(**file.presets[case.preset] | case.settings)
    gan.compile()
    official = official_steps.STEPS[case.gan](gan.settings)
    networks = [name for names in case.optimizers.values() for name in names.split()]
    weights = {name: couples(getattr(gan, name), getattr(official, name)) for name in networks}
    for name in networks:
        copy_weights(weights[name])
        share_masks(getattr(gan, name), getattr(official, name), random)
    ours, theirs = record(case, gan, official)

    worst, noisy, updates = {}, {}, []
    for _ in range(STEPS):
        batch, draws = inputs_of(case, gan.settings, random)
        fix_draws(gan, draws)
        ours.clear()
        theirs.clear()
        losses = gan.train_step(tf.nest.map_structure(tf.constant, batch))
        expected_losses = official(
            tf.nest.map_structure(images_first, batch), tf.nest.map_structure(torch.tensor, draws)
        )
        # DiscoGAN makes no reconstruction where the discriminators learn.
        skipped = {"recon_loss_a", "recon_loss_b"} if "optimizer_generator" not in ours else set()
        assert losses.keys() == expected_losses.keys()
        compared = {
            "losses": [
                (losses[name], loss.detach())
                for name, loss in expected_losses.items()
                if name not in skipped
            ]
        }
        assert ours.keys() == theirs.keys()
        updates += ours
        for optimizer, names in case.optimizers.items():
            if optimizer not in ours:
                continue
            of_ours, of_theirs = getattr(gan, optimizer), getattr(official, optimizer)
            for name in names.split():
                for variable, weight, axes in weights[name]:
                    gradient = theirs[optimizer][id(weight)]
                    if variable is None:
                        assert gradient.abs().max() < NOISE  # Nothing here.
                        continue
                    index = of_ours._get_variable_index(variable)
                    state, gradient = of_theirs.state[weight], gradient.permute(axes).numpy()
                    noise = (gradient != 0) & (np.abs(gradient) < NOISE)
                    noisy[variable.path] = noise | noisy.get(variable.path, False)
                    sure = ~noisy[variable.path]
                    moments = of_ours._momentums[index], of_ours._velocities[index]
                    values = variable, weight.detach().permute(axes)
                    for kind, one, other in (
                        ("gradients", ours[optimizer][id(variable)], gradient),
                        ("first moments", moments[0], state["exp_avg"].permute(axes)),
                        ("second moments", moments[1], state["exp_avg_sq"].permute(axes)),
                        ("weights", *(np.asarray(value)[sure] for value in values)),
                    ):
                        compared.setdefault(f"{kind} of {name}", []).append((one, other))
        for kind, pairs in compared.items():
            worst[kind] = max(worst.get(kind, 0.0), difference(*zip(*pairs, strict=True)))

    print("\n" + case.gan, {kind: f"{value:.0e}" for kind, value in worst.items()})
    # Of z, the taps that see whole planes of it: a constant, which instance norm takes out again.
    assert any(noise.any() for noise in noisy.values()) == (case.gan == "bicyclegan")
    assert np.mean(np.concatenate([noise.ravel() for noise in noisy.values()])) < 0.01
    assert set(updates) == set(case.optimizers)
    assert len(worst) == 1 + 4 * len(networks)
    assert {kind: value for kind, value in worst.items() if value > TOLERANCE} == {}
