"""The three pictures: how data flows, what is where, and how a push becomes a deployment.

Names, numbers and steps come from deploy/ and src/*/source.yml, so a picture that is no longer true is no longer the
same, and a test says so.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from src.delivery.template import read_template
from src.drawing.svg import Box, Picture
from src.workplace import source_files

DEPLOY = Path(__file__).parents[2] / "deploy"


def data_flow() -> Picture:
    """From a source to a table, for the stack of the template."""
    template = read_template(DEPLOY / "infra" / "template.yml")
    found = template["Resources"]
    name, source = next(
        (name, yaml.safe_load(path.read_text(encoding="utf-8"))) for name, path in source_files().items()
    )
    prefix = name.capitalize()
    words = "From an API through the landing zone in S3 into a warehouse table."
    picture = Picture(1220, 650, "Data flow", words)
    picture.group(240, 118, 732, 512, "AWS account: one stack for an environment")
    about = (f"{len(source['streams'])} streams", "pages, windows, reports")
    api = Box(540, 16, 190, f"{name} API", about, "outside")
    person = Box(24, 442, 176, "sluice backfill", ("a person,", "with --execution ARN"), "person")
    files = Box(24, 542, 176, "Dropped files", ("JSON lines, CSV", "to drop/<table>/ in S3"), "outside")
    when = (str(source.get("schedule", "by hand")), "its time is the run's name")
    schedule = Box(262, 156, 190, "Schedule", when)
    machine = Box(
        262, 270, 190, _short(found[f"{prefix}Machine"]["Properties"]["Name"]), _steps("run.asl.yml")
    )
    fills = _short(found[f"{prefix}Backfill"]["Properties"]["Name"])
    backfill = Box(262, 442, 190, fills, ("windows of the past,", "side by side"))
    ingest = _function(found[f"{prefix}Function"], 540, 300, "lands, stops, goes on")
    drop = _function(found["DropFunction"], 540, 542, "checks each line")
    holds = ("data/ immutable parts", "log/ commits, one PUT each", "rejected/ with reasons")
    bucket = Box(770, 156, 184, "Landing zone (S3)", holds, "store")
    rule = _short(found["CommitRule"]["Properties"]["Name"])
    queue = Box(
        770, 316, 184, "Queue of commits", (f"EventBridge: {rule}", "dead letters beside it"), "store"
    )
    load = _function(found["LoadFunction"], 770, 430, "stage, count, check")
    alarms = sum(one["Type"] == "AWS::CloudWatch::Alarm" for one in found.values())
    alert = Box(770, 556, 184, "Alerts", (f"{alarms} alarms, Slack, mail",), "alert")
    lines = ("stage: COPY of the parts", "checks on the stage", "one transaction:", "ledger and rows")
    warehouse = Box(1018, 408, 180, "Snowflake", lines, "outside")
    picture.add(api, person, files, schedule, machine, backfill, ingest, drop)
    picture.add(bucket, queue, load, alert, warehouse)
    picture.arrow(schedule.bottom, machine.top)
    picture.arrow(machine.right, (ingest.x, machine.right[1]), label="until done")
    picture.arrow(person.right, backfill.left)
    picture.arrow(backfill.right, (500, backfill.right[1]), (500, 362), (ingest.x, 362))
    limit = "HTTPS, within the rate limit"
    picture.arrow((635, api.bottom[1]), (635, ingest.y), label=limit, at=(570, 112), anchor="end")
    picture.arrow((ingest.right[0], 330), (748, 330), (748, 200), (bucket.x, 200))
    picture.note(650, 262, "parts, then")
    picture.note(650, 280, "one commit")
    picture.arrow(files.right, (drop.x, files.right[1]), label="event")
    picture.arrow(drop.right, (748, drop.right[1]), (748, 332))
    picture.arrow(bucket.bottom, queue.top, label="new commit", at=(870, 286), anchor="start")
    picture.arrow(queue.bottom, load.top)
    picture.arrow(load.right, (warehouse.x, load.right[1]), label="load", at=(994, 462))
    reads = "reads the committed parts"
    picture.arrow(warehouse.top, (1108, 200), (954, 200), dashed=True, label=reads, at=(1100, 192))
    picture.arrow(load.bottom, alert.top, dashed=True)
    return picture


def environments() -> Picture:
    """Branches, the tools account, and the accounts that are deployed into."""
    pipeline = read_template(DEPLOY / "cicd" / "pipeline.yml")
    target = read_template(DEPLOY / "cicd" / "target.yml")["Resources"]
    picture = Picture(
        1120,
        470,
        "Environments",
        "Two branches, a tools account with two pipelines, a dev and a prod account.",
    )
    picture.group(24, 40, 180, 390, "Git host")
    picture.group(244, 40, 500, 390, "Tools account")
    picture.group(784, 40, 312, 185, "dev account")
    picture.group(784, 245, 312, 185, "prod account")
    shared = Box(
        264,
        344,
        460,
        "Shared by both pipelines",
        (
            "Artifacts: a bucket and its key, shared with the accounts' roles",
            f"Build image: {pipeline['Parameters']['BuildImage']['Default']}",
        ),
        "store",
    )
    for environment, y in (("dev", 84), ("prod", 204)):
        made = pipeline["Resources"][f"{environment.capitalize()}Pipeline"]["Properties"]
        branch = pipeline["Parameters"][f"{environment.capitalize()}Branch"]["Default"]
        push = Box(44, y, 140, branch, ("push or merge",), "outside")
        stages = " → ".join(stage["Name"] for stage in made["Stages"])
        asked = any(
            action["ActionTypeId"]["Category"] == "Approval"
            for stage in made["Stages"]
            for action in stage["Actions"]
        )
        words = (
            stages,
            f"{made['PipelineType']}, {made['ExecutionMode']}",
            "a person is asked first" if asked else "without a question",
        )
        line = Box(264, y, 460, f"sluice-{environment}", words)
        stack_y = 84 if environment == "dev" else 289
        roles = [
            one["Properties"]["RoleName"]["Fn::Sub"]
            for one in target.values()
            if one["Type"] == "AWS::IAM::Role"
        ]
        names = tuple(_named(role, environment) for role in roles)
        stack = Box(
            804,
            stack_y,
            272,
            f"Stack sluice-{environment}",
            (
                *names,
                "every role inside a boundary",
                f"alarm {_named(target['AfterDeploy']['Properties']['AlarmName']['Fn::Sub'], environment)}",
            ),
            "compute",
        )
        picture.add(push, line, stack)
        picture.arrow(push.right, (line.x, push.right[1]))
        level = line.right[1] if environment == "dev" else line.right[1] + 10
        picture.arrow(
            (line.right[0], level),
            (764, level),
            (764, stack.left[1]),
            (stack.x, stack.left[1]),
            label="takes a role",
            at=(764, stack.left[1] + 22),
        )
    picture.add(shared)
    picture.note(44, 340, "connection, no key,")
    picture.note(44, 358, "nothing polls")
    return picture


def deployment() -> Picture:
    """The stages of the prod pipeline, and the two commands that do the same by hand."""
    pipeline = read_template(DEPLOY / "cicd" / "pipeline.yml")["Resources"]["ProdPipeline"]["Properties"]
    stages = pipeline["Stages"]
    width = 1120
    picture = Picture(
        width, 420, "Deployment", "The stages of the pipeline, and the two commands that do the same by hand."
    )
    picture.group(24, 30, width - 48, 205, "Pipeline (prod; dev has no Approve)")
    step = (width - 88) / len(stages)
    boxes = []
    for index, stage in enumerate(stages):
        lines = tuple(f"{n}. {_action(action)}" for n, action in enumerate(stage["Actions"], 1))
        kind: Any = (
            "person"
            if any("Approve" in line for line in lines)
            else "compute"
            if index == len(stages) - 1
            else "control"
        )
        boxes.append(Box(44 + index * step, 74, step - 30, stage["Name"], lines, kind))
    picture.add(*boxes)
    for one, other in pairwise(boxes):
        picture.arrow((one.right[0], 100), (other.x, 100))
    last = boxes[-1]
    (rule,) = stages[-1]["OnSuccess"]["Conditions"][0]["Rules"]
    alarm = _named(rule["Configuration"]["AlarmName"]["Fn::Sub"], "prod")
    back = ((last.bottom[0], 205), (last.x - 15, 205), (last.x - 15, last.y + 44), (last.x, last.y + 44))
    words = f"alarm {alarm}: the deployment before again"
    picture.arrow(last.bottom, *back, dashed=True, label=words, at=(last.x + 30, 228))
    picture.group(24, 255, width - 48, 140, "By hand: two commands")
    built = Box(
        44,
        294,
        300,
        "make layers package",
        ("wheels from Pipfile.lock, by digest", "the same bytes twice, no Docker"),
        "compute",
    )
    up = Box(
        404,
        294,
        300,
        "make deploy ENV=dev",
        ("zips to S3 under their digest", "change set: shown, and asked for"),
        "control",
    )
    stack = Box(
        764,
        294,
        312,
        "Stack sluice-dev",
        ("functions run the zips that were tested", "data stays when the stack goes"),
        "store",
    )
    picture.add(built, up, stack)
    picture.arrow(built.right, up.left)
    picture.arrow(up.right, stack.left)
    return picture


def _function(resource: dict[str, Any], x: float, y: float, does: str) -> Box:
    properties = resource["Properties"]
    size = f"{properties['MemorySize']} MB, {properties['Timeout']} s, arm64"
    return Box(x, y, 184, _short(properties["FunctionName"]), (size, does), "compute")


def _steps(file: str) -> tuple[str, ...]:
    """What a machine does, in order: the names of its tasks and maps that are not about failure."""
    document = yaml.safe_load((DEPLOY / "infra" / file).read_text(encoding="utf-8"))
    work = [name for name, state in document["States"].items() if state["Type"] in ("Task", "Map")]
    return tuple(f"· {name}" for name in work[:7])


def _action(action: dict[str, Any]) -> str:
    mode = action.get("Configuration", {}).get("ActionMode")
    return {"CHANGE_SET_REPLACE": "Change set", "CHANGE_SET_EXECUTE": "Execute it"}.get(mode, action["Name"])


def _short(name: dict[str, str]) -> str:
    """The name of a resource without what all names begin with."""
    return name["Fn::Sub"].removeprefix("${AppName}-${Environment}-")


def _named(text: str, environment: str) -> str:
    return text.replace("${AppName}", "sluice").replace("${Environment}", environment)


PICTURES = {"data-flow": data_flow, "environments": environments, "deployment": deployment}
