"""The training of BicycleGAN: what it accepts, and that a killed run ends with the bytes of a whole
one.

The narrow run of `conftest.py`: 3 epochs of 3 steps, checkpoints after steps 2, 4, 6, 8 and 9.
"""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data_prep import toy_fashion
from gans.bicyclegan import PRESETS, TRAINING, Settings
from gans.command_line.errors import UsageError
from gans.data import pairs
from gans.training import callbacks, loop
from gans.training.restore import build
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings

pytestmark = pytest.mark.usefixtures("other_tests_unchanged")

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def train(run_training, toy_bags, narrow, tmp_path):
    """Trains the narrow run, or goes on with it; returns the status."""

    def run(*flags, run_dir=tmp_path / "run", data_dir=toy_bags):
        given = {flag.split("=")[0] for flag in flags}
        rest = [flag for flag in narrow if flag.split("=")[0] not in given]
        return run_training(
            "bicyclegan", f"--data_dir={data_dir}", f"--run_dir={run_dir}", *rest, *flags
        )

    return run


@pytest.fixture
def copied(trained, tmp_path):
    """A finished run that may be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def results(run):
    """Every byte that a run is for: checkpoints, networks, pictures and metrics."""
    patterns = ("checkpoints/*/*", "samples/*", "*.weights.h5", "metrics.jsonl")
    paths = [path for pattern in patterns for path in run.glob(pattern)]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def variables(path):
    reader = tf.train.load_checkpoint(str(path / "variables"))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name).tobytes() for name in names}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(capsys, *told):
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert all(words in err for words in told), err


def last_line(capsys):
    return capsys.readouterr().err.splitlines()[-1]


# The finished run.


def test_a_run_leaves_what_its_folder_promises(trained):
    names = ["checkpoints", "config.json", "data.json", "encoder.weights.h5"]
    names += ["generator.weights.h5", "lock", "lock.pid", "logs", "losses.png", "metrics.jsonl"]
    names += ["samples"]
    assert sorted(os.listdir(trained)) == names
    assert sorted(os.listdir(trained / "checkpoints")) == [f"step-{step:08d}" for step in (6, 8, 9)]
    assert sorted(os.listdir(trained / "samples")) == [f"step-{s:08d}.png" for s in (3, 6, 9)]


def test_every_loss_is_in_the_metrics_of_every_step(trained):
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [row.pop("step") for row in rows] == list(range(1, 10))
    losses = ["d1_loss", "d2_loss", "gan_1_loss", "gan_2_loss"]
    losses += ["image_loss", "kl_loss", "latent_loss"]
    assert all(sorted(row) == losses for row in rows)
    assert all(np.isfinite(list(row.values())).all() for row in rows)


def test_the_data_of_the_run_is_on_record(trained, toy_bags):
    names = sorted(os.listdir(toy_bags / "train"))
    sizes = {name: (toy_bags / "train" / name).stat().st_size for name in names}
    assert json.loads((trained / "data.json").read_text()) == sizes


def test_the_last_checkpoint_has_four_networks_with_two_moments_of_each_weight(trained):
    gan = build(RunFolder(trained).read_settings())
    saved = variables(trained / "checkpoints" / "step-00000009")
    for optimizer, network in (
        ("optimizer_generator", gan.generator),
        ("optimizer_encoder", gan.encoder),
        ("optimizer_d1", gan.discriminator_1),
        ("optimizer_d2", gan.discriminator_2),
    ):
        names = [name.split("/")[2] for name in saved if name.startswith(f"model/{optimizer}/")]
        count = len(network.weights)
        assert names.count("_trainable_variables") == count > 0
        assert names.count("_variables") == 2 * count
        steps = saved[f"model/{optimizer}/_iterations/.ATTRIBUTES/VARIABLE_VALUE"]
        assert np.frombuffer(steps, np.int64) == 9


def test_the_networks_beside_the_config_are_those_of_the_last_checkpoint(trained):
    gan = build(RunFolder(trained).read_settings())
    gan.generator.load_weights(trained / "generator.weights.h5")
    gan.encoder.load_weights(trained / "encoder.weights.h5")
    other = build(RunFolder(trained).read_settings())
    tf.train.Checkpoint(model=other).read(
        str(trained / "checkpoints" / "step-00000009" / "variables")
    ).expect_partial()
    for name in ("generator", "encoder"):
        pair = (getattr(gan, name).get_weights(), getattr(other, name).get_weights())
        for one, two in zip(*pair, strict=True):
            np.testing.assert_array_equal(one, two)


def test_the_step_is_traced_once_in_three_epochs(trained):
    assert (trained.parent / "traces").read_text() == "1"


# The same bytes.


@pytest.mark.parametrize("parallel_calls", [1, 8])
def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(
    train, trained, tmp_path, parallel_calls
):
    assert train(f"--parallel_calls={parallel_calls}") == 0
    assert results(tmp_path / "run") == results(trained)


def test_another_seed_gives_other_bytes(train, trained, tmp_path):
    assert train("--seed=1", "--epochs=1", "--sample_every=1", "--checkpoint_every=1") == 0
    assert (tmp_path / "run" / "samples" / "step-00000003.png").read_bytes() != (
        trained / "samples" / "step-00000003.png"
    ).read_bytes()
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert not set(rows) & set((trained / "metrics.jsonl").read_text().splitlines())


def test_the_seed_is_that_of_weights_order_and_draws(train, monkeypatch):
    seeds = {}

    def run(gan, make_batches, *_, **__):
        seeds["draws"] = gan.settings.seed
        make_batches(0)

    monkeypatch.setattr(loop, "train", run)
    monkeypatch.setattr(loop, "make_deterministic", lambda seed: seeds.update(weights=seed))
    monkeypatch.setattr(
        pairs, "pair_batches", lambda _, preparation, **__: seeds.update(order=preparation.seed)
    )
    assert train("--seed=5") == 0
    assert seeds == {"weights": 5, "order": 5, "draws": 5}


CHILD = """
import os, runpy, signal, sys
from gans.training import callbacks, checkpoints

how, step = sys.argv[1], int(sys.argv[2])
on_step, sync = callbacks.Log.on_step, checkpoints.sync

def log(self, now, losses):
    on_step(self, now, losses)
    if now == step:
        os.kill(os.getpid(), signal.SIGKILL if how == "killed" else signal.SIGTERM)
        if how == "stopped twice":
            checkpoints.sync = lambda path: os.kill(os.getpid(), signal.SIGTERM)

callbacks.Log.on_step = log
sys.argv = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_killed_and_stopped_in_turn_it_ends_with_the_bytes_of_a_whole_run(
    train, trained, toy_bags, narrow, tmp_path
):
    """Real processes and real signals, one after the other on the same run folder."""
    run = tmp_path / "run"
    line = [SCRIPTS / "train_bicyclegan.py", f"--data_dir={toy_bags}", f"--run_dir={run}", *narrow]
    between, later = np.random.default_rng(0).permutation([3, 5])[0], 7
    for how, step, status, checkpoints in (
        ("killed", between, -signal.SIGKILL, {between - 1}),
        ("stopped twice", between + 1, -signal.SIGTERM, {between - 1}),
        ("killed", later, -signal.SIGKILL, {between - 1, 4, 6}),
    ):
        child = subprocess.run(
            [sys.executable, "-c", CHILD, how, str(step), *map(str, line)],
            capture_output=True,
            text=True,
        )
        assert child.returncode == status, child.stderr
        whole = {int(path.name[5:]) for path in (run / "checkpoints").glob("step-*")}
        assert whole == checkpoints
        strays = [path.name for path in (run / "checkpoints").glob("tmp-*")]
        assert strays == ([f"tmp-{step}"] if how == "stopped twice" else [])
    assert train() == 0
    assert results(run) == results(trained)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_signal_saves_the_step_and_the_same_line_goes_on(
    train, copied, monkeypatch, capsys, number, status
):
    shutil.rmtree(copied / "checkpoints" / "step-00000009")
    shutil.rmtree(copied / "checkpoints" / "step-00000008")
    on_step = callbacks.Log.on_step

    def log_and_signal(self, step, losses):
        on_step(self, step, losses)
        if step == 7:
            signal.raise_signal(number)

    monkeypatch.setattr(callbacks.Log, "on_step", log_and_signal)
    assert train(run_dir=copied) == status
    assert " after step 7 of 9, saved; the same command goes on" in last_line(capsys)
    assert (copied / "checkpoints" / "step-00000007").is_dir()


# The command given again.


def test_a_complete_run_says_so_and_ends_well(train, copied, capsys):
    before = contents(copied / "checkpoints")
    assert train(run_dir=copied) == 0
    out, err = capsys.readouterr()
    assert f"{copied} is complete: 9 steps of 9" in err
    assert out == f"samples: {copied}/samples/step-00000009.png\n"
    assert contents(copied / "checkpoints") == before


def test_finished_networks_that_a_kill_prevented_are_written_by_the_next_start(
    train, copied, trained
):
    (copied / "generator.weights.h5").unlink()
    assert train(run_dir=copied) == 0
    name = "generator.weights.h5"
    assert (copied / name).read_bytes() == (trained / name).read_bytes()


def test_changed_settings_are_refused_old_and_new(train, copied, capsys):
    before = contents(copied)
    assert train("--norm=none", "--generator_filters=4", "--batch_size=1", run_dir=copied) == 2
    assert capsys.readouterr().err == (
        f"error: {copied} holds a run with other settings: generator_filters 2 -> 4, "
        "norm 'instance' -> 'none', batch_size 2 -> 1, steps_per_epoch 3 -> 6; "
        "give the same ones, or another --run_dir\n"
    )
    assert contents(copied) == before


def test_epochs_may_grow_where_the_learning_rate_does_not_fall(train, copied, capsys):
    assert train("--epochs=4", run_dir=copied) == 0
    assert "going on after step 9 of 12" in capsys.readouterr().err
    assert (copied / "checkpoints" / "step-00000012").is_dir()
    assert RunFolder(copied).read_settings().epochs == 4


def test_epochs_may_not_grow_where_the_learning_rate_falls(train, tmp_path, capsys):
    run = RunFolder(tmp_path / "run")
    assert train("--decay_epochs=1", "--dry_run") == 0
    begun = json.loads(capsys.readouterr().out)
    assert begun.pop("run_dir") == str(run.path)
    begun["steps_per_epoch"] = 3
    with run.locked():
        run.begin(RunSettings.of(begun), "python scripts/train_bicyclegan.py")
    assert train("--epochs=4", "--decay_epochs=1") == 2
    assert "other settings: epochs 3 -> 4; give" in capsys.readouterr().err


def test_other_data_is_refused_with_counts(train, copied, toy_bags, tmp_path, capsys):
    data = Path(shutil.copytree(toy_bags, tmp_path / "data"))
    first, second, *_ = sorted((data / "train").iterdir())
    shutil.copy(first, data / "train" / "zz_new.png")
    first.unlink()
    second.write_bytes(second.read_bytes() + b" ")
    before = contents(copied)
    assert train(run_dir=copied, data_dir=data) == 2
    assert capsys.readouterr().err == (
        f"error: {copied} was begun with other training data. "
        "Received: 1 files added, 1 removed, 1 changed\n"
    )
    assert contents(copied) == before


def test_a_folder_in_use_is_refused_with_the_process_that_holds_it(train, copied, capsys):
    with RunFolder(copied).locked():
        assert train(run_dir=copied) == 2
    assert capsys.readouterr().err == (f"error: {copied} is in use by process {os.getpid()}\n")


def test_a_folder_of_other_files_is_refused_and_left_alone(train, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    before = contents(tmp_path)
    assert train(run_dir=tmp_path / "mine") == 2
    assert capsys.readouterr().err == (
        "error: --run_dir expects a new folder or that of a run. "
        f"Received: {tmp_path}/mine, which holds other files\n"
    )
    assert contents(tmp_path) == before


# Trouble.


def test_an_exploding_run_ends_with_status_3_and_saves_nothing(train, tmp_path, capsys):
    assert train("--learning_rate=1e30") == 3
    assert " not finite at step " in last_line(capsys)
    assert (tmp_path / "run" / "nan_report.json").exists()
    assert os.listdir(tmp_path / "run" / "checkpoints") == []
    assert not list((tmp_path / "run").glob("*.h5"))


def test_an_image_that_does_not_decode_is_named_before_training(train, toy_bags, tmp_path, capsys):
    data = Path(shutil.copytree(toy_bags, tmp_path / "data"))
    bad = sorted((data / "train").iterdir())[3]
    bad.write_bytes(bad.read_bytes()[:-100])
    assert train(data_dir=data) == 2
    assert capsys.readouterr().err.endswith(
        f"expected images that decode. Received 1 damaged: {bad}\n"
    )


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--image_size=100"], ("image_size", "100")),
        (["--dropout=1.0"], ("--dropout", "1.0")),
        (["--batch_size=7"], ("14 pairs", "--batch_size")),
    ],
)
def test_what_no_run_can_be_made_of_is_one_line_and_makes_no_folder(
    train, tmp_path, capsys, flags, told
):
    assert train(*flags) == 2
    assert_one_line(capsys, *told)
    assert not (tmp_path / "run").exists()


def test_a_missing_data_folder_is_one_line_and_makes_no_folder(train, tmp_path, capsys):
    data = tmp_path / "nowhere"
    assert train(data_dir=data) == 2
    assert_one_line(capsys, f"{data}/train ", f"{data}/trainA", "no such folder")
    assert not (tmp_path / "run").exists()


# Flags.


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--leraning_rate=1", ("--leraning_rate", "--learning_rate")),
        ("--learning_rate=abc", ("--learning_rate", "'abc'")),
        ("--batch_size=2.5", ("--batch_size", "'2.5'")),
        ("--flip=perhaps", ("--flip", "'perhaps'")),
        ("--norm=instnace", ("--norm", "'instnace'", "'instance'?")),
        ("--tfds_dir=a", ("--tfds_dir", "no --tfds")),
        ("--steps_per_epoch=-1", ("--steps_per_epoch", "-1")),
        *(
            (f"--{name}=0", (f"--{name} expects at least 1. Received: 0",))
            for name in ["epochs", "batch_size", "load_size", "parallel_calls", "log_every"]
        ),
        *(
            (f"--{name}=0", (f"--{name} expects at least 1. Received: 0",))
            for name in ["sample_every", "checkpoint_every", "keep_checkpoints"]
        ),
        ("--seed=-1", ("--seed", "-1")),
        ("--load_size=31", ("--load_size", "32", "31")),
        ("--decay_epochs=4", ("--decay_epochs", "3 epochs", "4")),
        ("--profile=0,3", ("--profile", "(0, 3)")),
        ("--profile=3,2", ("--profile", "(3, 2)")),
    ],
)
def test_a_wrong_flag_is_one_line_before_anything_is_made_or_imported(
    train, tmp_path, capsys, no_tensorflow, flag, told
):
    assert train(flag) == 2
    assert_one_line(capsys, *told)
    assert os.listdir(tmp_path) == []


def dry_run(run_training, capsys, *flags):
    assert run_training("bicyclegan", "--dry_run", *flags) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("preset", ["toy", "article", "paper"])
def test_a_dry_run_prints_the_presets_settings_and_writes_nothing(
    run_training, capsys, no_tensorflow, monkeypatch, tmp_path, preset
):
    monkeypatch.chdir(tmp_path)
    chosen = Settings(**PRESETS[preset])
    assert dry_run(run_training, capsys, f"--preset={preset}", "--run_dir=run") == {
        "run_dir": "run",
        "gan": "bicyclegan",
        "preset": preset,
        "settings": dataclasses.asdict(chosen),
        "data": {
            "kind": "pairs",
            "dataset": "toy_fashion",
            "direction": "a_to_b",
            "load_size": chosen.image_size,
            "flip": True,
            "labelled": False,
            "use_unlabelled": False,
        },
        **TRAINING[preset],
        "steps_per_epoch": None,
        "steps_per_call": 1,
        "precision": "float32",
        "constant_rate": False,
    }
    assert os.listdir(tmp_path) == []


def test_the_numbers_of_the_paper_preset_are_those_of_the_official_scripts(run_training, capsys):
    run = dry_run(run_training, capsys, "--preset=paper")
    # scripts/train.sh and the options of junyanz/BicycleGAN, for edges2handbags.
    assert (run["batch_size"], run["epochs"], run["data"]["load_size"]) == (1, 30, 256)
    expected = {"image_size": 256, "latent_dim": 8, "generator_filters": 64}
    expected |= {"encoder_filters": 64, "discriminator_filters": 64, "discriminator_scales": 2}
    expected |= {"latent_injection": "all", "encoder_network": "resnet", "norm": "instance"}
    expected |= {"dropout": 0.5, "lambda_image": 10.0, "lambda_latent": 0.5, "lambda_kl": 0.01}
    expected |= {"learning_rate": 2e-4, "beta_1": 0.5, "decay_epochs": 15, "init_gain": 0.02}
    assert {name: run["settings"][name] for name in expected} == expected


def test_data_of_ones_own_is_trained_with_the_articles_numbers(run_training, capsys):
    assert dry_run(run_training, capsys)["preset"] == "toy"
    assert dry_run(run_training, capsys, "--data_dir=somewhere")["preset"] == "article"


def test_the_word_none_reaches_the_constructor_as_a_word(run_training, capsys):
    assert dry_run(run_training, capsys, "--norm=none")["settings"]["norm"] == "none"


def test_a_shorter_run_decays_over_the_same_share(run_training, capsys):
    run = dry_run(run_training, capsys, "--preset=paper", "--epochs=10")
    assert run["settings"]["decay_epochs"] == 5
    run = dry_run(run_training, capsys, "--preset=paper", "--epochs=10", "--decay_epochs=2")
    assert run["settings"]["decay_epochs"] == 2


def test_without_data_toy_fashion_of_the_size_is_drawn(run_training, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)

    def generate(folder, size, domain):
        raise UsageError(f"drawn: {folder} {size} {domain}")

    monkeypatch.setattr(toy_fashion, "generate", generate)
    assert run_training("bicyclegan", "--image_size=32", "--generator_filters=2") == 2
    assert capsys.readouterr().err == "error: drawn: data/toy_fashion_32 32 bags\n"


def test_bfloat16_computes_in_half_the_bits_and_keeps_weights_in_float32(train, monkeypatch):
    gans = []
    monkeypatch.setattr(loop, "train", lambda gan, *_, **__: gans.append(gan))
    assert train("--precision=bfloat16") == 0
    convolutions = [layer for layer in gans[0].generator.layers if layer.weights]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    assert {weight.dtype for weight in gans[0].weights} == {"float32"}


@pytest.mark.parametrize("script", ["train_bicyclegan", "translate", "evaluate"])
def test_help_needs_no_tensorflow(script):
    look = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print({'tensorflow', 'keras'} & set(sys.modules)))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    child = subprocess.run(
        [sys.executable, "-c", look, SCRIPTS / f"{script}.py", "--help"],
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    lines = child.stdout.splitlines()
    assert lines[0].startswith(f"usage: {script}.py ")
    assert lines[-1] == "set()"
