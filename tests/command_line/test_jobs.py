"""Jobs: how many at a time, with how many threads, and how they are stopped."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gans.command_line import jobs
from gans.command_line.errors import Failure

ROOT = Path(__file__).parents[2]


@pytest.fixture
def job(tmp_path):
    """Makes a job of a few lines of Python, run in `tmp_path`."""

    def make(name, code):
        code = f"import os, sys, time, signal; os.chdir({str(tmp_path)!r}); {code}"
        return jobs.Job(name, (sys.executable, "-S", "-c", code), tmp_path / f"{name}.log")

    return make


def test_every_job_is_run_and_its_output_kept(job, tmp_path):
    jobs.run_jobs([job(name, f"print('this is {name}')") for name in "abc"], workers=2)
    for name in "abc":
        command, *output = (tmp_path / f"{name}.log").read_text().splitlines()
        assert command.startswith("$ ")
        assert shlex.split(command)[1:4] == [sys.executable, "-S", "-c"]
        assert output == [f"this is {name}"]


def test_the_output_of_a_second_time_is_added(job, tmp_path):
    for _ in range(2):
        jobs.run_jobs([job("a", "print('again', file=sys.stderr)")], workers=1)
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert lines[1] == lines[3] == "again"
    assert len(lines) == 4


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_as_many_jobs_run_at_a_time_as_there_are_workers(job, tmp_path, workers):
    code = (
        "open('{0}-start', 'w'); "
        "few = lambda: sum(name.endswith('-start') for name in os.listdir()) < {1}; "
        # The first ones wait for each other, however slowly processes start.
        "any(time.sleep(0.01) for _ in iter(few, False)); "
        "time.sleep(0.05); open('{0}-end', 'w')"  # Times of files come in steps of some ms.
    )
    jobs.run_jobs([job(str(i), code.format(i, workers)) for i in range(5)], workers)
    changes = [(path.stat().st_mtime_ns, path.name) for path in tmp_path.glob("*-*")]
    count, most = 0, 0
    for _, name in sorted(changes):
        count += 1 if name.endswith("start") else -1
        most = max(most, count)
    assert count == 0
    assert most == workers


@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(2, 2, 1), (8, 3, 2), (2, 1, 2), (1, 4, 1)]
)
def test_the_cores_are_shared(job, tmp_path, monkeypatch, cores, workers, threads):
    monkeypatch.setattr(jobs, "count_cores", lambda: cores)
    names = list(jobs.THREAD_VARIABLES)
    jobs.run_jobs([job("a", f"print([os.environ[name] for name in {names}])")], workers)
    assert (tmp_path / "a.log").read_text().splitlines()[1] == str([str(threads)] * 3)


def test_no_jobs_are_done_at_once(capsys):
    jobs.run_jobs([], workers=2)
    assert capsys.readouterr() == ("", "")


def test_a_failure_stops_the_others_and_says_where_to_look(job, tmp_path, capsys):
    # It says that it was asked to stop, as a training command does, and has a log of its own.
    stoppable = (
        "signal.signal(signal.SIGTERM, lambda *_: (open('saved', 'w'), sys.exit(143)));"
        "open('ready', 'w'); time.sleep(20)"
    )
    failing = (
        "[time.sleep(0.01) for _ in iter(lambda: os.path.exists('ready'), True)];"
        "print(*range(9), sep=chr(10)); sys.exit(3)"
    )
    work = [job("long", stoppable), job("bad", failing), job("never", "open('never', 'w')")]
    with pytest.raises(Failure) as failure:
        jobs.run_jobs(work, workers=2)
    log = tmp_path / "bad.log"
    assert str(failure.value) == f"bad ended with status 3; its output is in {log}"
    assert failure.value.exit_code == 3
    assert capsys.readouterr().err == "".join(f"    {i}\n" for i in range(4, 9))
    assert (tmp_path / "saved").exists()
    assert not (tmp_path / "never").exists()


def test_a_job_that_was_killed_is_a_failure(job):
    with pytest.raises(Failure, match="a was killed by signal 9; its output") as failure:
        jobs.run_jobs([job("a", "os.kill(os.getpid(), 9)")], workers=1)
    assert failure.value.exit_code == 1


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]
)
def test_a_signal_is_passed_on_once_and_waited_for(tmp_path, number, name):
    # A process of its own, in a group of its own that gets the signal as from a terminal.
    child = (
        "import os, signal, sys, time\n"
        "def save(number, _):\n"
        "    signal.signal(number, signal.SIG_DFL)\n"
        "    time.sleep(0.3)\n"
        "    open(f'saved-{os.getpid()}', 'w').write(str(number))\n"
        "    sys.exit(128 + number)\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, save)\n"
        "open(f'ready-{os.getpid()}', 'w')\n"
        "time.sleep(20)\n"
    )
    parent = (
        "import sys\nfrom pathlib import Path\nfrom gans.command_line import cli, jobs\n"
        f"names = {['a', 'b', 'c']}\n"
        f"work = [jobs.Job(n, (sys.executable, '-S', '-c', {child!r}), Path(n)) for n in names]\n"
        "done = jobs.Job('done', (sys.executable, '-S', '-c', ''), Path('done'))\n"
        "def main() -> None:\n    jobs.run_jobs([done, *work], 2)\n"
        "cli.run(main, [])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    while len(list(tmp_path.glob("ready-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    error = process.communicate(timeout=20)[1]
    assert process.returncode == 128 + number
    assert error == (f"error: stopped by {name}, 1 of 4 done; the same command goes on from here\n")
    saved = [path.read_text() for path in tmp_path.glob("saved-*")]
    assert saved == [str(int(number))] * 2
    assert not (tmp_path / "c").exists()


def test_the_signals_mean_what_they_did_before(job):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    jobs.run_jobs([job("a", "pass")], workers=1)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_cores_are_those_that_the_process_may_use():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    code += "from gans.command_line.jobs import count_cores; print(json.dumps(count_cores()))"
    result = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], cwd=ROOT, capture_output=True, check=True
    )
    assert json.loads(result.stdout) == 1
