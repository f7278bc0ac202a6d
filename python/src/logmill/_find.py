"""Find the command."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig


def find_logmill_bin() -> str:
    """Return the path of the `logmill` command that came with this package.

    LOGMILL_BIN names another one. The PATH is searched only if the package contains no command.
    """
    if named := os.environ.get("LOGMILL_BIN"):
        return named
    places = [
        sysconfig.get_path("scripts"),
        os.path.join(sys.prefix, "bin"),
        # pip install --user, and --target with the folder on PYTHONPATH.
        sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")),
        os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bin"),
    ]
    for place in places:
        path = os.path.join(place, "logmill")
        if os.access(path, os.X_OK):
            return path
    if path := shutil.which("logmill") or "":
        return path
    raise FileNotFoundError(
        f"the logmill command is in none of {', '.join(places)}, nor on the PATH; "
        "install logmill-loader anew, or name it in LOGMILL_BIN"
    )
