"""How heavy the house is: what the lines of GAN files are for, the longest file, import circles.

    python benchmarks/house.py
    python benchmarks/house.py --root=OTHER_CHECKOUT

Prints of every GAN file its lines, the share of them that is the idea of the GAN, that is plumbing
or that shows results, and where its first train step begins; then every gate with its limit.
Nothing is imported of what is measured. `tests/test_architecture.py` holds the same gates.
"""

import ast
import subprocess
from pathlib import Path

from gans.command_line import cli

# What may be at most: see `gates`.
LIMITS = {
    "plumbing of the GAN files": 0.25,
    "where the step of a GAN from noise begins": 0.60,
    "changed lines from gans/dcgan.py to gans/wgan.py": 120,
    "lines of the longest file": 450,
    "circles of imports": 0,
    "lines of gans, scripts and data_prep": 22_500,
    "lines of README.md": 130,
}
FOLDERS = ("gans", "scripts", "data_prep")
# Methods and functions that only carry settings to where they are used.
CARRIES = ("__init__", "compile", "check", "_check")


# The graph of imports.


def python_files(root: Path) -> list[Path]:
    """Of the package and its commands, relative to the root, sorted."""
    files = (path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    return sorted(path.relative_to(root) for path in files)


def module_name(path: Path) -> str:
    """`gans.data.pairs` of gans/data/pairs.py, `gans` of gans/__init__.py."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(root: Path, path: Path) -> set[str]:
    """Full names of the modules that a file imports, at its top or within a function.

    `from gans.command_line import cli` is gans.command_line.cli, `from gans.data.pairs import
    resize` is gans.data.pairs, and `from . import nn` is what it means at its place.
    """
    found = set()
    for node in ast.walk(tree_of(root, path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = path.parent.parts[: len(path.parent.parts) + 1 - node.level] * bool(node.level)
            module = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                place = root.joinpath(*module.split("."), alias.name)
                is_module = place.is_dir() or place.with_suffix(".py").is_file()
                found.add(f"{module}.{alias.name}" if is_module else module)
    return found


def circles(root: Path) -> list[list[str]]:
    """The strongly connected components of the graph of imports, of two modules or more."""
    paths = {module_name(path): path for path in python_files(root)}
    graph = {name: imports_of(root, path) & paths.keys() for name, path in paths.items()}
    reached = {name: _reached(graph, name) for name in graph}
    found = {
        tuple(sorted(other for other in others if name in reached[other]))
        for name, others in reached.items()
    }
    return sorted(list(circle) for circle in found if circle)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """The modules that a module needs, directly or not; itself only within a circle."""
    found, left = set(), list(graph[start])
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += graph[name]
    return found


# The lines of GAN files.


def gan_files(root: Path) -> list[Path]:
    """The GAN files, relative to the root, sorted."""
    files = (root / "gans").glob("*.py")
    return sorted(path.relative_to(root) for path in files if not path.stem.startswith("_"))


def tree_of(root: Path, path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse((root / path).read_text(encoding="utf-8"))


def line_count(root: Path, path: Path) -> int:
    """Lines of a file, blank ones too."""
    return len((root / path).read_text(encoding="utf-8").splitlines())


def shares(root: Path, path: Path) -> dict[str, int]:
    """Lines of a GAN file by their purpose: `idea`, `plumbing` and `results`.

    The idea is the docstring, the functions that build networks, the train steps, and what these
    call: draws and losses. Plumbing is imports, literals, `Settings`, the head of the class, its
    constructor, `compile` and checks. All else shows results. Lines between two of these are blank
    or comments, and belong to none.
    """
    tree = tree_of(root, path)
    class_ = gan_class(tree)
    parts = [node for node in (*tree.body, *class_.body) if node is not class_]
    idea = _idea([node for node in parts if isinstance(node, ast.FunctionDef)])
    lines = dict.fromkeys(("idea", "plumbing", "results"), 0)
    for node in parts:
        if isinstance(node, ast.FunctionDef):
            carries = node.name.startswith(CARRIES)
            kind = "plumbing" if carries else "idea" if node.name in idea else "results"
        else:
            kind = "idea" if node is tree.body[0] else "plumbing"
        first = min(part.lineno for part in (node, *getattr(node, "decorator_list", ())))
        lines[kind] += node.end_lineno - first + 1
    return lines


def _idea(functions: list[ast.FunctionDef]) -> set[str]:
    """Names of the functions and methods that build networks or train, and of those they call."""
    calls = {
        node.name: {
            getattr(part, "attr", getattr(part, "id", None))
            for part in ast.walk(node)
            if isinstance(part, ast.Attribute | ast.Name)
        }
        for node in functions
    }
    found: set[str] = set()
    left = [name for name in calls if name.startswith(("build_", "train_"))]
    while left:
        name = left.pop()
        if name not in found and not name.startswith(CARRIES):
            found.add(name)
            left += calls[name] & calls.keys()
    return found


def gan_class(tree: ast.Module) -> ast.ClassDef:
    """The GAN of a GAN file: its last class."""
    return [node for node in tree.body if isinstance(node, ast.ClassDef)][-1]


def starts_from_noise(tree: ast.Module) -> bool:
    """Whether the GAN makes its samples of noise, by the class that it derives from."""
    bases = map(ast.unparse, gan_class(tree).bases)
    return any(base.endswith(("NoiseGAN", "CriticGAN")) for base in bases)


def step_position(root: Path, path: Path) -> float:
    """Where the first train step of a GAN file begins, as a share of its lines."""
    steps = (
        node.lineno
        for node in gan_class(tree_of(root, path)).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("train_")
    )
    return min(steps) / line_count(root, path)


def changed_lines(root: Path, before: str, after: str) -> int:
    """Lines that `diff` shows of two files."""
    command = ["diff", root / before, root / after]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return sum(line.startswith(("<", ">")) for line in result.stdout.splitlines())


# Gates.


def gates(root: Path) -> dict[str, float]:
    """The value of each gate in `LIMITS`."""
    files, gans = python_files(root), gan_files(root)
    plumbing = sum(shares(root, path)["plumbing"] for path in gans)
    noise = [path for path in gans if starts_from_noise(tree_of(root, path))]
    values = (
        plumbing / sum(line_count(root, path) for path in gans),
        max(step_position(root, path) for path in noise),
        changed_lines(root, "gans/dcgan.py", "gans/wgan.py"),
        max(line_count(root, path) for path in files),
        len(circles(root)),
        sum(line_count(root, path) for path in files),
        line_count(root, Path("README.md")),
    )
    return dict(zip(LIMITS, values, strict=True))


def show(root: str = ".") -> None:
    """Prints the table of the GAN files, and that of the gates.

    Args:
        root: Folder of a checkout.
    """
    where = Path(root)
    print(f"{'':24}{'lines':>6}{'idea':>7}{'plumbing':>10}{'results':>9}{'step at':>9}")
    for path in gan_files(where):
        count = line_count(where, path)
        idea, plumbing, results = (100 * of / count for of in shares(where, path).values())
        at = 100 * step_position(where, path)
        print(f"{path!s:24}{count:6}{idea:6.0f}%{plumbing:9.0f}%{results:8.0f}%{at:8.0f}%")
    print(f"\n{'gate':52}{'value':>8}{'at most':>9}")
    for name, value in gates(where).items():
        limit = LIMITS[name]
        shown = [f"{100 * x:.1f}%" if isinstance(limit, float) else str(x) for x in (value, limit)]
        print(f"{name:52}{shown[0]:>8}{shown[1]:>9}{'' if value <= limit else '  over'}")


if __name__ == "__main__":
    cli.run(show)
