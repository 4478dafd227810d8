"""Programs in JavaScript with their libraries, installed below build/ at first use."""
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


def node(program, *args):
    os.makedirs(FOLDER, exist_ok=True)
    if not is_current():
        shutil.copy(f"{SOURCE}/package.json", FOLDER)
        run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=FOLDER)
        shutil.copy(f"{SOURCE}/package.json", f"{FOLDER}/installed.json")
    shutil.copy(f"{SOURCE}/{program}", FOLDER)
    return run("node", program, *args, cwd=FOLDER)
