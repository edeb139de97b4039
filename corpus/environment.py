"""The project's virtual environment: made when missing, installed anew when pyproject.toml changes.

``python3 -m corpus`` and ``python3 -m tests`` start under whatever Python is there, call
:func:`ensure`, and go on inside ``.venv``. Only the standard library is imported here, and the
syntax is one that Python 3.4 can still compile, so that an old interpreter gets to print why it
can't be used instead of a SyntaxError. That is why there are no f-strings and few annotations.
"""
# ruff: noqa: UP032

import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
VENV = os.path.join(ROOT, ".venv")  # noqa: PTH118
MINIMUM = (3, 11)
EXTRAS = "test"


def ensure(program: str) -> None:
    """Return inside ``.venv``'s Python, with wasmir and the test tools installed.

    ``program`` is the folder (``corpus``, ``tests``) to start again there. If this process is that
    Python already, and the installation is up to date, nothing happens.
    """
    if sys.version_info < MINIMUM:
        _give_up(
            "wasmir needs Python {}.{} or newer, and this is {} ({}).\n"
            "Start the same command with a newer one, for example `python3.12 -m {}`.".format(
                MINIMUM[0], MINIMUM[1], sys.version.split()[0], sys.executable, program
            )
        )
    python = _venv_python()
    inside = os.path.realpath(sys.prefix) == os.path.realpath(VENV)
    stamp = os.path.join(VENV, "wasmir-installed")  # noqa: PTH118
    wanted = _fingerprint()
    if not (os.path.exists(python) and _read(stamp) == wanted):  # noqa: PTH110
        if not inside:
            _make_venv(python)
        _install(python)
        _write(stamp, wanted)
    if inside:
        return
    arguments = [python, os.path.join(ROOT, program)] + sys.argv[1:]  # noqa: PTH118, RUF005
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(python, arguments)  # noqa: S606
    # Elsewhere exec returns to the shell before the new process is done.
    sys.exit(subprocess.call(arguments))


def _venv_python() -> str:
    if os.name == "nt":
        return os.path.join(VENV, "Scripts", "python.exe")  # noqa: PTH118
    return os.path.join(VENV, "bin", "python")  # noqa: PTH118


def _fingerprint() -> str:
    """What an installation depends on: the metadata, the interpreter, and where the checkout is.

    The place counts because an editable install and a venv's scripts hold absolute paths: a moved
    checkout must be installed again.
    """
    digest = hashlib.sha256()
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as stream:  # noqa: PTH118, PTH123
        digest.update(stream.read())
    digest.update(ROOT.encode("utf-8", "surrogateescape"))
    digest.update("{}.{} {}".format(sys.version_info[0], sys.version_info[1], EXTRAS).encode())
    return digest.hexdigest()


def _make_venv(python: str) -> None:
    _say("Making a virtual environment in {}".format(VENV))
    # --clear: what is there was left by an interrupted run, another Python, or another place.
    made = subprocess.call([sys.executable, "-m", "venv", "--clear", VENV])
    if made == 0 and os.path.exists(python):  # noqa: PTH110
        return
    _give_up(
        "`{} -m venv` failed, so there is no virtual environment to install into.\n"
        "On Debian and Ubuntu the part of Python that does it is a package of its own:\n"
        "    apt install python{}.{}-venv\n"
        "Elsewhere, a Python with `ensurepip` is what is missing.".format(
            sys.executable, sys.version_info[0], sys.version_info[1]
        )
    )


def _install(python: str) -> None:
    _say("Installing wasmir and its test tools (once; again when pyproject.toml changes)")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--editable", "{}[{}]".format(ROOT, EXTRAS)]
    if subprocess.call(command) != 0:
        _give_up(
            "The installation failed; pip's words are above. The command was\n    {}".format(
                " ".join(command)
            )
        )


def _read(path: str) -> "str | None":
    try:
        with open(path) as stream:  # noqa: PTH123
            return stream.read()
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    with open(path + ".new", "w") as stream:  # noqa: PTH123
        stream.write(text)
    os.replace(path + ".new", path)  # noqa: PTH105


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def _give_up(message: str) -> None:
    _say("error: " + message)
    sys.exit(1)
