"""A SLURM of one machine, from Debian's packages slurmctld, slurmd and munge; needs to be root."""

import contextlib
import os
import platform
import shutil
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """What keeps SLURM from running here; empty if nothing does."""
    programs = [name for name in PROGRAMS if shutil.which(name) is None]
    if programs:
        return f"{', '.join(programs)} not installed: apt-get install slurmctld slurmd munge"
    return "" if os.geteuid() == 0 else "slurmd needs root"


@contextlib.contextmanager
def slurm(folder):
    """Start it; ``SLURM_CONF`` is set meanwhile. Ends only what it started."""
    configuration = folder / "slurm.conf"
    host, cpus = platform.node().split(".")[0], os.cpu_count()
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, cpus=cpus))
    for name in ("spool", "state"):
        (folder / name).mkdir()
    os.environ["SLURM_CONF"] = str(configuration)
    started = []
    try:
        if not os.path.exists("/run/munge/munge.socket.2"):
            os.makedirs("/run/munge", exist_ok=True)
            shutil.chown("/run/munge", "munge", "munge")
            started.append(subprocess.Popen(["runuser", "-u", "munge", "--", "munged", "--foreground"]))
            _wait(lambda: os.path.exists("/run/munge/munge.socket.2"), "munged")
        started.append(subprocess.Popen(["slurmctld", "-D", "-i"]))
        started.append(subprocess.Popen(["slurmd", "-D", "-N", host]))
        _wait(lambda: "idle" in _states(), "slurmd")
        yield
    finally:
        del os.environ["SLURM_CONF"]
        for process in reversed(started):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _states():
    return subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True).stdout


def _wait(condition, name):
    ends = time.monotonic() + 60
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"{name} did not come up")
        time.sleep(0.5)
