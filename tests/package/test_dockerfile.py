"""The Dockerfile against what it copies and what deploys it. It is not built: that wants a container runtime."""

import re

from support.paths import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
EXTRAS = re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)[1].split(",")


def copied() -> list[str]:
    lines = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    return [word for line in lines for word in line.split()]


def test_what_it_copies_is_there_and_reaches_the_build():
    allowed = (REPOSITORY / ".dockerignore").read_text().splitlines()
    for name in copied():
        assert (REPOSITORY / name).exists() and f"!{name}" in allowed, name


def test_it_copies_what_an_installation_and_the_training_job_need():
    job = (REPOSITORY / "deploy/kubernetes.train.yaml").read_text()
    assert "image: hrs-keras:latest" in job and "--tag hrs-keras:latest ." in DOCKERFILE
    script, recipe = re.search(r"python (\S+) (\S+)", job).groups()
    assert script in copied() and (REPOSITORY / recipe).is_file() and recipe.split("/")[0] in copied()
    needed = {"setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "hrs_keras", "recipes"}
    assert needed <= {*copied()}


def test_its_extras_exist():
    config = (REPOSITORY / "setup.cfg").read_text()
    assert all(re.search(rf"^{extra} =", config, re.MULTILINE) for extra in EXTRAS)
