"""Targets: which wheels fit a runtime, and what markers say about it."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.tags import Tag

from shared.common.errors import Misconfigured
from src.packaging.target import MACHINES, Target


def test_a_newer_glibc_fits_better_and_a_too_new_one_not_at_all() -> None:
    ranks = Target("3.13", "arm64").ranks
    new, old = (Tag("cp313", "cp313", f"manylinux_2_{n}_aarch64") for n in (34, 17))

    assert ranks[new] < ranks[old]
    assert Tag("cp313", "cp313", "manylinux_2_35_aarch64") not in ranks


def test_python_3_11_runs_on_the_older_system() -> None:
    """Amazon Linux 2 has glibc 2.26: a wheel for 2.28 would be found missing in production only."""
    ranks = Target("3.11", "x86_64").ranks

    assert Tag("cp311", "cp311", "manylinux_2_26_x86_64") in ranks
    assert Tag("cp311", "cp311", "manylinux_2_28_x86_64") not in ranks


def test_a_wheel_of_another_processor_or_python_does_not_fit() -> None:
    ranks = Target("3.13", "arm64").ranks

    assert Tag("cp313", "cp313", "manylinux_2_17_x86_64") not in ranks
    assert Tag("cp312", "cp312", "manylinux_2_17_aarch64") not in ranks
    assert Tag("cp311", "abi3", "manylinux_2_17_aarch64") in ranks
    assert Tag("py3", "none", "any") in ranks


@pytest.mark.parametrize("arch", MACHINES)
def test_markers_are_decided_for_the_target_and_not_for_this_machine(arch: str) -> None:
    markers = Target("3.12", arch).markers

    assert Marker(f"platform_machine == '{MACHINES[arch]}' and sys_platform == 'linux'").evaluate(markers)
    assert Marker("python_version < '3.13' and python_full_version >= '3.12.0'").evaluate(markers)
    assert not Marker("sys_platform == 'win32' or extra == 'pandas'").evaluate(markers)


def test_an_unknown_version_lists_the_known_ones() -> None:
    with pytest.raises(Misconfigured, match=r'unknown Python version "3\.10"') as caught:
        Target("3.10", "arm64")

    assert "3.11, 3.12, 3.13" in caught.value.hint
