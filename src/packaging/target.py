"""What a zip is built for: a Python version and a processor, and so which wheels fit and what their markers say."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags

from shared.common.errors import unknown

DEPLOYED = "3.13"
"""The Python of the functions in the template."""

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's names of processors and Linux's."""

GLIBC = {"3.11": 26, "3.12": 34, "3.13": 34}
"""Minor version of glibc 2 in each runtime: Amazon Linux 2 up to Python 3.11, then Amazon Linux 2023.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""


@dataclass(frozen=True)
class Target:
    """A runtime of Lambda. Raises `Misconfigured` listing the known versions and architectures."""

    python: str
    arch: str

    def __post_init__(self) -> None:
        if self.python not in GLIBC:
            raise unknown("Python version", self.python, GLIBC)
        if self.arch not in MACHINES:
            raise unknown("architecture", self.arch, MACHINES)

    @classmethod
    def here(cls) -> Target:
        """The Python and the processor that run this. Raises `Misconfigured` where Lambda has no such thing."""
        return cls(running_python(), machine_arch())

    @property
    def name(self) -> str:
        return f"python{self.python}-{self.arch}"

    @property
    def platforms(self) -> list[str]:
        """The tags of wheels that its glibc can load, the newest first."""
        machine = MACHINES[self.arch]
        older = ["manylinux2014", *(["manylinux2010", "manylinux1"] if self.arch == "x86_64" else [])]
        newer = [f"manylinux_2_{minor}" for minor in range(GLIBC[self.python], 16, -1)]
        return [f"{one}_{machine}" for one in (*newer, *older)]

    @cached_property
    def ranks(self) -> Mapping[Tag, int]:
        """Every tag of a wheel that fits; the smallest rank fits best. The order is that of pip."""
        version = tuple(int(part) for part in self.python.split("."))
        interpreter = f"cp{version[0]}{version[1]}"
        tags = [
            *cpython_tags(version, platforms=self.platforms),
            *compatible_tags(version, interpreter, [*self.platforms]),
        ]
        return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}

    @property
    def markers(self) -> dict[str, str]:
        """What the markers of requirements are decided by (PEP 508), for there and not for here."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": MACHINES[self.arch],
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
            "extra": "",
        }


def running_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def machine_arch() -> str:
    """This machine's processor by Lambda's name, or its own name where Lambda has none."""
    machine = platform.machine().lower()
    return {"aarch64": "arm64", "arm64": "arm64", "amd64": "x86_64", "x86_64": "x86_64"}.get(machine, machine)
