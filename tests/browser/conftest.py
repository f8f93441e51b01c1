"""A real JupyterLab on 127.0.0.1 and the system's Chromium, driven by Playwright.

A test has a notebook of its own. What is dear to make is made once for a module: a page with JupyterLab, where one
notebook after the other is opened, and a kernel with what it has imported, which is emptied between two tests. After a
test that fails both are made anew, and a test may ask for a page that nobody used.

Everything lives in pytest's temporary folder and is ended by its process id. Without a Chromium, or
without Playwright or JupyterLab, the tests here are skipped and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

#: Screenshots, for people; not in git.
SHOTS = Path(__file__).parent / "shots"
ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Milliseconds that anything may take on a busy machine.
PATIENCE = 120_000

#: No news pop-up; cells off the screen stay in the page.
_LAB_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
_EMPTY = """
import ipywidgets
from chroma_nb.client.shared_system_client import SharedSystemClient
ipywidgets.Widget.close_all()
SharedSystemClient.clear_system_cache()
get_ipython().reset()
"""
_IDLE = """name => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return Boolean(context?.isReady && context.path === name && context.session?.kernel?.status === 'idle');
}"""


@dataclass
class JupyterServer:
    """A running JupyterLab: where it is, and the folder of its notebooks."""

    url: str
    folder: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of its REST API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with closing(urllib.request.urlopen(request, timeout=10)) as answer:
            return json.loads(answer.read() or b"null")

    def end_kernels(self) -> None:
        """Shut down every kernel, so that a notebook reopened knows nothing of its past."""
        for session in self.call("GET", "/api/sessions"):
            self.call("DELETE", f"/api/sessions/{session['id']}")

    def hand_kernel_on(self, name: str) -> None:
        """The kernel that an earlier test left, if it left one, is from now on that of the notebook ``name``."""
        for session in self.call("GET", "/api/sessions"):
            self.call("PATCH", f"/api/sessions/{session['id']}", {"path": name, "name": name, "type": "notebook"})


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """JupyterLab (and Notebook 7, where installed) for all browser tests of this run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (looked for chromium, chromium-browser, google-chrome)")
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed: pip install jupyterlab")
    home = tmp_path_factory.mktemp("jupyter")
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    command += [f"--ServerApp.root_dir={home / 'notebooks'}", "--LabApp.expose_app_in_browser=True"]
    environment = _private_environment(home)
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=home)
        try:
            server = JupyterServer(f"http://127.0.0.1:{port}", home / "notebooks")
            _wait_until_it_answers(server, process, home / "server.log")
            yield server
            server.end_kernels()
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _private_environment(home: Path) -> dict[str, str]:
    """Nothing of whoever runs the tests is read or written."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "IPYTHONDIR": "ipython",
        "XDG_CACHE_HOME": "cache",
    }
    for name in [*folders.values(), "notebooks"]:
        (home / name).mkdir()
    for path, values in _LAB_SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{path}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    private = {variable: str(home / name) for variable, name in folders.items()}
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **private, "PYTHONPATH": python_path, "CHROMA_NB_PROGRESS": "0"}


def _wait_until_it_answers(server: JupyterServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.call("GET", "/api/status")
            return
        except OSError:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3_000:]}")


@pytest.fixture(scope="module")
def chromium(jupyter: JupyterServer) -> Iterator[Any]:
    """The browser. For one module: Playwright leaves an event loop running, which other tests would meet.

    What is given is its pages' common context, so that a second page loads JupyterLab from its cache.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (looked for chromium, chromium-browser, google-chrome)")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
        )
        yield browser.new_context()
        browser.close()
    jupyter.end_kernels()


@dataclass
class Notebook:
    """A notebook in a page of JupyterLab. ``errors`` is what the console complained about."""

    page: Any
    server: JupyterServer
    name: str
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listeners = {
            "console": lambda message: self.errors.append(message.text) if message.type == "error" else None,
            "pageerror": lambda error: self.errors.append(str(error)),
        }
        for event, listener in self._listeners.items():
            self.page.on(event, listener)

    @property
    def path(self) -> Path:
        """The file."""
        return self.server.folder / self.name

    def open(self) -> None:
        """Show it alone in JupyterLab, in the page as an earlier test left it, and wait for its kernel."""
        if self.page.evaluate("Boolean(window.jupyterapp)"):
            self.command("docmanager:open", path=self.name, factory="Notebook")
            self.page.wait_for_function(_IDLE, arg=self.name, timeout=PATIENCE)
        else:
            self.load()

    def load(self) -> None:
        """As ``open``, but the page is loaded anew."""
        self.page.goto(f"{self.server.url}/doc/tree/{self.name}?reset")
        self.page.wait_for_function(_IDLE, arg=self.name, timeout=PATIENCE)

    def run(self) -> None:
        """Run every cell and wait for the last."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(_IDLE, arg=self.name, timeout=PATIENCE)

    def command(self, name: str, **arguments: Any) -> None:
        """A command of JupyterLab, waited for."""
        script = "async ([name, given]) => { await window.jupyterapp.commands.execute(name, given); }"
        self.page.evaluate(script, [name, arguments])

    def save(self) -> None:
        """Write it to its file."""
        self.command("docmanager:save")

    def dark(self) -> None:
        """JupyterLab's dark theme."""
        self._theme("JupyterLab Dark", is_light="false")

    def light(self) -> None:
        """JupyterLab's light theme; the server remembers the last one."""
        self._theme("JupyterLab Light", is_light="true")

    def _theme(self, name: str, is_light: str) -> None:
        self.command("apputils:change-theme", theme=name)
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{is_light}'", timeout=PATIENCE)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=PATIENCE)

    def evaluate(self, code: str) -> str:
        """What ``repr(code)`` is in the kernel: the other end of what the page shows."""
        script = """async (code) => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          const future = kernel.requestExecute({code: '', silent: true, user_expressions: {answer: code}});
          const answer = (await future.done).content.user_expressions.answer;
          return answer.status === 'ok' ? answer.data['text/plain'] : answer.ename + ': ' + answer.evalue;
        }"""
        answer: str = self.page.evaluate(script, code)
        return answer

    def leave(self) -> bool:
        """Nothing of it is left in its page and its kernel; False where they are of no use to another test."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        script = """async (code) => {
          const shown = window.jupyterapp?.shell.currentWidget, kernel = shown?.sessionContext?.session?.kernel;
          const late = new Promise(done => setTimeout(done, 60_000));
          const answer = await Promise.race([kernel?.requestExecute({code}).done, late]);
          shown?.dispose();
          return answer?.content.status === 'ok';
        }"""
        return not self.page.is_closed() and bool(self.page.evaluate(script, _EMPTY))

    def shot(self, name: str, **options: Any) -> Path:
        """A picture of the page, for people."""
        SHOTS.mkdir(exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path, **options)
        return path


OpenNotebook = Callable[..., Notebook]


@pytest.fixture(scope="module")
def left() -> list[Any]:
    """The page that the last test left, if it left one."""
    return []


@pytest.fixture
def notebook(
    jupyter: JupyterServer, chromium: Any, left: list[Any], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Notebook]]:
    """``notebook(*cells)`` opens a new notebook with these cells; ``notebook(name="x.ipynb")`` one that is there.

    That one has a page that nobody used, and so has one that is ``alone``, whose page nobody uses afterwards either.
    At the end a picture of each page that failed is in ``shots``, and the console must have been silent.
    """
    opened: list[Notebook] = []
    lonely: list[str] = []

    def open_notebook(
        *cells: str, name: str | None = None, width: int = 1280, height: int = 1000, alone: bool = False
    ) -> Notebook:
        page = left.pop() if cells and left and not alone else chromium.new_page()
        name = name or f"{request.node.name.split('[')[0]}.ipynb"
        if cells:
            (jupyter.folder / name).write_text(json.dumps(_notebook_json(cells)))
            jupyter.hand_kernel_on(name)
        lonely.extend([name] if alone else [])
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(PATIENCE / 3)
        one = Notebook(page, jupyter, name)
        opened.append(one)
        return one

    yield open_notebook
    failed = getattr(request.node, "failed_call", False)
    errors = [error for one in opened for error in one.errors]
    # JupyterLab's word for a widget that is gone, with its kernel or closed since, said when it has looked for it.
    errors = [error for error in errors if "widget model not found" not in error]
    if failed:
        for number, one in enumerate(opened):
            one.shot(f"failed-{request.node.name}-{number}")
    if failed or errors or not opened or not opened[-1].leave():
        jupyter.end_kernels()
    elif not lonely:
        left.append(opened.pop().page)
    for one in opened:
        one.page.close()
    if not failed:
        assert errors == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note with the test whether it failed, for the fixture that takes the picture."""
    report = yield
    if report.when == "call" and report.failed:
        item.failed_call = True  # type: ignore[attr-defined]
    return report  # type: ignore[return-value]


def _notebook_json(cells: tuple[str, ...]) -> dict[str, Any]:
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{n}",
                "execution_count": None,
                "metadata": {},
                "outputs": [],
                "source": s,
            }
            for n, s in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
