"""Compiles modules with mypyc while a wheel is built: the build hook `custom` in `pyproject.toml`.

It is off unless the environment has `HATCH_BUILD_HOOK_ENABLE_CUSTOM=1`. The wheel then holds each
module twice: as Python, and as a library for one version of Python on one platform. Any other
Python does not see the libraries, and runs the modules as they are. `docs/performance.md` says what
is gained, and what differs in compiled modules.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from mypyc.build import mypycify
from setuptools import Distribution

LIBRARY = "ingest"
"""The libraries of the modules share one, `ingest__mypyc`."""


class CompilingHook(BuildHookInterface[Any]):
    """Compiles the modules that the option `modules` names."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the modules, and add their libraries to the wheel.

        Args:
            version: `standard`, or `editable`, which has no libraries: they would be older than the
                modules after the next change.
            build_data: What hatchling puts into the wheel.
        """
        if version != "standard":
            return
        self._directory = TemporaryDirectory()
        built = Path(self._directory.name)
        # Not the strict options of `pyproject.toml`: where the libraries that Sluice uses are not
        # installed, their types are unknown.
        options = ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports"]
        distribution = Distribution(
            {
                "ext_modules": mypycify(
                    [*options, *self.config["modules"]],
                    debug_level="0",
                    target_dir=str(built / "c"),
                    group_name=LIBRARY,
                )
            }
        )
        command = distribution.get_command_obj("build_ext")
        command.build_lib = str(built / "lib")
        command.build_temp = str(built / "temp")
        distribution.run_command("build_ext")
        for path in sorted((built / "lib").rglob("*.so")):
            build_data["force_include"][str(path)] = str(path.relative_to(built / "lib"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled, which the wheel now holds. Arguments as of `initialize`."""
        if version == "standard":
            self._directory.cleanup()
