"""Containers, clusters and infrastructure as code: what deletes what others run."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, has

_CLUSTER_OPTIONS = frozenset(
    str.split(
        "-n --namespace --context --cluster --kubeconfig -s --server --user --as --token -f -l "
        "--host -H --log-level --config -c --kube-context --chdir -C --stack --profile --file "
        "-p --project-name --env-file"
    )
)


def _words(arguments: Sequence[str]) -> list[str]:
    """Operands, without the values of the options that may stand before a verb."""
    words: list[str] = []
    previous = ""
    for word in arguments:
        if not word.startswith("-") and previous not in _CLUSTER_OPTIONS:
            words.append(word)
        previous = word
    return words


def _docker(arguments: Sequence[str]) -> Danger | None:
    words = _words(arguments)
    if words[:1] == ["compose"]:
        words = words[1:]
    if "prune" in words[:2]:
        return Danger("DELETE_CONTAINERS", "deletes images, containers or volumes", 0.8)
    is_removing = words[:1] in (["rm"], ["rmi"]) or words[1:2] in (["rm"], ["remove"])
    is_data = words[:1] in (
        ["volume"],
        ["secret"],
        ["stack"],
        ["swarm"],
        ["config"],
        ["service"],
        ["machine"],
    )
    if is_removing and (is_data or has(arguments, "fv", "--force", "--volumes")):
        return Danger("DELETE_CONTAINERS", "deletes containers, images or volumes by force", 0.8)
    if "down" in words[:1] and has(arguments, "v", "--volumes", "--rmi"):
        return Danger("DELETE_CONTAINERS", "deletes the volumes of a project", 0.8)
    if words[:2] == ["swarm", "leave"] and has(arguments, "f", "--force"):
        return Danger("DELETE_CONTAINERS", "takes a node out of its swarm by force", 0.8)
    is_all = any("$(" in word or word in ("-aq", "$unknown") for word in arguments)
    if words[:1] in (["kill"], ["stop"]) and is_all:
        return Danger("STOP_SERVICE", "stops every container", 0.6)
    if words[:1] in (["run"], ["create"]) and _is_escaping(arguments):
        return Danger("CONTAINER_ESCAPE", "gives a container the whole machine", 0.7)
    return None


def _is_escaping(arguments: Sequence[str]) -> bool:
    text = " ".join(arguments)
    is_root = any(word.startswith("/:/") or "source=/," in word for word in arguments)
    is_host = "--privileged" in arguments and ("--pid=host" in text or "nsenter" in text)
    return (is_root and ("chroot" in text or "--privileged" in arguments)) or is_host


def _kubectl(arguments: Sequence[str]) -> Danger | None:
    words = _words(arguments)
    verb = words[0] if words else ""
    if any(word.startswith("--dry-run") and not word.endswith("none") for word in arguments):
        return None
    if verb in ("delete", "drain") or words[:2] == ["adm", "drain"]:
        return Danger("KUBERNETES_DELETE", "deletes objects of a cluster")
    is_replaced = verb == "replace" and has(arguments, "", "--force")
    is_scaled = verb == "scale" and _is_zero(arguments)
    is_pruned = verb == "apply" and has(arguments, "", "--prune")
    if is_replaced or is_scaled or is_pruned:
        return Danger("KUBERNETES_DELETE", "stops or replaces what a cluster runs", 0.7)
    if verb in ("cordon", "taint") or words[:2] == ["rollout", "undo"]:
        return Danger("STOP_SERVICE", "keeps work off a node, or rolls it back", 0.6)
    return None


def _is_zero(arguments: Sequence[str]) -> bool:
    return "--replicas=0" in arguments or "--replicas 0" in " ".join(arguments)


def _helm(arguments: Sequence[str]) -> Danger | None:
    words = _words(arguments)
    if words[:1] in (["uninstall"], ["delete"], ["del"], ["un"]):
        if has(arguments, "", "--dry-run"):
            return None
        return Danger("SERVICE_DELETE", "removes a release from a cluster", 0.8)
    if words[:1] == ["rollback"]:
        return Danger("STOP_SERVICE", "rolls a release back", 0.6)
    is_forced = words[:1] in (["upgrade"], ["rollback"]) and has(
        arguments, "", "--force", "--reset-values"
    )
    return Danger("KUBERNETES_DELETE", "replaces a release by force", 0.7) if is_forced else None


def _terraform(arguments: Sequence[str]) -> Danger | None:
    words = _words(arguments)
    flags = {word.lstrip("-") for word in arguments if word.startswith("-")}
    joined = " ".join(words)
    if (
        words[:1] == ["destroy"]
        or "run-all destroy" in joined
        or joined.startswith("stack destroy")
    ):
        return Danger("INFRASTRUCTURE_DESTROY", "destroys infrastructure", 1.0)
    if words[:1] == ["apply"] and flags & {"destroy", "destroy=true"}:
        return Danger("INFRASTRUCTURE_DESTROY", "destroys infrastructure", 1.0)
    is_forgetting = words[:2] in (["state", "rm"], ["state", "push"], ["workspace", "delete"])
    if is_forgetting or words[:1] in (["force-unlock"], ["taint"]):
        return Danger("INFRASTRUCTURE_DESTROY", "forgets or replaces infrastructure", 0.8)
    is_replaced = any(flag.startswith("replace=") for flag in flags)
    if words[:1] == ["apply"] and (is_replaced or {"auto-approve", "auto-approve=true"} & flags):
        return Danger("INFRASTRUCTURE_CHANGE", "changes infrastructure without a question", 0.6)
    return None


def _stack(arguments: Sequence[str]) -> Danger | None:
    words = _words(arguments)
    if {"destroy", "down", "delete", "remove"} & set(words[:2]) or words[:2] == ["stack", "rm"]:
        return Danger("INFRASTRUCTURE_DESTROY", "destroys infrastructure")
    return None


RULES: dict[str, Rule] = {
    "cdk": _stack,
    "copilot": _stack,
    "docker": _docker,
    "docker-compose": _docker,
    "helm": _helm,
    "k": _kubectl,
    "k3s": lambda arguments: _kubectl(arguments[1:]) if arguments[:1] == ["kubectl"] else None,
    "kubectl": _kubectl,
    "microk8s": lambda arguments: _kubectl(arguments[1:]) if arguments[:1] == ["kubectl"] else None,
    "nerdctl": _docker,
    "oc": _kubectl,
    "podman": _docker,
    "podman-compose": _docker,
    "pulumi": _stack,
    "sam": _stack,
    "serverless": _stack,
    "sls": _stack,
    "sst": _stack,
    "terraform": _terraform,
    "terragrunt": _terraform,
    "tofu": _terraform,
    "vagrant": _stack,
}
