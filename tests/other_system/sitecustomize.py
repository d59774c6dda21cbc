"""What Windows lacks is taken away from every process that finds this file: modules, calls, forking, and the trust in the machine's encoding."""

import multiprocessing
import os
import sys
import warnings

for name in ("fcntl", "grp", "pwd", "termios"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "geteuid", "killpg", "setsid"):
    delattr(os, name)
linux_has = os.sysconf
os.sysconf = lambda name: linux_has({"SC_PHYS_PAGES": "there is none"}.get(name, name))
multiprocessing.get_all_start_methods = lambda: ["spawn"]
with warnings.catch_warnings():
    # filelock finds neither of its locks, since msvcrt cannot be simulated.
    warnings.simplefilter("ignore")
    import filelock  # noqa: F401
warnings.filterwarnings("error", category=EncodingWarning, module=r"cjlib\b")
