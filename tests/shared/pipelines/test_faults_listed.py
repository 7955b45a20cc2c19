"""Every fault of the programs that these formats come from, and the test that it is none of ours."""

# ruff: noqa: E501 - a fault and its test are one line

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LEVELS, YAML = "tests/shared/pipelines/test_read_levels.py", "tests/shared/pipelines/test_read_yaml.py"
RUNS = "tests/shared/pipelines/targets/test_workflows.py"
CELLS = "tests/shared/pipelines/targets/test_level_files.py"
LEGACY = "tests/src/legacy/test_workflows_generator.py"
FAULTS = {
    "unknown keys, duplicate names, unknown or cyclic depends_on": (YAML, "test_a_circle_is_told_as_the_way_round"),
    "bad cron": (YAML, "test_a_fault_of_the_pipeline_is_told_with_its_place"),
    "table: instead of table_name:": (YAML, "test_table_is_another_word_for_table_name"),
    "what a target cannot express": ("tests/shared/pipelines/targets/test_cells.py", "test_what_is_refused_says_where_and_what_to_do"),
    "values that break out of a literal": ("tests/shared/pipelines/targets/test_injection.py", "test_no_text_is_executed_by_an_engine"),
    "a gap in LEVEL_IDs ends the run": (RUNS, "test_the_faults_of_the_original_generator_are_not_here"),
    "other THREAD_IDs in the next level": (LEVELS, "test_gaps_in_level_ids_and_other_thread_ids_do_no_harm"),
    "a failed job is polled for ever": (RUNS, "test_any_other_state_ends_the_poll_and_the_run_fails"),
    "NEXT, sync, workflows crash": (CELLS, "test_workflows_does_what_a_level_file_says"),
    "timeouts are ignored": (RUNS, "test_a_job_that_never_ends_is_given_up_and_continue_if_fail_goes_on"),
    "CONTINUE_IF_FAIL is ignored": (CELLS, "test_step_functions_does_what_a_level_file_says"),
    "duplicate JOB_NAMEs": (LEVELS, "test_a_fault_is_told_with_its_line"),
    "more than 10 threads, more than 128 KB": (RUNS, "test_many_threads_become_branches_of_branches_and_too_much_is_refused"),
    "a job called load_error_log counts as failed": (RUNS, "test_the_faults_of_the_original_generator_are_not_here"),
    "a JOB_NAME with a hyphen is no Python": ("tests/shared/pipelines/targets/test_airflow.py", "test_any_name_is_a_task_and_a_variable_of_its_own"),
    "an unknown executor does nothing": (LEVELS, "test_an_engine_that_nobody_knows_is_refused_and_composer_needs_executors"),
    "a wrong command line exits with 0": (LEGACY, "test_a_wrong_command_line_is_told_how_it_goes"),
    "False means true": (LEGACY, "test_it_is_called_by_its_path_and_false_means_the_working_directory"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_is_listed_has_its_test(fault: str) -> None:
    file, name = FAULTS[fault]

    assert f"def {name}(" in (ROOT / file).read_text()
