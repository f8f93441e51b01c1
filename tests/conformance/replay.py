"""Replay recorded scenarios against any module with Chroma's surface.

    python tests/conformance/replay.py MODULE [--corpus FILE] [--only SUBSTR] [--no-messages] [--on-disk]

Prints "N passed, M failed" (steps) and every failure; exit status 1 when anything failed. A step tagged "deviation" is
performed but not counted: there we differ on purpose (docs/compatibility.md). ``--on-disk`` opens a directory wherever
a scenario opens an ephemeral client.

A scenario is ``{"name", "steps"}``, a step ``{"call", "pos", "args", "as", "expect", …}``; ``call`` is a dotted path
whose head is a saved variable, or one of the words in BUILT_IN. Arguments may hold tags such as ``{"@nd": [[1]]}``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import re
import shutil
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Env = dict[str, Any]
SCENARIOS = Path(__file__).with_name("scenarios.json")


# --- JSON -> arguments --------------------------------------------------------------------------------------------
def decode(value: Any, env: Env) -> Any:
    """A call's argument from its JSON."""
    if isinstance(value, list):
        return [decode(item, env) for item in value]
    if not isinstance(value, dict):
        return value
    tag = next((tag for tag in TAGS if tag in value), None)
    if tag is None:
        return {key: decode(item, env) for key, item in value.items()}
    return TAGS[tag](value[tag], value, env)


TAGS: dict[str, Callable[[Any, dict[str, Any], Env], Any]] = {
    "@var": lambda v, x, env: resolve(v, env),
    "@nd": lambda v, x, env: np.array(decode(v, env), dtype=x.get("dtype", "float32")),
    "@float": lambda v, x, env: float(v),
    "@rep": lambda v, x, env: v[0] * v[1],
    "@sv": lambda v, x, env: env["mod"].SparseVector(**v),
    "@items": lambda v, x, env: {decode(key, env): decode(item, env) for key, item in v},
    "@obj": lambda v, x, env: resolve("mod." + v, env),
    "@tuple": lambda v, x, env: tuple(decode(v, env)),
    "@bytes": lambda v, x, env: v.encode(),
    "@ids": lambda v, x, env: [f"{v[0]}{i}" for i in range(v[1], v[2])],
    "@uuid": lambda v, x, env: uuid.UUID(v),
    "@npf": lambda v, x, env: getattr(np, x.get("dtype", "float32"))(v),
    "@kw": lambda v, x, env: resolve("mod." + v, env)(*decode(x.get("pos", []), env), **decode(x.get("args", {}), env)),
}


def resolve(path: str, env: Env) -> Any:
    """What a dotted path names; modules on the way are imported."""
    head, *rest = path.split(".")
    found = env[head]
    for part in rest:
        if head == "mod" and not hasattr(found, part):
            found = importlib.import_module(f"{found.__name__}.{part}")
        else:
            found = getattr(found, part)
    return found


# --- Results -> JSON --------------------------------------------------------------------------------------------------
def normal(value: Any) -> Any:
    """A result as JSON that can be compared."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        value = float(value)
        return value if math.isfinite(value) else {"@float": str(value)}
    if isinstance(value, np.ndarray):
        return {"@nd": normal(value.tolist()), "dtype": str(value.dtype)}
    if isinstance(value, uuid.UUID):
        return "@uuid"
    if isinstance(value, dict):
        return {str(key): normal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [normal(item) for item in value]
    if type(value).__name__ == "SparseVector":
        fields = {"indices": value.indices, "values": value.values, "labels": value.labels}
        return {"@sv": normal(fields)}
    if hasattr(value, "query") and hasattr(value, "metadata"):
        return {"@collection": value.name, "metadata": normal(value.metadata)}
    return {"@type": type(value).__name__}


def same(a: Any, b: Any) -> bool:
    """Strict on types (True != 1 != 1.0), tolerant on float values."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=2e-5, abs_tol=2e-6)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def shaped(value: Any, step: dict[str, Any]) -> Any:
    """The part of a result that a step compares."""
    value = normal(value)
    for key in step.get("pick", []):
        value = value[key] if isinstance(value, (dict, list)) else value
    if "keys" in step:
        value = {key: value.get(key) for key in step["keys"]}
    if step.get("sorted"):
        value = sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return value


# --- Steps ------------------------------------------------------------------------------------------------------------
def open_client(
    env: Env, kind: str = "ephemeral", path: str = "p", settings: dict[str, Any] | None = None, **places: Any
) -> Any:
    mod, on_disk = env["mod"], env["on_disk"]
    if on_disk and kind == "ephemeral":
        kind, path = "persistent", "in-place-of-memory"
    elif on_disk and kind == "admin":
        directory = os.path.join(env["tmp"], "in-place-of-memory")
        settings = {**(settings or {}), "is_persistent": True, "persist_directory": directory}
    if settings is not None:
        places["settings"] = mod.Settings(**settings)
    if kind == "persistent":
        return mod.PersistentClient(path=os.path.join(env["tmp"], path), **places)
    return {"ephemeral": mod.EphemeralClient, "plain": mod.Client, "admin": mod.AdminClient}[kind](**places)


BUILT_IN: dict[str, Callable[..., Any]] = {
    "@open": open_client,
    "@get": lambda env, path: resolve(path, env),
    "@repr": lambda env, value: repr(value),
    "@str": lambda env, value: str(value),
    "@len": lambda env, value: len(value),
    "@type": lambda env, value: type(value).__name__,
    "@hasattr": lambda env, value, name: hasattr(value, name),
    "@eq": lambda env, a, b: bool(a == b),
    "@is": lambda env, a, b: a is b,
    "@isinstance": lambda env, value, kind: isinstance(value, kind),
    "@bool": lambda env, value: bool(value),
    "@keys": lambda env, value: sorted(value.keys()),
    "@exists": lambda env, path: os.path.exists(os.path.join(env["tmp"], path)),
    "@mro": lambda env, cls: [base.__name__ for base in cls.__mro__],
}


def perform(step: dict[str, Any], env: Env) -> Any:
    arguments, positional = decode(step.get("args", {}), env), decode(step.get("pos", []), env)
    if step["call"] in BUILT_IN:
        return BUILT_IN[step["call"]](env, *positional, **arguments)
    return resolve(step["call"], env)(*positional, **arguments)


def outcome(step: dict[str, Any], env: Env) -> dict[str, Any]:
    """``{"value": …}`` or ``{"raises": …, "mro": …, "message": …}``."""
    try:
        result = perform(step, env)
        if "as" in step:
            env[step["as"]] = result
        return {"value": shaped(result, step)}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic of Chroma's bindings is no Exception
        mro = [cls.__name__ for cls in type(error).__mro__]
        return {"raises": type(error).__name__, "mro": mro, "message": str(error)}


def is_as_expected(got: dict[str, Any], step: dict[str, Any], messages: bool) -> bool:
    expected = step["expect"]
    if "without" in step and isinstance(got.get("value"), list):
        got["value"] = [item for item in got["value"] if item not in step["without"]]
    if "raises" not in expected:
        return "value" in got and ("any" in expected or same(expected["value"], got["value"]))
    pattern = expected["raises"]["message_regex"]
    if expected["raises"]["class"] not in got.get("mro", []):
        return False
    return not messages or re.search(pattern, got["message"], re.DOTALL) is not None


def replay(
    mod: ModuleType, scenario: dict[str, Any], messages: bool = True, on_disk: bool = False
) -> tuple[int, list[str], int]:
    """How many steps passed, what failed, how many counted."""
    env: Env = {"mod": mod, "tmp": tempfile.mkdtemp(prefix="scenario-"), "on_disk": on_disk}
    failures: list[str] = []
    passed = counted = 0
    try:
        for number, step in enumerate(scenario["steps"]):
            got = outcome(step, env)
            right = is_as_expected(got, step, messages)
            if "deviation" in step:
                continue
            counted += 1
            passed += right
            if not right:
                got.pop("mro", None)
                failures.append(
                    f"FAIL {scenario['name']} step {number} ({step['call']})\n"
                    f"  want {json.dumps(step['expect'])[:600]}\n  got  {json.dumps(got)[:600]}"
                )
                if "as" in step:  # later steps need it
                    break
    finally:
        clean(env)
    return passed, failures, counted


def clean(env: Env) -> None:
    """Isolate scenarios: any client can empty the per-process cache of systems."""
    for value in env.values():
        if hasattr(type(value), "clear_system_cache"):
            value.clear_system_cache()
            break
    shutil.rmtree(env["tmp"], ignore_errors=True)
    env.clear()


def scenarios(corpus: Path = SCENARIOS) -> list[dict[str, Any]]:
    return json.loads(corpus.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def runs_on_disk(scenario: dict[str, Any]) -> bool:
    """Whether a directory may stand in for the memory: not where the ephemeral store itself is the subject."""
    opened = [step.get("args", {}).get("kind") for step in scenario["steps"] if step["call"] == "@open"]
    speaks_of_it = "for ephemeral" in json.dumps(scenario)
    return "ephemeral" in opened and "plain" not in opened and not speaks_of_it


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("module", nargs="?", default="chromadb")
    parser.add_argument("--corpus", type=Path, default=SCENARIOS)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-messages", action="store_true", help="compare exception classes only")
    parser.add_argument("--on-disk", action="store_true", help="a directory in place of every ephemeral client")
    options = parser.parse_args()
    sys.path.append(str(Path(__file__).parents[2]))  # this checkout, where the module is not installed
    mod = importlib.import_module(options.module)
    warnings.simplefilter("ignore")
    chosen = [scenario for scenario in scenarios(options.corpus) if options.only in scenario["name"]]
    if options.on_disk:
        chosen = [scenario for scenario in chosen if runs_on_disk(scenario)]
    passed, failures, counted = 0, [], 0
    for scenario in chosen:
        right, wrong, steps = replay(mod, scenario, not options.no_messages, options.on_disk)
        passed, failures, counted = passed + right, failures + wrong, counted + steps
    print(*failures, sep="\n", end="\n" if failures else "")
    print(f"{passed} passed, {len(failures)} failed ({len(chosen)} scenarios)")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
