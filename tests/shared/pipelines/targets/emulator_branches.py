"""Runs in the emulator's environment: branches and iterations with variables of their own, as Google has it.

The emulator has all branches work in one context, so that one takes over the item, the error and the answer of
another. Here each has a copy, and only what is `shared` comes back. They run one after the other: an order that Google
may choose, too, and the same every time.
"""

from __future__ import annotations

import copy
from typing import Any

import workflows_emulator.main as emulator
from workflows_emulator.utils import WorkflowError


def execute(
    self: Any,
    task_configs: Any,
    concurrency_limit: int | None = None,
    index_var: str = "__index",
    value_var: str = "__value",
) -> Any:
    """All branches of a parallel step. Raises `SyntaxError` for a variable that would be written and is not shared."""
    shared = set(self.config["parallel"].get("shared", []))
    if lacking := sorted(shared - self.context.keys()):
        raise SyntaxError(f"shared variables that nobody has declared: {lacking}")
    own = {index_var, value_var} if "for" in self.config["parallel"] else set()
    errors: dict[str, WorkflowError] = {}
    for index, task in enumerate(task_configs):
        context = copy.deepcopy(self.context)
        if own:
            context |= {index_var: index, value_var: task["id"]}
        try:
            context, _, _ = emulator.execute_step(str(task["id"]), task["config"], context)
        except WorkflowError as error:
            errors[str(task["id"])] = error
        wrong = [n for n in self.context if n not in shared | own and context.get(n) != self.context[n]]
        if wrong:
            raise SyntaxError(
                f"variables {wrong} are written by a branch and not among the shared {sorted(shared)}"
            )
        self.context.update({name: context[name] for name in shared})
    self.check_raise_results(errors)
    return self.context


emulator.StepParallel.execute_task_config = execute
