"""Runs one command and writes what it cost to a file: `python -I -S benchmarks/measured.py FILE COMMAND…`.

A process between the harness and the command, because Linux counts the memory of the process that forks to the peak
of the forked one: this one is smaller than all that is measured.
"""

from __future__ import annotations

import os
import sys
import time

file, command = sys.argv[1], sys.argv[2:]
began = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
scale = 1024 if sys.platform == "linux" else 1  # ru_maxrss is in KB on Linux, in bytes on macOS
with open(file, "w", encoding="ascii") as out:
    out.write(f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss * scale / 1e6} {code}")
