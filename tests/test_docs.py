"""The documents name what exists: files that links lead to, functions, commands, and few lines."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
CHINESE = re.compile(r"[一-鿿]")


def heading_anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def defined_names(path: Path) -> set[str]:
    """Functions, classes and methods (`Class.method`) of a module."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [child for child in node.body if isinstance(child, ast.FunctionDef)]
            names |= {f"{node.name}.{method.name}" for method in methods}
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in heading_anchors(path)):
            broken.append(target)
    assert not broken


def test_what_the_reading_path_names_is_defined():
    text = (ROOT / "docs/reading.md").read_text(encoding="utf-8")
    cells = re.findall(r"`([\w/]+\.py): ([\w.]+)`((?:, `[\w.]+`(?!: ))*)", text)
    assert len(cells) > 30
    missing = []
    for file, name, more in cells:
        names = [name, *re.findall(r"`([\w.]+)`", more)]
        known = defined_names(ROOT / file)
        missing += [f"{file}: {name}" for name in names if name not in known]
    assert not missing


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_first_page_is_one_page(page):
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= 130


def test_the_first_pages_name_the_same_commands_and_links():
    english, chinese = (
        (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "README.zh-CN.md")
    )

    def commands(text):
        return [line.partition("#")[0].strip() for line in re.findall(r"^gans .*$", text, re.M)]

    assert commands(english) == commands(chinese)
    files = [re.findall(r"\]\(((?:gans|docs)/[^)#]+)", text) for text in (english, chinese)]
    assert files[0] == files[1]
    assert CHINESE.search(chinese)
