"""From flags to the settings of a run and back from its record: which source decides."""

import dataclasses
import json

import pytest

from gans.command_line import gan_files
from gans.command_line.errors import UsageError
from gans.data.data_settings import DataSettings
from gans.training.run_settings import RunSettings, default_run_dir, resolve

CGAN = gan_files.read("cgan")
IMAGES = DataSettings(kind="images", data_dir="/data")


def resolved(file=CGAN, given=None, data=IMAGES, **options):
    usual = {"preset": "toy", "implied": {}, "seed": 0, "precision": "float32"}
    usual |= dict.fromkeys(("epochs", "steps_per_epoch", "steps_per_call", "batch_size"))
    return resolve(file, given or {}, data, **usual | options)


def refusal(error=UsageError, **options) -> str:
    with pytest.raises(error) as found:
        resolved(**options)
    assert "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize("preset", ["toy", "article", "paper", "mnist", "points"])
def test_the_preset_is_over_the_defaults_and_training_says_the_rest(preset):
    run = resolved(preset=preset, implied={"data": "points"} if preset == "points" else {})
    assert run.preset == preset and run.gan == "cgan" and run.name == "CGAN"
    assert run.settings == CGAN.settings(**CGAN.presets[preset])
    training = CGAN.training[preset]
    assert (run.batch_size, run.epochs) == (training["batch_size"], training["epochs"])
    assert run.steps_per_call == training.get("steps_per_call", 1)
    assert run.data.load_size == run.settings.image_size


def test_what_the_data_implies_is_over_the_preset_and_under_what_is_given():
    implied = {"image_size": 32, "image_channels": 3}
    settings = resolved(preset="mnist", implied=implied).settings
    assert (settings.image_size, settings.image_channels) == (32, 3)
    settings = resolved(given={"image_size": 64}, implied=implied).settings
    assert (settings.image_size, settings.image_channels) == (64, 3)
    assert resolved(seed=7, implied={"seed": 3}).settings.seed == 7


def test_a_given_none_is_a_value():
    dcgan = gan_files.read("dcgan")
    points = {"data": "points"}
    assert dcgan.presets["points"]["discriminator_learning_rate"] is not None
    for given in ({}, {"discriminator_learning_rate": None}):
        run = resolved(dcgan, given, preset="points", implied=points)
        found = run.settings.discriminator_learning_rate
        assert found == (given or dcgan.presets["points"])["discriminator_learning_rate"]


@pytest.mark.parametrize(("given", "taken"), [(None, True), (False, False), (True, True)])
def test_what_is_given_of_the_data_is_over_that_of_the_preset(given, taken):
    training = {"batch_size": 2, "epochs": 60, "disjoint": True, "images_per_epoch": 9}
    file = dataclasses.replace(gan_files.read("dcgan"), training={"toy": training})
    data = DataSettings(kind="domains", data_dir="/data", disjoint=given)
    run = resolved(file, data=data)
    assert run.data.disjoint is taken
    assert (run.data.images_per_epoch, run.data.flip) == (9, None)


@pytest.mark.parametrize(("size", "expected"), [(None, 286), (128, 143), (32, 35)])
def test_the_load_size_of_a_preset_leaves_the_same_share_at_any_image_size(size, expected):
    file = dataclasses.replace(
        CGAN,
        presets={"toy": {"image_size": 256}},
        training={"toy": {"batch_size": 1, "epochs": 1, "load_size": 286}},
    )
    given = {"image_size": size} if size else {}
    assert resolved(file, given).data.load_size == expected
    data = dataclasses.replace(IMAGES, load_size=300)
    assert resolved(file, given, data).data.load_size == 300


@pytest.mark.parametrize(
    ("epochs", "given", "decay"),
    [(None, {}, 30), (30, {}, 15), (120, {}, 60), (1, {}, 0), (30, {"decay_epochs": 7}, 7)],
)
def test_the_decay_of_a_preset_scales_with_the_epochs_and_a_given_one_stays(epochs, given, decay):
    dcgan = gan_files.read("dcgan")
    assert (dcgan.presets["toy"]["decay_epochs"], dcgan.training["toy"]["epochs"]) == (30, 60)
    run = resolved(dcgan, given, epochs=epochs)
    assert run.settings.decay_epochs == decay and run.epochs == (epochs or 60)


@pytest.mark.parametrize(
    ("labels", "given", "labelled"),
    [("cgan", {}, True), ("dcgan", {}, False), ("infogan", {}, False)]
    + [("infogan", {"supervised": True}, True), ("matching_cgan", {}, True)],
)
def test_elements_come_with_labels_where_the_gan_takes_them(labels, given, labelled):
    assert resolved(gan_files.read(labels), given).data.labelled is labelled


def test_supervision_waits_for_the_number_of_classes_that_the_data_has():
    infogan = gan_files.read("infogan")
    run = resolved(infogan, {"supervised": True, "categories": 12})
    assert run.settings.label_dim == 0
    assert dataclasses.replace(run.settings, label_dim=12).categories == 12
    with pytest.raises(ValueError, match="`categories` must be the 11 .*Received: 12"):
        dataclasses.replace(run.settings, label_dim=11)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"preset": "points"}, "--preset=points"),
        ({"given": {"data": "points"}}, "--data=points"),
        ({"preset": "toy", "implied": {"data": "points"}, "given": {"data": "images"}}, "--data"),
        ({"data": dataclasses.replace(IMAGES, load_size=63)}, "--load_size"),
        ({"given": {"decay_epochs": 9}, "epochs": 8}, "--decay_epochs"),
        ({"file": gan_files.read("dcgan"), "given": {"packing": 3}, "batch_size": 32}, "--packing"),
    ],
)
def test_values_that_contradict_each_other_are_refused(options, told):
    assert told in refusal(**options)


def test_settings_that_the_gan_does_not_admit_are_refused_by_name():
    told = refusal(ValueError, given={"dropout": 1.5})
    assert "`dropout`" in told and "1.5" in told


# Records.


def test_a_record_comes_back_from_json_as_it_was(settings):
    data = dataclasses.replace(
        settings.data, label_names=("a", "b"), mixture={"centres": [[0.0, 1.0]], "sigma": 0.1}
    )
    run = dataclasses.replace(settings, data=data)
    again = RunSettings.of(json.loads(json.dumps(run.record())))
    assert again == run and not again.differences(run)
    assert again.settings.generator_units == (3, 5) and again.data.labels == ("hue", "kind")
    assert "tags_csv" not in run.record()["data"]


def changed(run, **changes):
    data = {name: changes.pop(name) for name in list(changes) if hasattr(run.data, name)}
    return dataclasses.replace(run, data=dataclasses.replace(run.data, **data), **changes)


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({}, []),
        (
            {
                "data_dir": "/moved",
                "data_dir_b": "/b",
                "tfds_dir": "/t",
                "tags_csv": "/c",
                "steps_per_call": 7,
            },
            [],
        ),
        ({"epochs": 3}, ["epochs 2 -> 3"]),
        ({"labels": ("kind",)}, ["labels ('hue', 'kind') -> ('kind',)"]),
        ({"flip": None}, ["flip True -> None"]),
        ({"preset": "paper", "precision": "bfloat16"}, ["preset", "precision"]),
    ],
)
def test_differences_are_named_but_for_what_may_differ(settings, changes, differing):
    found = changed(settings, **changes).differences(settings)
    assert len(found) == len(differing)
    assert all(name in text for name, text in zip(differing, found, strict=True))


def test_a_run_of_a_constant_rate_may_be_made_longer(settings):
    constant = dataclasses.replace(settings, constant_rate=True)
    assert not dataclasses.replace(constant, epochs=3).differences(constant)


# Where it is kept.


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"dataset": "toy_fashion"}, "cgan"),
        ({"dataset": "toy_fashion", "data_dir": "/x/data/toy_fashion_64"}, "cgan"),
        ({"data_dir": "/data/bags"}, "cgan_bags"),
        ({"data_dir": "/data/digits.npz"}, "cgan_digits"),
        ({"data_dir": "/data/bags", "data_dir_b": "/data/shoes"}, "cgan_bags_shoes"),
        ({"dataset": "mnist"}, "cgan_mnist"),
        ({"dataset": "cycle_gan/horse2zebra:3.0.0"}, "cgan_horse2zebra"),
        ({"dataset": "a/b", "dataset_b": "c/d:1.0.0"}, "cgan_b_d"),
        ({"dataset": "ring8", "kind": "points"}, "cgan_ring8"),
    ],
)
def test_the_folder_is_named_after_gan_and_data(data, name):
    run = dataclasses.replace(resolved(), data=DataSettings(**{"kind": "images", **data}))
    assert default_run_dir(run) == f"runs/{name}"
