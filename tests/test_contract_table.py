"""The table of the contract counts failures, also of a test's set-up."""

from tests.contract_table import contract_table


def test_rows_are_trainers_and_columns_checks():
    path = "tests/trainers/test_contract.py::test_"
    lines = contract_table(
        [
            (f"{path}it_resumes[lifter]", "passed"),
            (f"{path}it_resumes[poseaug]", "failed"),
            (f"{path}xla_step[lifter]", "skipped"),
            (f"{path}xla_step[poseaug]", "error"),
            (f"{path}xla_step[poseaug]", "passed"),
            ("tests/trainers/test_lifter.py::test_it[x]", "failed"),
        ]
    )
    assert lines == [
        "1: it resumes",
        "2: xla step",
        "",
        "               1        2",
        "lifter        ok  skipped",
        "poseaug   FAILED   FAILED",
    ]


def test_without_the_contracts_tests_there_is_no_table():
    assert contract_table([("tests/test_skeletons.py::test_it", "passed")]) == []
