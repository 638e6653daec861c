"""What setup.cfg cannot say: the folder ``recipes`` at the top of the repository is part of the installed package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["hrs_keras*"]), "hrs_keras.recipes"],
    package_dir={"hrs_keras.recipes": "recipes"},
    package_data={
        "hrs_keras": ["py.typed", "*.pyi"],
        "hrs_keras.report": ["templates/*"],
        "hrs_keras.recipes": ["**/*.yaml"],
    },
)
