"""Policies: which tools may be called, by whom, with which arguments.

Owns the file format (`callgate.yaml`, and `safeclaw.yaml` unchanged), matching, constraints
and conditions. Knows nothing of detectors, verdicts or traffic: a call goes in, a ruling
comes out.
"""

from callgate.policy.file import PolicyFile
from callgate.policy.policy import Policy
from callgate.policy.rules import Ruling

__all__ = ["Policy", "PolicyFile", "Ruling"]
