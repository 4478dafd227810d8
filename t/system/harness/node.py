"""Programs in JavaScript with their libraries, installed below build/ at first use."""
import fcntl
import os
import shutil

from .clients import run
from .storage import ROOT

SOURCE = f"{ROOT}/t/system/js"
FOLDER = f"{ROOT}/build/js"


def is_current():
    """The libraries are those of package.json."""
    try:
        with open(f"{SOURCE}/package.json") as ours, open(f"{FOLDER}/installed.json") as theirs:
            return ours.read() == theirs.read()
    except FileNotFoundError:
        return False


def install():
    """Once, whoever comes first; a registry that falls silent is asked again."""
    with open(f"{FOLDER}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_current():
            return
        shutil.copy(f"{SOURCE}/package.json", FOLDER)
        run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error",
            "--fetch-timeout=20000", "--fetch-retries=5", "--fetch-retry-mintimeout=1000",
            "--fetch-retry-maxtimeout=5000", cwd=FOLDER)
        shutil.copy(f"{SOURCE}/package.json", f"{FOLDER}/installed.json")


def node(program, *args):
    os.makedirs(FOLDER, exist_ok=True)
    install()
    shutil.copy(f"{SOURCE}/{program}", FOLDER)
    return run("node", program, *args, cwd=FOLDER)
