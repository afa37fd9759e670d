"""A test file run by pytest as one Bazel target."""

load("@rules_python//python:defs.bzl", "py_test")

def pose_test(name, deps = [], data = [], **kwargs):
    """Runs the tests of `<name>.py` that are not marked slow.

    Args:
      name: name of the test file, without `.py`.
      deps: targets of the modules it imports.
      data: targets of the programs it starts, and files it reads.
      **kwargs: passed to `py_test`.
    """
    py_test(
        name = name,
        srcs = [
            name + ".py",
            "//tests:run_pytest.py",
        ],
        args = ["$(rootpath %s.py)" % name],
        data = data + ["//:pyproject.toml"],
        main = "//tests:run_pytest.py",
        deps = deps + ["//tests:conftest"],
        **kwargs
    )
