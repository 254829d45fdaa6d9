"""The command ``claude-magic``: the demo notebooks, the simulator and the doctor."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = {
    "quickstart": "quickstart",
    "vision": "vision",
    "tools": "tools",
    "wire": "what_goes_over_the_wire",
    "class": "class",
}
_LAB = "pip install 'claude_magic[lab]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Defaults to those of the process, without the program's name.

    Returns
    -------
    int
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="claude-magic", description="Work with Claude inside a notebook.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="open the tutorial notebooks in JupyterLab")
    demo.add_argument("--dir", type=Path, help="folder for the notebooks (default: a temporary one)")
    demo.add_argument("--notebook", choices=NOTEBOOKS, default="quickstart", help="which one to open first")
    demo.add_argument("--execute", action="store_true", help="run it without a browser, and print cells and outputs")
    demo.add_argument("--to", type=Path, metavar="FILE", help="with --execute: save the executed notebook there")
    demo.add_argument("--simulator", action="store_true", help="use the simulator even if there is an API key")
    demo.add_argument("lab", nargs="*", metavar="-- ARGUMENT", help="arguments for JupyterLab")
    demo.set_defaults(run=_demo)

    simulator = commands.add_parser("simulator", help="run the simulator of the Messages API until Ctrl-C")
    simulator.add_argument(
        "--port", type=int, default=8017, help="port on 127.0.0.1 (default 8017; 0 chooses a free one)"
    )
    simulator.add_argument("--pace", type=_positive, default=60.0, help="pieces of text per second (default 60)")
    simulator.set_defaults(run=_simulator)

    doctor = commands.add_parser("doctor", help="check key, server, model and versions")
    doctor.set_defaults(run=_doctor)

    given = parser.parse_args(arguments)
    if getattr(given, "to", None) and not given.execute:
        parser.error("--to requires --execute")
    if getattr(given, "to", None) and not given.to.absolute().parent.is_dir():
        parser.error(f"--to: the folder {str(given.to.absolute().parent)!r} does not exist")
    status: int = given.run(given)
    return status


def _positive(word: str) -> float:
    value = float(word)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _simulator(given: argparse.Namespace) -> int:
    from claude_magic.simulator import start

    try:
        simulator = start(port=given.port, pace=given.pace)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        print(f"claude-magic: port {given.port} cannot be used: {reason}. Try --port 0.", file=sys.stderr)
        return 1
    print(
        f"Simulator of the Messages API at {simulator.url}\n  ANTHROPIC_BASE_URL={simulator.url} jupyter lab",
        flush=True,
    )
    simulator.serve_forever()
    return 0


def _doctor(given: argparse.Namespace) -> int:
    from claude_magic.notebook.doctor import examine_shell, report

    findings = examine_shell()
    print(report(findings))
    return int(any(finding.state == "fail" for finding in findings))


def _demo(given: argparse.Namespace) -> int:
    try:
        notebook = _copy(given.dir) / f"{NOTEBOOKS[given.notebook]}.ipynb"
    except (OSError, LookupError) as error:
        print(f"claude-magic: {error}", file=sys.stderr)
        return 1
    environment = dict(os.environ)
    has_key = any(environment.get(name) for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"))
    if given.simulator or not (has_key or environment.get("ANTHROPIC_BASE_URL")):
        environment["ANTHROPIC_BASE_URL"] = "simulator"
        why = "" if given.simulator else "There is no API key: "
        print(f"{why}the notebook uses the built-in simulator, whose answers do not come from a model.", flush=True)
    return _execute(notebook, environment, given.to) if given.execute else _open(notebook, environment, given.lab)


def _copy(folder: Path | None) -> Path:
    """Copy the notebooks into a folder of the user's, without replacing any."""
    sources = [_shipped(f"{name}.ipynb") for name in NOTEBOOKS.values()]
    target = (folder or Path(tempfile.mkdtemp(prefix="claude-magic-"))).expanduser().resolve()
    target.mkdir(parents=True, exist_ok=True)
    for source in sources:
        if not (target / source.name).exists():
            shutil.copyfile(source, target / source.name)
    return target


def _shipped(name: str) -> Path:
    """Find a notebook in the checkout, if this is one, or among the installed files."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").exists() and (checkout / "notebooks" / name).exists():
        return checkout / "notebooks" / name
    for file in metadata.files("claude_magic") or ():
        if file.as_posix().endswith(f"share/claude_magic/notebooks/{name}"):
            return Path(str(file.locate()))
    raise LookupError(f"{name} is missing from the installation. Install claude_magic again.")


def _open(notebook: Path, environment: Mapping[str, str], lab_arguments: Sequence[str]) -> int:
    print(f"Opening {notebook}", flush=True)
    try:
        command = [sys.executable, "-m", "jupyterlab", str(notebook), *lab_arguments]
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  the user's own command
    except KeyboardInterrupt:
        return 0


def _execute(notebook: Path, environment: Mapping[str, str], to: Path | None) -> int:
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ModuleNotFoundError as error:
        print(f"claude-magic: {error.name} is not installed. Run: {_LAB}", file=sys.stderr)
        return 1
    try:
        document = nbformat.read(notebook, as_version=4)
    except ValueError:
        print(f"claude-magic: {notebook} is not a notebook. Move it, or choose another --dir.", file=sys.stderr)
        return 1
    client = NotebookClient(document, timeout=600, resources={"metadata": {"path": str(notebook.parent)}})
    failed = False
    try:
        client.execute(env=dict(environment))
    except CellExecutionError:
        failed = True  # the error is among the outputs that are printed below
    for cell in document.cells:
        _print_cell(cell)
    if to is not None:
        nbformat.write(document, to)
        print(f"Saved as {to}")
    return 1 if failed else 0


def _print_cell(cell: NotebookNode) -> None:
    if cell.cell_type != "code":
        print(f"{cell.source}\n")
        return
    lines = cell.source.splitlines()
    print("\n".join(f"{'>>> ' if number == 0 else '... '}{line}" for number, line in enumerate(lines)))
    for output in cell.outputs:
        if output.output_type == "stream":
            print(output.text.rstrip())
        elif output.output_type == "error":
            print("\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
        else:
            picture = next((kind for kind in output.data if kind.startswith("image/")), None)
            text = output.data.get("text/markdown") or output.data.get("text/plain") or ""
            print(f"[{picture}]" if picture else text)
    print()


if __name__ == "__main__":
    sys.exit(main())
