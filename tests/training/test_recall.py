"""The command of a run: given to the script again it resolves to the very settings."""

import importlib.util
import json
import shlex
from pathlib import Path

import pytest

from gans.command_line import cli
from gans.command_line.signatures import convert
from gans.training import recall, start

ROOT = Path(__file__).parents[2]


def resolved(monkeypatch, script, *flags):
    """The settings of a run with these flags, as a config.json holds them before the data is
    seen.
    """
    found = {}

    def keep(description, flags, constructor, data_settings, open_data, **options):
        options = {key: options.get(key) for key in ("preset", "implied")}
        found["settings"] = start.resolve(
            description, flags, constructor, data_settings, options["preset"], options["implied"]
        )

    with monkeypatch.context() as patch:
        patch.setattr(start, "train", keep)
        spec = importlib.util.spec_from_file_location(script, ROOT / "scripts" / f"{script}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with pytest.raises(SystemExit) as exit_:
            cli.run(cli.compose(module.train, module.DESCRIPTION), list(flags), prog=script)
    assert exit_.value.code in (0, None)
    return json.loads(json.dumps(found["settings"]))


def finished(settings, images=1000, **changes):
    """As the data completes it."""
    settings = {**settings, **changes}
    settings.setdefault("steps_per_epoch", None)
    if settings["model"] in ("CGAN", "MatchingCGAN"):
        constructor = settings["constructor"] | {"label_dim": 5}
        settings |= {"constructor": constructor, "label_names": list("abcde")}
    draws = recall.DRAWS.get(settings["model"], 1)
    settings["steps_per_epoch"] = settings["steps_per_epoch"] or images // (
        settings["batch_size"] * draws
    )
    return settings


COMMANDS = [
    "train_dcgan.py",
    "train_dcgan.py --dataset=mnist --tfds_dir=TFDS",
    "train_dcgan.py --dataset=mnist --tfds_dir=TFDS --epochs=3 --packing=2",
    "train_dcgan.py --dataset=grid25 --packing=4 --seed=2",
    "train_dcgan.py --dataset=cifar10 --tfds_dir=TFDS --preset=paper",
    "train_dcgan.py --data_dir=DATA --image_size=32 --batch_size=16",
    "train_gan.py --dataset=ring8 --loss=minimax --generator_units=8,8",
    "train_wgan.py --preset=article --warm_up=false",
    "train_cgan.py --labels=hue,kind --decay_epochs=7",
    "train_infogan.py --dataset=mnist --tfds_dir=TFDS --supervised=true --lambda_continuous=0.25",
    "train_matching_cgan.py --data_dir=DATA --tags_csv=TAGS.csv --use_unlabelled=true",
    "train_bicyclegan.py --epochs=8 --precision=bfloat16",
    "train_pix2pix.py --data_dir=DATA --preset=paper --direction=b_to_a --load_size=300",
    "train_cyclegan.py --domains=bag2shoe",
    "train_discogan.py --domains=sketch2bag --epochs=10",
    "train_discogan.py --data_dir=DATA --data_dir_b=DATA_B",
    "train_discogan.py --data_dir=DATA --disjoint=true",
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_comes_back(monkeypatch, line):
    script, *flags = shlex.split(line)
    settings = resolved(monkeypatch, script.removesuffix(".py"), *flags)
    settings = finished(settings)
    settings.pop("domains", None)
    if not (settings.get("data_dir") or settings.get("tfds")) and (
        settings.get("dataset") in (None, "toy_fashion")
    ):
        settings["data_dir"] = "/somewhere/data/toy_fashion_64"
        if "bag2shoe" in line or line == "train_discogan.py":
            settings["data_dir_b"] = "/somewhere/data/toy_fashion_shoes_64"
    found = recall.training_command(settings, 1000)
    program, path, *given = shlex.split(found)
    assert (program, path) == ("python", f"scripts/{script}")
    assert set(given) == set(flags)
    # Folders are the placeholders, wherever they were.
    again = resolved(monkeypatch, script.removesuffix(".py"), *given)
    completed = {"label_dim": settings["constructor"].get("label_dim")}
    assert {**again["constructor"], **completed} == {**settings["constructor"], **completed}


def test_what_the_data_completed_is_no_flag(monkeypatch):
    settings = finished(resolved(monkeypatch, "train_cgan", "--dataset=mnist", "--tfds_dir=/x/y"))
    settings["constructor"]["label_dim"] = 10
    settings |= {"label_names": list("0123456789"), "flip": False, "constant_rate": False}
    command = recall.training_command(settings, 1000)
    assert command == "python scripts/train_cgan.py --dataset=mnist --tfds_dir=TFDS"


@pytest.mark.parametrize("script", ["train_cgan", "train_matching_cgan", "train_infogan"])
def test_labels_that_the_preset_takes_are_no_flag(monkeypatch, script):
    settings = finished(resolved(monkeypatch, script), data_dir="/x/toy_fashion_64")
    assert settings["labels"]
    assert recall.training_command(settings, 1000) == f"python scripts/{script}.py"


def test_steps_are_given_where_they_are_not_those_of_all_images(monkeypatch):
    settings = finished(resolved(monkeypatch, "train_dcgan"), data_dir="/x/toy_fashion_64")
    assert recall.training_command(settings, 1000) == "python scripts/train_dcgan.py"
    settings["steps_per_epoch"] = 5
    for images in (1000, None):
        command = recall.training_command(settings, images)
        assert command == "python scripts/train_dcgan.py --steps_per_epoch=5"


def test_values_are_quoted_for_the_shell(monkeypatch):
    settings = finished(resolved(monkeypatch, "train_cgan", "--labels=hue,a b"))
    settings["data_dir"] = "/x/toy_fashion_64"
    command = recall.training_command(settings, 1000)
    assert shlex.split(command)[-1] == "--labels=hue,a b"
    assert convert("hue,a b", tuple[str, ...]) == ("hue", "a b")


def test_images_are_counted_where_the_records_say(tmp_path, monkeypatch):
    settings = finished(resolved(monkeypatch, "train_cgan", f"--data_dir={tmp_path}"))
    assert recall.count_images(settings, {"a.png": 1, "b.png": 2, "labels": 3}) == 2
    assert recall.count_images(settings | {"data_dir": "/x/a.npz"}, {"a.npz": 1}) is None
    toy = settings | {"data_dir": "/x/toy_fashion_32", "dataset": "toy_fashion"}
    assert recall.count_images(toy, {}) == 1000
    ring = settings | {"data_dir": None, "dataset": "ring8"}
    assert recall.count_images(ring, {"ring8": 100_000}) == 100_000
    prepared = settings | {"data_dir": None, "dataset": "mnist", "tfds_dir": str(tmp_path)}
    assert recall.count_images(prepared, {"mnist-train.tfrecord": 1}) is None
    info = tmp_path / "mnist" / "3.0.1" / "dataset_info.json"
    info.parent.mkdir(parents=True)
    splits = [
        {"name": "test", "shardLengths": ["9"]},
        {"name": "train", "shardLengths": ["6", "4"]},
    ]
    info.write_text(json.dumps({"splits": splits}))
    assert recall.count_images(prepared, {"mnist-train.tfrecord": 1}) == 10


@pytest.mark.parametrize(
    "settings, name",
    [
        ({"dataset": "mnist", "data_dir": None}, "mnist"),
        ({"dataset": "toy_fashion", "data_dir": "/a/toy_fashion_64"}, "toy fashion"),
        ({"data_dir": "/a/toy_fashion_64", "data_dir_b": "/a/b"}, "toy fashion, bags and shoes"),
        ({"dataset": None, "data_dir": "/home/me/secret"}, "images of your own"),
        ({"data_dir": None, "tfds": "cycle_gan/horse2zebra"}, "cycle_gan/horse2zebra"),
    ],
)
def test_data_has_a_name_without_a_path(settings, name):
    assert recall.data_name(settings) == name
