"""Folders that are written into: which can be made, and in which words others are refused."""

import pytest

from gans.command_line.errors import UsageError
from gans.command_line.files import check_folder


def test_a_folder_that_is_there_or_can_be_made_is_taken(tmp_path):
    for path in (tmp_path, tmp_path / "a" / "b"):
        assert check_folder("out", str(path)) == path
    assert list(tmp_path.iterdir()) == []


def test_a_file_and_what_is_below_one_are_refused(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(tmp_path / "nowhere")
    for path, received in (
        (file, f"the file {file}"),
        (file / "a" / "b", f"the file {file}, in which {file / 'a' / 'b'} cannot be"),
        (link, f"the file {link}"),
    ):
        with pytest.raises(UsageError) as error:
            check_folder("out", path)
        assert str(error.value) == f"--out expects a folder. Received: {received}"
