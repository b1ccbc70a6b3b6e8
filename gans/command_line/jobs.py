"""Several commands at the same time, each a process with its share of the cores.

For networks of a few channels, whose operations are too small to be shared among cores: runs side
by side with a thread each, instead of one after the other with all of them.
"""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from gans.command_line.errors import Failure

POLL_SECONDS = 0.1
LAST_LINES = 5  # Of the log of a job that failed.
# TensorFlow's two pools, and oneDNN's where it is built with OpenMP.
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Job:
    """A command to be run.

    Args:
        name: of the job, for the progress bar and for errors.
        command: words of the command line.
        log: file that its output is added to; its folder exists.
    """

    name: str
    command: tuple[str, ...]
    log: Path


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_jobs(jobs: Sequence[Job], workers: int, description: str = "runs"):
    """Runs all jobs, `workers` at a time, each with `cores / workers` threads.

    Ctrl-C or SIGTERM is passed on to the running jobs, once per signal, and waited for: a job that
    saves when it is stopped does so. After a failure the others are stopped in the same way.

    Raises `Failure`, with the job's status, where one fails, after its last lines are on
    stderr; with 130 or 143 where a signal came.
    """
    threads = str(max(1, count_cores() // workers))
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, threads)
    waiting, running = list(jobs), {}
    failed: tuple[Job, int] | None = None
    forwarded = done = 0
    # `disable=None`: shown on a terminal only.
    with _signals() as received, tqdm(total=len(jobs), desc=description, disable=None) as bar:
        while running or (waiting and not received and not failed):
            while waiting and len(running) < workers and not received and not failed:
                job = waiting.pop(0)
                running[job] = _start(job, environment)
                bar.set_postfix_str(", ".join(job.name for job in running))
            for number in received[forwarded:]:
                _send(running, number)
                forwarded += 1
            time.sleep(POLL_SECONDS)
            for job in [job for job, process in running.items() if process.poll() is not None]:
                status = running.pop(job).returncode
                if status == 0:
                    done += 1
                    bar.update()
                elif not received and not failed:
                    failed = (job, status)
                    _send(running, signal.SIGTERM)
    if failed:
        raise _failure(*failed)
    if received:
        name = "Ctrl-C" if received[0] == signal.SIGINT else "SIGTERM"
        raise Failure(
            f"stopped by {name}, {done} of {len(jobs)} done; the same command goes on from here",
            exit_code=128 + received[0],
        )


def _start(job: Job, environment: dict[str, str]) -> subprocess.Popen:
    with open(job.log, "ab") as log:
        log.write(f"$ {shlex.join(job.command)}\n".encode())
        log.flush()
        # A group of its own: a terminal sends Ctrl-C to its whole group, and with the one that is
        # passed on a job would get two, the second of which ends it before it has saved.
        return subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            process_group=0,
        )


def _send(running: dict[Job, subprocess.Popen], number: int):
    for process in running.values():
        process.send_signal(number)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that ask for an end, in the order received; none of them raises meanwhile."""
    received: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _failure(job: Job, status: int) -> Failure:
    lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    for line in lines:
        print(f"    {line}", file=sys.stderr)
    ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return Failure(f"{job.name} {ended}; its output is in {job.log}", max(status, 1))
