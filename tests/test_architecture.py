"""Who may import whom, read from the source: an upward arrow means that something is in the wrong room."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each room may import itself and these.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "engine": {"errors"},
    "providers": {"engine", "errors"},
    "models": {"errors"},
    "live": {"engine"},
    "teams": {"models", "engine", "errors"},
    "accounting": {"models", "engine", "errors"},
    "catalogue": {"models", "teams", "live", "providers", "engine", "errors"},
}
MAY_IMPORT["runs"] = {*MAY_IMPORT}
MAY_IMPORT["web"] = MAY_IMPORT["api"] = {*MAY_IMPORT}  # never each other
MAY_IMPORT["admin"] = {"models", "teams", "accounting", "catalogue", "runs", "errors"}
MAY_IMPORT["management"] = {*MAY_IMPORT} - {"web", "api", "admin"}
MAY_IMPORT["migrations"] = {"models"}
MAY_IMPORT["apps"] = {"runs", "teams", "models"}  # the wiring of other applications' events

PURE = ("errors", "engine", "providers", "live")  # no Django
WITHOUT_HTTP = ("errors", "engine", "models", "live", "teams", "accounting")
HIDDEN_IMPORTS_ALLOWED = {"fusion/apps.py", "fusion_site/apps.py"}  # Django loads them before the models exist


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imported(tree: ast.AST, *, type_checking: bool = True) -> Iterator[tuple[str, int]]:
    """Every imported module and its line; `from a import b` counts as `a.b`, so `from fusion import runs` shows."""
    skipped = set() if type_checking else {id(node) for guard in _typing_guards(tree) for node in ast.walk(guard)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}: name the room"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _typing_guards(tree: ast.AST) -> list[ast.If]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "fusion" and len(parts) > 1 else ""


def upward_arrows(path: Path, text: str) -> list[str]:
    """What a file imports although its room may not."""
    relative = path.relative_to(ROOT)
    room = relative.parts[1].removesuffix(".py")
    found = []
    for module, line in imported(ast.parse(text)):
        if module.split(".")[0] == "fusion_site":
            found.append(f"{relative}:{line} imports {module}: nobody imports the wiring")
        elif (target := room_of(module)) and target not in {room, *MAY_IMPORT.get(room, set())}:
            found.append(f"{relative}:{line} imports {module}: {room} may not import {target}")
    return found


def hidden_imports(path: Path, text: str) -> list[str]:
    relative = path.relative_to(ROOT)
    return [
        f"{relative}:{line} imports {module} in a function"
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for module, line in imported(function)
        if module.split(".")[0] in ("fusion", "fusion_site")
    ]


def outsiders(path: Path, text: str, forbidden: tuple[str, ...]) -> list[str]:
    relative = path.relative_to(ROOT)
    return [
        f"{relative}:{line} imports {module}"
        for module, line in imported(ast.parse(text), type_checking=False)
        if module.split(".")[0] in forbidden
    ]


def test_every_room_has_its_arrows() -> None:
    here = {path.name.removesuffix(".py") for path in (ROOT / "fusion").iterdir() if path.name[0] not in "_."}
    assert here - set(MAY_IMPORT) == set()


def test_no_room_imports_upwards() -> None:
    files = [path for path in sources("fusion") if path.name != "__init__.py" or len(path.relative_to(ROOT).parts) > 2]
    assert [arrow for path in files for arrow in upward_arrows(path, path.read_text())] == []


def test_no_import_of_ours_hides_in_a_function() -> None:
    files = [
        path for path in sources("fusion", "fusion_site") if str(path.relative_to(ROOT)) not in HIDDEN_IMPORTS_ALLOWED
    ]
    assert [hidden for path in files for hidden in hidden_imports(path, path.read_text())] == []


def test_orchestration_and_providers_know_no_django() -> None:
    folders = [path for room in PURE for path in _files_of(room)]
    forbidden = ("django", "channels", "allauth", "asgiref")
    assert [found for path in folders for found in outsiders(path, path.read_text(), forbidden)] == []


def test_the_engine_loads_nothing_of_django_http_or_a_database() -> None:
    """Not even through a library that it uses."""
    load = (
        "import importlib, pkgutil, sys, fusion.engine as engine\n"
        "for module in pkgutil.walk_packages(engine.__path__, 'fusion.engine.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(sorted({'django', 'asgiref', 'channels', 'httpx', 'aiohttp', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", load], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_providers_and_doors_speak_http() -> None:
    files = [path for room in WITHOUT_HTTP for path in _files_of(room)]
    assert [found for path in files for found in outsiders(path, path.read_text(), ("httpx", "aiohttp"))] == []


def test_providers_never_read_the_environment() -> None:
    assert [path for path in _files_of("providers") if "os.environ" in path.read_text()] == []


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("engine", "from fusion.runs import services"),
        ("engine", "import fusion.models.run"),
        ("teams", "from fusion import runs"),
        ("web", "from fusion.api.schemas import Reply"),
        ("live", "from fusion_site import settings"),
    ],
)
def test_an_upward_arrow_is_seen(room: str, line: str) -> None:
    assert upward_arrows(ROOT / "fusion" / room / "some.py", line)


def test_a_hidden_import_is_seen() -> None:
    text = "async def late() -> None:\n    from fusion.runs import services\n"
    assert hidden_imports(ROOT / "fusion" / "web" / "some.py", text)


def _files_of(room: str) -> list[Path]:
    single = ROOT / "fusion" / f"{room}.py"
    return [single] if single.exists() else list(sources(f"fusion/{room}"))
