"""The way of a plain question from the magic to the request stays short."""

from __future__ import annotations

import json
import subprocess
import sys

MAX_FILES = 45
"""Files of the package in which code runs before the request is sent."""
MAX_FRAMES = 14
"""Functions of the package on the stack when it is sent."""

_TRACE = """
import json, sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
import claude_magic
from claude_magic.simulator import start

package = str(Path(claude_magic.__file__).parent)
files, stack = set(), []

def watch(frame, event, _):
    path, name = frame.f_code.co_filename, frame.f_code.co_name
    if event != "call" or stack:
        return
    if path.startswith(package) and "/simulator/" not in path:
        files.add(path.removeprefix(package + "/"))
    if name == "stream" and path.endswith("httpx2/_client.py"):
        while frame is not None:
            if frame.f_code.co_filename.startswith(package):
                stack.append(frame.f_code.co_filename.removeprefix(package + "/") + " " + frame.f_code.co_qualname)
            frame = frame.f_back

with start() as simulator:
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "claude_magic")
    shell.run_line_magic("config", f"ClaudeMagics.base_url = {simulator.url!r}")
    shell.run_cell_magic("claude", "", "Hello.")
    sys.setprofile(watch)
    shell.run_cell_magic("claude", "", "Hello again.")
    sys.setprofile(None)
print(json.dumps([sorted(files), stack[::-1]]))
"""


def test_a_plain_question_takes_a_short_way() -> None:
    run = subprocess.run([sys.executable, "-c", _TRACE], capture_output=True, text=True, check=True)
    files, stack = json.loads(run.stdout.splitlines()[-1])
    assert stack, "the request was not seen"
    assert stack[0].startswith("notebook/magics.py")
    assert len(files) <= MAX_FILES, "\n".join(files)
    assert len(stack) <= MAX_FRAMES, "\n".join(stack)
