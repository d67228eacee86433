"""Trackers from npm packages, bundled by esbuild for a page, as on web sites.

`python -m tests.end_to_end.bundler` minifies Sluice's own tracker after a change.
"""

import hashlib
import platform
import subprocess
from functools import cache
from pathlib import Path

from tests.end_to_end.npm import Package, unpack

ROOT = Path(__file__).parents[2]
OWN_SOURCE = ROOT / "ingest" / "http" / "tracker" / "script.js"
OWN_MINIFIED = OWN_SOURCE.with_name("script.min.js")

ESBUILD = Package(
    "@esbuild/linux-x64",
    "0.28.2",
    "sha512-4xTZr1FUmSoQW4XIWmit3tzQrUTZM+N3P0XV8xROKYF50XfI7xeO90+1bZvNwxIufQ9hDQVRJH5YhgPVF8A/HQ==",
)
OFFICIAL = Package(
    "@plausible-analytics/tracker",
    "0.4.6",
    "sha512-nbu6xGgSP6jeYuoVklZBzucUnIpo75tVu3Kr+R0EDycVKaMC/jF5Q/YCaM/8gR4fPZ1IDcXt6FdBJFZ1uZwEPA==",
)
PLAUSIBLE_TRACKER = Package(
    "plausible-tracker",
    "0.3.9",
    "sha512-hMhneYm3GCPyQon88SZrVJx+LlqhM1kZFQbuAgXPoh/Az2YvO1B6bitT9qlhpiTdJlsT5lsr3gPmzoVjb5CDXA==",
)
PLAUSIBLE_CLIENT = Package(
    "plausible-client",
    "2.0.0",
    "sha512-P8y3wr42vo8adXCwO/gUiFZ3awIZ5sXLBNYsDwGPVPKv5jH8FguZ95nVibaRAoN2Lw0tQUAixs82j9EifhxS1w==",
)
LODASH = Package(
    "lodash",
    "4.17.23",
    "sha512-LgVTMpQtIopCi79SJeDiP0TfWi5CNEc/L/aRdTh3yIvmZXTnheWpKjSZhnvMl8iXbC1tFg9gdHHDMLoV7CnG+w==",
)
PACKAGES = (ESBUILD, OFFICIAL, PLAUSIBLE_TRACKER, PLAUSIBLE_CLIENT, LODASH)


@cache
def node_modules() -> Path:
    """Return the directory of all packages, in which Node and esbuild look for them.

    Raises:
        RuntimeError: A package cannot be downloaded.
    """
    pins = "".join(package.integrity for package in PACKAGES)
    trackers = ROOT / ".cache" / "trackers"
    modules = trackers / hashlib.sha256(pins.encode()).hexdigest()[:12] / "node_modules"
    for package in PACKAGES:
        unpack(package, modules / package.name, trackers)
    return modules


@cache
def bundle(package: Package) -> str:
    """Bundle a package as one script that assigns its exports to the page's `tracker`."""
    return bundle_source(f'import * as tracker from "{package.name}"; window.tracker = tracker')


def bundle_source(source: str) -> str:
    """Bundle a module that imports packages as one script for a page."""
    return _esbuild(source, "--bundle", "--format=iife", "--target=es2020")


def minify_own() -> str:
    """Return Sluice's own tracker in its served form, minified from its source."""
    return _esbuild(OWN_SOURCE.read_text(), "--minify", "--target=es2017", "--charset=utf8")


def _esbuild(source: str, *options: str) -> str:
    if platform.machine() != "x86_64":
        raise RuntimeError("esbuild is pinned for Linux on x86-64")
    modules = node_modules()
    program = modules / ESBUILD.name / "bin" / "esbuild"
    program.chmod(0o755)
    result = subprocess.run(
        [str(program), *options, "--log-level=error"],
        input=source,
        cwd=modules.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"esbuild failed:\n{result.stderr}")
    return result.stdout


def main() -> None:
    """Minify Sluice's own tracker."""
    OWN_MINIFIED.write_text(minify_own())
    print(f"{OWN_MINIFIED.relative_to(ROOT)}: {OWN_MINIFIED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
