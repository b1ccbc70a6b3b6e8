"""The command that draws the losses of a run."""

from gans.training import loss_plot


def report(run_dir: str, pdf: bool = False, debug: bool = False) -> None:
    """Writes losses.png, the loss curves of a run, into its folder.

    Args:
        run_dir: Folder of the run, which may still be training.
        pdf: Also write losses.pdf.
        debug: Show the traceback of an error.
    """
    print(loss_plot.write_losses(run_dir, pdf))
