"""What `mitmdump -s addons/guard.py` loads, for development; settings by `CALLGATE_*`.

mitmproxy reloads a script that changes and unloads one that breaks, and then lets traffic
through: use `callgate serve` for anything that matters.
"""

from callgate.proxy import ScriptGuard

addons = [ScriptGuard.from_environment()]
