"""The training commands: what of a line reaches a run, and the line that is recorded."""

import dataclasses
import shlex

import pytest

from gans.command_line import cli, gan_files
from gans.commands import train
from gans.data.data_settings import DataSettings
from gans.training import start


@pytest.fixture
def started(monkeypatch, capsys):
    """Runs a line of a training command up to the training: `start.train`'s arguments, or its
    error.
    """

    def run(gan, *words):
        found = {}

        def stop(run, flags, open_data, **options):
            found.update(options, run=run, flags=flags, open_data=open_data)

        monkeypatch.setattr(start, "train", stop)
        with pytest.raises(SystemExit) as exit_:
            cli.run(train.command_of(gan), list(words), prog="prog")
        error = capsys.readouterr().err
        assert exit_.value.code == (0 if found else 2) and error.count("\n") == (not found)
        return found or error

    return run


def test_settings_come_from_flags_data_and_preset(started):
    found = started("dcgan", "--dataset=mnist", "--epochs=3", "--generator_filters=8")
    run, mnist = found["run"], gan_files.read("dcgan").presets["mnist"]
    assert (run.gan, run.preset, run.epochs) == ("dcgan", "mnist", 3)
    assert run.settings.generator_filters == 8 and run.settings.image_size == 28
    # Half of the preset's epochs: half of its decay.
    assert run.settings.decay_epochs == mnist["decay_epochs"] * 3 // 6
    assert run.data == DataSettings(kind="images", dataset="mnist", load_size=28, labelled=False)
    assert found["measure"] and found["watch"] and found["label_dim"] is None
    assert started("cgan", "--dataset=ring8", "--label_dim=8")["label_dim"] == 8
    assert started("cyclegan")["measure"] is None


@pytest.mark.parametrize(
    ("gan", "words", "labels"),
    [
        ("cgan", [], ("hue",)),
        ("matching_cgan", [], ("hue", "kind")),
        ("matching_cgan", ["--labels=kind"], ("kind",)),
        ("infogan", [], ("hue",)),
        ("dcgan", [], None),
        ("cgan", ["--dataset=ring8"], None),
        ("cgan", ["--data_dir=x"], None),
    ],
)
def test_toy_fashion_has_the_labels_of_the_gan_unless_others_are_given(started, gan, words, labels):
    assert started(gan, *words)["run"].data.labels == labels


def test_data_of_yours_may_be_trained_on_with_any_preset(started):
    file, run = gan_files.read("dcgan"), started("dcgan", "--data_dir=x", "--preset=toy")["run"]
    assert run.preset == "toy" and run.data.dataset is None
    assert run.settings == file.settings(**file.presets["toy"])
    assert started("dcgan", "--data_dir=x")["run"].preset == "article"
    assert "--preset=points" in started("dcgan", "--data_dir=x", "--preset=points")


def test_of_prepared_pairs_the_name_is_the_set(started):
    data = started("pix2pix", "--tfds=a/b", "--tfds_dir=/t")["run"].data
    assert (data.kind, data.dataset, data.tfds_dir, data.data_dir) == ("pairs", "a/b", "/t", None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--label_dim=0"], "--label_dim expects at least 1. Received: 0"),
        (["--dropout=1"], "--dropout expects below 1. Received: 1.0"),
        (["--beta_1=none"], "--beta_1 expects a float. Received: 'none'"),
        (["--batch_size=0"], "--batch_size expects at least 1. Received: 0"),
        (["--load_size=3"], "--load_size"),
        (["--use_unlabelled"], "--use_unlabelled"),
        (["--preset=ring"], "'ring'"),
    ],
)
def test_a_wrong_value_is_told_by_its_flag(started, words, told):
    assert told in started("cgan", *words)


def test_the_command_of_the_article_of_discogan(started):
    found = started("discogan", "process_main", "--dataset_dir", "x", "--epochs", "3")
    assert found["progress"] is train.article_progress and found["run"].preset == "article"
    assert found["run"].data.data_dir.endswith("/x") and found["run"].epochs == 3
    for wrong in (["--data_dir=y"], ["--domains=bag2shoe"], ["--tfds=y"]):
        assert "Received" in started("discogan", "process_main", "x", *wrong)


# What is recorded.


@pytest.mark.parametrize(
    ("gan", "line", "recorded"),
    [
        ("dcgan", "", ""),
        ("dcgan", "--run_dir=r --log_every=3 --steps_per_call=2 --parallel_calls=1", ""),
        ("dcgan", "--seed=3 --precision=bfloat16 --noflip", None),
        ("cgan", "--dataset=ring8 --dropout=0.25 --epochs=2", None),
        ("gan", "--generator_units=8,16 --discriminator_learning_rate=none", None),
        ("matching_cgan", "--labels=hue,kind --use_unlabelled", None),
        (
            "matching_cgan",
            "--data_dir=/x/y --tags_csv=/z.csv",
            "--data_dir=DATA --tags_csv=TAGS.csv",
        ),
        ("cgan", "--dataset=mnist --tfds_dir=/x", "--dataset=mnist --tfds_dir=TFDS"),
        ("pix2pix", "--direction=b_to_a --noflip", None),
        ("cyclegan", "--data_dir=/a --data_dir_b=/b", "--data_dir=DATA --data_dir_b=DATA_B"),
        ("discogan", "--domains=sketch2bag --nodisjoint", None),
    ],
)
def test_the_recorded_command_has_what_decides_the_result_and_no_path(started, gan, line, recorded):
    found = started(gan, *line.split())
    program, script, *words = shlex.split(found["command"])
    assert (program, script) == ("python", f"scripts/train_{gan}.py")
    if recorded is not None:
        assert sorted(words) == sorted(recorded.split())
    # It is a line of the same command, and says the same; but for where the data is.
    again = started(gan, *words)
    assert again["command"] == found["command"]
    nowhere = dict.fromkeys(train.PLACEHOLDERS)
    one, other = (dataclasses.replace(f["run"].data, **nowhere) for f in (found, again))
    assert one == other and found["run"].settings == again["run"].settings
