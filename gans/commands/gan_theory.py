"""The command that shows the theory of the first GAN as numbers and figures.

What the survey derives (Goodfellow et al. 2014, section 4; Arjovsky and Bottou 2017):

    optimal_discriminator.png  D* = p / (p + q) of known densities, and a trained discriminator
    divergences.png            two densities move apart: Jensen-Shannon ends at log 2, Wasserstein
                               goes on growing
    gradient_by_distance.png   the generator's gradient with the optimal discriminator, for the
                               minimax loss log(1 - D) and for -log D
    gradient_by_training.png   the same for a generator far from its data, while only the
                               discriminator trains: log(1 - D) vanishes, -log D grows, and so does
                               its deviation from batch to batch

The tables are printed; `numbers.json` has all that they and the figures show. Files of these names
are replaced where this command made them, and nowhere else. The first three figures show integrals
or close to them, exact to 6 digits; the last one shows an experiment.
"""

import json
import os
from pathlib import Path

import numpy as np

from gans.command_line import command
from gans.command_line.errors import UsageError, check_at_least
from gans.command_line.files import check_folder, write_text
from gans.metrics import divergences
from gans.pictures.plots import Line, curves, save_figure

NUMBERS = "numbers.json"
# The parts of the numbers, which are also what the figures are called.
PARTS = ("optimal_discriminator", "divergences", "gradient_by_distance", "gradient_by_training")
SOFTWARE = "gan_theory.py"  # Every file that is written bears this name.
RANGE = (-12.0, 12.0, 12000)  # Of the densities of the first part: from, to, cells.
SHOWN_TO = 5.0  # Of that range the figure has the middle.
SHOWN_AT = (0, 1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096)  # Steps of the last table.
LEARNING_RATE = 2e-3
HIDDEN = 64  # Units in each of the two hidden layers of a network.
BATCH = 128
LINE_BATCH = 1024  # On the line, where a step costs little more with as many.
BATCHES = 32  # Over which the mean and the deviation of a gradient are taken.
# The discriminator's largest error is looked for where this share of the data is, most densely:
# where there is next to none, nothing teaches it.
POPULATED = 0.99


def gan_theory(
    out: Path = Path("runs/gan_theory"),
    steps: int = 2048,
    seed: int = 0,
    pdf: bool = False,
    debug: bool = False,
) -> None:
    """Shows the optimal discriminator, the divergences and the vanishing gradient.

    Args:
        out: Folder for the figures and numbers.json.
        steps: Steps that each discriminator trains.
        seed: Of the networks and of what they train on.
        pdf: Write each figure as a PDF, too.
        debug: Show the traceback of an error, and TensorFlow's log.
    """
    check_at_least(1, steps=steps)
    check_at_least(0, seed=seed)
    check_folder("out", out)
    check_free([out / NUMBERS] + [out / f"{name}.png" for name in PARTS])
    if pdf:
        check_free([out / f"{name}.pdf" for name in PARTS])
    out.mkdir(parents=True, exist_ok=True)
    command.import_tensorflow(debug)
    numbers = {"made_by": SOFTWARE}
    for name, show in {
        "optimal_discriminator": lambda: show_optimal_discriminator(steps, seed),
        "divergences": show_divergences,
        "gradient_by_distance": show_gradient_by_distance,
        "gradient_by_training": lambda: show_gradient_by_training(steps, seed),
    }.items():
        numbers[name], figure = show()
        save_figure(figure, out / f"{name}.png", pdf, SOFTWARE)
    write_text(out / NUMBERS, json.dumps(numbers, indent=2) + "\n")
    print(f"\nfigures and {NUMBERS} are in {out}")


def check_free(paths: list[Path]):
    """Raises `UsageError` where one of the files exists that another program, or the user, made."""
    for path in paths:
        made_here = path.is_file() and SOFTWARE.encode() in path.read_bytes()
        if os.path.lexists(path) and not made_here:
            raise UsageError(
                "--out expects a folder in which such files, if any, are of this command. "
                f"Received: {path}"
            )


def show_optimal_discriminator(steps: int, seed: int) -> tuple:
    """D* beside a discriminator that is trained with cross-entropy on samples of p and q."""
    x, width = divergences.cells(*RANGE)
    p = (divergences.gaussian(x, -1.5, 0.5) + divergences.gaussian(x, 1.5, 0.5)) / 2
    q = divergences.gaussian(x, 0.0, 1.2)
    best = divergences.optimal_discriminator(p, q)
    trained = train_on_line(x, steps, seed)

    density = (p + q) / 2
    order = np.argsort(-density)
    populated = order[np.cumsum(density[order]) * width < POPULATED]
    error = np.abs(trained - best)
    numbers = {
        "max_error": float(error[populated].max()),
        "mean_error": float(np.sum(error * density) * width),
        "value_optimal": divergences.value(p, q, best, width),
        "value_trained": divergences.value(p, q, trained, width),
        "twice_js_minus_log_4": 2 * divergences.jensen_shannon(p, q, width) - float(np.log(4)),
    }
    print(f"1. The optimal discriminator, and one trained for {steps} steps")
    print(f"   mean |D - D*| over the data          {numbers['mean_error']:.6f}")
    print(f"   largest, in {POPULATED:.0%} of the data         {numbers['max_error']:.6f}")
    print(f"   V(D*)                               {numbers['value_optimal']:.6f}")
    print(f"   2 JS - log 4                        {numbers['twice_js_minus_log_4']:.6f}")
    print(f"   V(D), never above V(D*)             {numbers['value_trained']:.6f}")
    near = np.abs(x) < SHOWN_TO
    lines = [
        Line("D* = p / (p + q)", x[near], best[near]),
        Line("D, trained", x[near], trained[near], dashed=True),
        Line("p, real", x[near], p[near]),
        Line("q, generated", x[near], q[near]),
    ]
    title = "The optimal discriminator is p / (p + q)"
    return numbers, curves(lines, title, "x", "density, or D")


def show_divergences() -> tuple:
    """Jensen-Shannon divergence and Wasserstein distance of two densities that move apart."""
    x, width = divergences.cells(-2.0, 6.0, 8000)
    shifts = np.arange(0, 3001, 25) / 1000
    boxes = [(divergences.box(x, 0, 1), divergences.box(x, s, s + 1)) for s in shifts]
    bells = [(divergences.gaussian(x, 0, 0.2), divergences.gaussian(x, s, 0.2)) for s in shifts]
    js, w1 = (
        [measure(p, q, width) for p, q in boxes]
        for measure in (divergences.jensen_shannon, divergences.wasserstein)
    )
    js_bells = [divergences.jensen_shannon(p, q, width) for p, q in bells]
    values = [2 * divergence - float(np.log(4)) for divergence in js]
    print("\n2. Two uniform densities of width 1, moved apart: disjoint from 1 on")
    print("   shift       JS      V(D*)    Wasserstein   JS of Gaussians, sigma 0.2")
    for index in range(0, len(shifts), 20):
        print(
            f"   {shifts[index]:5.2f}  {js[index]:8.6f}  {values[index]:9.6f}  {w1[index]:9.6f}"
            f"     {js_bells[index]:8.6f}"
        )
    print(f"   log 2  {np.log(2):8.6f}  -log 4 = {-np.log(4):.6f}")
    lines = [
        Line("JS, uniform", shifts, js),
        Line("log 2", shifts[[0, -1]], np.log([2.0, 2.0]), dashed=True),
        Line("JS, Gaussian", shifts, js_bells),
        Line("Wasserstein, both", shifts, w1),
    ]
    title = "Moving apart: JS stops at log 2, Wasserstein does not"
    numbers = {
        "shift": shifts.tolist(),
        "jensen_shannon": js,
        "value": values,
        "wasserstein": w1,
        "jensen_shannon_gaussian": js_bells,
    }
    return numbers, curves(lines, title, "shift", "divergence (nats), or distance")


def show_gradient_by_distance() -> tuple:
    """The gradient by the place t of a generator z + t, with the optimal discriminator.

    p is N(0, 1) and q is N(t, 1); the logit of D* is t (t - 2 x) / 2.
    """
    x, width = divergences.cells(-10.0, 18.0, 14000)
    shifts = np.arange(1, 33) / 4
    rows = {"minimax": [], "non_saturating": []}
    for shift in shifts:
        q = divergences.gaussian(x, shift)
        pulls = divergences.generator_gradients(
            shift * (shift - 2 * x) / 2, np.full_like(x, -shift)
        )
        for loss, pull in pulls.items():
            rows[loss].append(float(np.sum(q * pull) * width))
    print("\n3. Gradient with D*, real N(0, 1), generated N(t, 1)")
    print("   t      log(1 - D)      -log D")
    for index in range(3, len(shifts), 4):
        print(
            f"   {shifts[index]:4.1f}   {rows['minimax'][index]:.3e}   "
            f"{rows['non_saturating'][index]:9.6f}"
        )
    lines = [
        Line("minimax, log(1 - D)", shifts, np.abs(rows["minimax"])),
        Line("non-saturating, -log D", shifts, np.abs(rows["non_saturating"])),
    ]
    title = "The gradient with D*"
    figure = curves(lines, title, "distance t", "|gradient|", log_y=True)
    return {"distance": shifts.tolist(), **rows}, figure


def show_gradient_by_training(steps: int, seed: int) -> tuple:
    """A generator that has not trained, on ring8: its gradients while the discriminator trains."""
    shown = sorted({step for step in SHOWN_AT if step < steps} | {steps})
    at = sorted({int(step) for step in np.geomspace(1, steps, 25)} | set(shown))
    rows = gradients_while_training(at, seed)
    print("\n4. Generator far from ring8, discriminator trained: gradient, and its deviation")
    print("   step   loss of D      log(1 - D)              -log D")
    for step in shown:
        row = {name: numbers[at.index(step)] for name, numbers in rows.items()}
        print(
            f"   {step:5d}  {row['discriminator_loss']:9.2e}   "
            f"{row['minimax']:9.2e} +- {row['minimax_deviation']:8.2e}   "
            f"{row['non_saturating']:8.2f} +- {row['non_saturating_deviation']:6.2f}"
        )
    names = {"minimax": "log(1 - D)", "non_saturating": "-log D"}
    lines = []
    for loss, name in names.items():
        lines.append(Line(f"{name}: norm of the mean", at[1:], rows[loss][1:]))
        lines.append(Line("deviation of a batch", at[1:], rows[f"{loss}_deviation"][1:], True))
    title = "The better the discriminator, the less log(1 - D) teaches"
    figure = curves(
        lines, title, "steps of the discriminator", "norm of the gradient", log_x=True, log_y=True
    )
    return {"step": at, **rows}, figure


def train_on_line(x: np.ndarray, steps: int, seed: int) -> np.ndarray:
    """D(x) of a discriminator trained on samples of the densities of the first part."""
    import tensorflow as tf

    discriminator, optimizer = build_discriminator(1, seed, decay_steps=steps)

    def draw(key):
        draws = tf.random.stateless_normal([2, LINE_BATCH, 1], key)
        signs = tf.sign(tf.random.stateless_uniform([LINE_BATCH, 1], key + 1, -1.0))
        return 1.5 * signs + 0.5 * draws[0], 1.2 * draws[1]

    trainer(discriminator, optimizer, draw, seed)(0, steps)
    return (
        tf.sigmoid(discriminator(x[:, np.newaxis].astype(np.float32)))[:, 0].numpy().astype(float)
    )


def gradients_while_training(at: list[int], seed: int) -> dict[str, list[float]]:
    """Norms of the generator's gradients after each of the numbers of steps in `at`.

    Over `BATCHES` batches of latents: the norm of the mean gradient, and the root of the mean
    squared distance from it.
    """
    import keras
    import tensorflow as tf

    from gans.data.points import mixture

    # A bounded latent and a small last layer: all that is generated lies well inside the ring, so
    # that the two supports are disjoint, as the theorem asks.
    generator = build_mlp(2, 2, seed + 100, keras.initializers.VarianceScaling(0.05, seed=seed))
    discriminator, optimizer = build_discriminator(2, seed)
    ring = mixture("ring8")
    centres = tf.constant(ring.centres, tf.float32)

    def generate(key):
        return generator(tf.random.stateless_uniform([BATCH, 2], key, -1.0, 1.0))

    def draw(key):
        modes = tf.random.stateless_uniform([BATCH], key, 0, len(ring.centres), tf.int32)
        noise = ring.sigma * tf.random.stateless_normal([BATCH, 2], key + 1)
        return tf.gather(centres, modes) + noise, generate(key + 2)

    @tf.function
    def generator_gradients(key):
        with tf.GradientTape(persistent=True) as tape:
            logits = discriminator(generate(key))
            losses = {
                "minimax": -tf.reduce_mean(tf.nn.softplus(logits)),
                "non_saturating": tf.reduce_mean(tf.nn.softplus(-logits)),
            }
        variables = generator.trainable_variables
        return {
            name: tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, variables)], 0)
            for name, loss in losses.items()
        }

    train = trainer(discriminator, optimizer, draw, seed)
    rows = {"discriminator_loss": []}
    done = 0
    for step in at:
        rows["discriminator_loss"].append(train(done, step))
        done = step
        drawn = [generator_gradients(tf.constant([seed + 1, batch])) for batch in range(BATCHES)]
        for loss in drawn[0]:
            norm, deviation = norm_and_deviation(np.stack([gradient[loss] for gradient in drawn]))
            rows.setdefault(loss, []).append(norm)
            rows.setdefault(f"{loss}_deviation", []).append(deviation)
    return rows


def norm_and_deviation(gradients: np.ndarray) -> tuple[float, float]:
    """Of gradients `(batches, weights)` the norm of their mean, and the root of the mean square of
    their distances from it.
    """
    gradients = gradients.astype(float)
    mean = gradients.mean(axis=0)
    spread = np.sqrt(np.mean(np.sum((gradients - mean) ** 2, axis=1)))
    return float(np.linalg.norm(mean)), float(spread)


def build_mlp(inputs: int, outputs: int, seed: int, last_initializer):
    """Two hidden layers of ReLU."""
    import keras

    layers = [keras.Input((inputs,))]
    for number in range(2):
        kernel = keras.initializers.HeNormal(seed + number)
        # With biases of 0 all kinks of the first layer would begin at the origin.
        bias = keras.initializers.RandomUniform(-1, 1, seed + number)
        layers.append(keras.layers.Dense(HIDDEN, "relu", True, kernel, bias))
    layers.append(keras.layers.Dense(outputs, kernel_initializer=last_initializer))
    return keras.Sequential(layers)


def build_discriminator(inputs: int, seed: int, decay_steps: int | None = None):
    """A discriminator that gives logits, and its optimizer, whose rate may fall to 0."""
    import keras

    discriminator = build_mlp(inputs, 1, seed, keras.initializers.GlorotNormal(seed + 2))
    rate = LEARNING_RATE
    if decay_steps:
        rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, decay_steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(discriminator.trainable_variables)
    return discriminator, optimizer


def trainer(discriminator, optimizer, draw, seed: int):
    """A function that trains from one step to another, and returns the last batch's loss.

    The loss is Goodfellow's, -E log D(real) - E log(1 - D(fake)); of no steps it is that of a
    batch that nothing was learnt from. `draw(key)` gives real and generated points.
    """
    import tensorflow as tf

    def batch_loss(step):
        real, fake = draw(tf.stack([seed, step]))
        logits = discriminator(tf.concat([real, fake], 0))
        real_logits, fake_logits = tf.split(logits, 2)
        return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(
            tf.nn.softplus(fake_logits)
        )

    @tf.function
    def train(first, last):
        for step in tf.range(first, last):
            with tf.GradientTape() as tape:
                loss = batch_loss(step)
            variables = discriminator.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return batch_loss(last)

    return lambda first, last: float(train(tf.constant(first), tf.constant(last)))
