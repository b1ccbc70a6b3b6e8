"""GANs from noise: numbers of the papers in settings and optimizers, and those that are given."""

import importlib

import keras
import pytest

from gans.nn.optimizers import AnnealedSGD

# A width of 1 in all layers, of points: only the optimizers are looked at.
NARROW = {"data": "points", "generator_filters": 1}
OF = {
    "gan": ("GAN", {"data": "points", "generator_units": (1,), "discriminator_units": (1,)}),
    "dcgan": ("DCGAN", NARROW | {"discriminator_filters": 1}),
    "wgan": ("WGAN", NARROW | {"critic_filters": 1}),
    "wgan_gp": ("WGANGP", NARROW | {"critic_filters": 1}),
    "cgan": ("CGAN", {"data": "points", "network": "mlp"}),
    "matching_cgan": ("MatchingCGAN", NARROW | {"discriminator_filters": 1}),
    "infogan": ("InfoGAN", NARROW | {"discriminator_filters": 1}),
}


def build(module, *, epochs=5, preset=None, **arguments):
    """A narrow GAN with the numbers of a preset, compiled for epochs of 2 steps."""
    name, narrow = OF[module]
    file = importlib.import_module(f"gans.{module}")
    sizes = file.PRESETS[preset] if preset else {}
    sizes = {key: value for key, value in sizes.items() if key not in ("network", "image_size")}
    gan = getattr(file, name)(**sizes | narrow | arguments)
    gan.compile(epochs=epochs, steps_per_epoch=2)
    return gan


def optimizers(gan):
    """Of the generator, and of the discriminator or critic."""
    other = "optimizer_critic" if hasattr(gan, "critic") else "optimizer_discriminator"
    return gan.optimizer_generator, getattr(gan, other)


@pytest.mark.parametrize(
    ("module", "preset", "rates", "betas"),
    [
        # DCGAN, section 4: Adam, 2e-4, beta_1 0.5. The article's GANs say no other numbers.
        ("gan", "article", (2e-4, 2e-4), (0.5, 0.999)),
        ("dcgan", "article", (2e-4, 2e-4), (0.5, 0.999)),
        ("dcgan", "paper", (2e-4, 2e-4), (0.5, 0.999)),
        ("cgan", "article", (2e-4, 2e-4), (0.5, 0.999)),
        # Reed et al., section 5: the same.
        ("matching_cgan", "article", (2e-4, 2e-4), (0.5, 0.999)),
        ("matching_cgan", "paper", (2e-4, 2e-4), (0.5, 0.999)),
        # The official WGAN: `--lrD` and `--lrG` of main.py.
        ("wgan", "article", (5e-5, 5e-5), None),
        ("wgan", "paper", (5e-5, 5e-5), None),
        # gan_mnist.py, gan_64x64.py; gan_cifar_resnet.py, where the rate falls to 0 from the start.
        ("wgan_gp", "article", (1e-4, 1e-4), (0.5, 0.9)),
        ("wgan_gp", "paper", (2e-4, 2e-4), (0.0, 0.9)),
        # run_mnist_exp.py of openai/InfoGAN; the article's generator is not faster than its D.
        ("infogan", "paper", (1e-3, 2e-4), (0.5, 0.999)),
        ("infogan", "article", (2e-4, 2e-4), (0.5, 0.999)),
    ],
)
def test_rates_and_betas_of_a_preset(module, preset, rates, betas):
    gan = build(module, preset=preset, epochs=1000)
    found = tuple(float(optimizer.learning_rate) for optimizer in optimizers(gan))
    assert found == pytest.approx(rates, rel=1e-2)
    for optimizer in optimizers(gan):
        if betas:
            assert isinstance(optimizer, keras.optimizers.Adam)
            assert (optimizer.beta_1, optimizer.beta_2) == betas
        else:
            assert type(optimizer) is keras.optimizers.RMSprop


@pytest.mark.parametrize(("module", "rates"), [("gan", (0.1, 0.05)), ("cgan", (0.1, 0.1))])
def test_the_first_gans_descend_without_adam(module, rates):
    gan = build(module, preset="paper")
    assert {type(optimizer) for optimizer in optimizers(gan)} == {AnnealedSGD}
    found = tuple(float(optimizer.learning_rate) for optimizer in optimizers(gan))
    assert found == pytest.approx(rates)


RATES = {
    "infogan": ("generator_learning_rate", "discriminator_learning_rate"),
    "gan": ("learning_rate", "discriminator_learning_rate"),
    "dcgan": ("learning_rate", "discriminator_learning_rate"),
}


@pytest.mark.parametrize("module", [module for module in OF if module != "wgan"])
def test_given_rates_betas_and_decay_are_those_of_the_optimizers(module):
    names = RATES.get(module, ("learning_rate",))
    given = dict(zip(names, (0.3, 0.2), strict=False))
    one_in = 1 if module != "wgan_gp" else 5
    gan = build(module, **given, beta_1=0.37, decay_epochs=3)
    for optimizer, rate in zip(optimizers(gan), [*given.values()] * 2, strict=False):
        assert optimizer.beta_1 == 0.37
        # Epochs of 2 steps: 1 and 2 have the full rate, 3, 4 and 5 have 3/4, 2/4 and 1/4 of it.
        every = one_in if optimizer is gan.optimizer_generator else 1
        for step, share in enumerate([1, 1, 1, 1, 3 / 4, 3 / 4, 2 / 4, 2 / 4, 1 / 4, 1 / 4]):
            if (step + 1) % every == 0:
                found = float(optimizer._learning_rate((step + 1) // every - 1))
                assert found == pytest.approx(rate * share)
    # Without a share of the run in which they fall, rates stay.
    gan = build(module, **given)
    assert [float(optimizer._learning_rate) for optimizer in optimizers(gan)] == pytest.approx(
        [[*given.values()][0], [*given.values()][-1]]
    )


@pytest.mark.parametrize(
    ("module", "preset", "expected"),
    [
        # gan_toy.py: `LAMBDA = .1`.
        ("wgan_gp", "points", {"lambda_gp": 0.1}),
        # DCGAN, section 4: a 100 dimensional uniform distribution.
        ("dcgan", "paper", {"latent": "uniform"}),
        # Mirza & Osindero, section 4.1: dropout 0.5 in both networks, noise in the unit hypercube.
        ("cgan", "paper", {"dropout": 0.5, "latent": "uniform"}),
        # PacGAN's pacgan_task.py.
        ("gan", "points", {"beta_1": 0.8, "latent_dim": 2}),
        ("dcgan", "points", {"beta_1": 0.8, "latent_dim": 2}),
        # With batch normalisation there, samples by moving statistics are stripes.
        ("infogan", "toy", {"feature_norm": "none"}),
    ],
)
def test_presets_have_the_numbers_of_their_sources(module, preset, expected):
    assert importlib.import_module(f"gans.{module}").PRESETS[preset].items() >= expected.items()


@pytest.mark.parametrize("module", OF)
def test_what_the_papers_and_the_articles_say_besides(module):
    settings = importlib.import_module(f"gans.{module}").Settings()
    everywhere = {"label_smoothing": 0.0, "packing": 1, "seed": 0, "latent_dim": 100}
    of_gan = {
        "wgan": {"clip": 0.01, "n_critic": 5, "warm_up": True},
        "wgan_gp": {"lambda_gp": 10.0, "n_critic": 5, "warm_up": False},
        "matching_cgan": {"lambda_fake": 0.5, "lambda_mismatched": 0.5},
        "infogan": {"noise_dim": 62, "categories": 10, "continuous": 2, "latent_dim": 74},
    }
    latent = "uniform" if module == "infogan" else "normal"
    expected = everywhere | {"latent": latent} | of_gan.get(module, {})
    found = {name: getattr(settings, name) for name in expected if hasattr(settings, name)}
    assert found == {name: expected[name] for name in found}
    assert found.keys() >= of_gan.get(module, {"latent": latent}).keys()


def test_only_short_runs_of_wgan_are_without_its_long_turns_of_the_critic():
    file = importlib.import_module("gans.wgan")
    for name, preset in file.PRESETS.items():
        settings = file.Settings(**preset)
        # Where a run takes minutes, they would be two fifths of it.
        assert settings.warm_up == (name != "toy")
        assert (settings.clip, settings.n_critic) == (0.01, 5)
