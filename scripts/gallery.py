"""Writes gallery.md and results.md: what finished runs look like, and how they score, each with the
command that trained it.

    python scripts/gallery.py
    python scripts/gallery.py --runs=runs --out=docs    # the pages of this project

It looks below `runs` for run folders of all GANs. A run is in the gallery when the sample picture
of its newest checkpoint is there, and no epoch is left to train. The page shows the command of
each run, with placeholders for folders; data, steps, seconds of training; what `evaluate.py`
measured last, if it did, and of points otherwise what it would measure of the newest checkpoint;
and that picture, as `gallery/NAME.jpg` of at most 60 kB. Of points there is also the animation of
the run, where it has less than 300 kB. The same runs give the same bytes. Earlier pages of this
command and their pictures are replaced; files of another origin never are.

`results.md` sets side by side what `evaluate.py` last measured of features, in a table for each
extractor, since only numbers by the same one can be compared.
"""

from gans.command_line import cli
from gans.commands.gallery import gallery

if __name__ == "__main__":
    cli.run(gallery)
