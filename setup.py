"""What setup.cfg can't say: packages are found in two places, and the second has another name."""

from setuptools import find_packages, setup

plugins = [f"deephits_plugins.{name}" for name in find_packages("plugins")]
setup(packages=[*find_packages(include=["deephits_keras*"]), "deephits_plugins", *plugins])
