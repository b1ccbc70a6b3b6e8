"""What every command does between its flags and its work."""

import importlib
import os
import sys


def import_tensorflow(debug: bool):
    """Imports TensorFlow without the page that it logs about itself at every start.

    The lines come from C++ before any log level is read, so the stream itself is closed meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        if not debug:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        importlib.import_module("keras")
        # The device list is what logs that there is no GPU.
        importlib.import_module("tensorflow").config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
