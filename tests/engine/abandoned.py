"""A program that runs a container and is killed meanwhile: `python -m tests.engine.abandoned SOCKET IMAGE`."""

from __future__ import annotations

import sys

import docker

from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.processes.container import ContainerProcess
from shared.orchestrator.settings import Surroundings

if __name__ == "__main__":
    context = {"image": sys.argv[2], "command": ["sleep", "300"], "pull": "never", "network": "none"}
    process = ContainerProcess.model_validate(
        {"name": "p", "type": "container", "execution_context": context}
    )
    around = Surroundings(doors={"container": lambda: docker.DockerClient(base_url=sys.argv[1])})
    process.open(around).execute(Event("the ether", Operation.CREATE, "1"), Run("p", "k"))
