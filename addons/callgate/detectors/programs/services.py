"""Clusters, clouds and hosted services: command lines that delete what others use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.programs.base import Danger, Rule, has, operands

_DELETES = re.compile(
    r"^(?:batch-)?(?:delete|destroy|purge|remove|rm|rb|del|drop|uninstall|unregister|terminate"
    r"|deregister|erase|wipe|revoke|unsubscribe|clear|forget|prune|reset|flush|disable|nuke"
    r"|deletefile|cleanup|clean)(?:$|[-_:])|:delete$|^(?:force_reset|break-lock|rdelete)$"
)


def _admin(arguments: Sequence[str]) -> Danger | None:
    words = operands(arguments)
    if {"--dry-run", "--dryrun"} & set(arguments) or "help" in (*words[:1], *words[-1:]):
        return None
    # The verb is among the first words, behind groups and the values of flags.
    if any(_DELETES.search(word.lower()) for word in words[:6]):
        return Danger("SERVICE_DELETE", "deletes or disables something at a service", 0.8)
    if any(re.match(r"--(?:delete|remove|purge|reset-offsets)", word) for word in arguments):
        return Danger("SERVICE_DELETE", "deletes something at a service", 0.7)
    return None


def _http(arguments: Sequence[str]) -> Danger | None:
    text = " ".join(arguments)
    if re.search(r"(?:-X|--request)[ =]?[\"']?DELETE\b", text) or arguments[:1] == ["DELETE"]:
        return Danger("HTTP_DELETE", "deletes something at a service", 0.7)
    if re.search(r"(?i)/(?:doDelete|_delete_by_query|_shutdown|_close)\b", text):
        return Danger("HTTP_DELETE", "deletes something at a service", 0.7)
    return None


def _java(arguments: Sequence[str]) -> Danger | None:
    if any("jenkins-cli" in word for word in arguments):
        return _admin(arguments)
    return None


def _docker(arguments: Sequence[str]) -> Danger | None:
    words = operands(arguments)
    if "prune" in words[:2]:
        return Danger("DELETE_CONTAINERS", "deletes images, containers or volumes", 0.8)
    is_removing = words[:1] in (["rm"], ["rmi"]) or words[1:2] in (["rm"], ["remove"])
    is_data = words[:1] in (["volume"], ["secret"], ["stack"], ["swarm"], ["config"])
    if is_removing and (is_data or has(arguments, "f", "--force")):
        return Danger("DELETE_CONTAINERS", "deletes containers, images or volumes by force", 0.8)
    if "down" in words and has(arguments, "v", "--volumes", "--rmi"):
        return Danger("DELETE_CONTAINERS", "deletes the volumes of a project", 0.8)
    return None


def _kubectl(arguments: Sequence[str]) -> Danger | None:
    verb = next(iter(operands(arguments)), "")
    if verb in ("delete", "drain"):
        return Danger("KUBERNETES_DELETE", "deletes objects of a cluster")
    is_replaced = verb == "replace" and has(arguments, "", "--force")
    is_scaled = verb == "scale" and "--replicas=0" in arguments
    if is_replaced or is_scaled:
        return Danger("KUBERNETES_DELETE", "stops what a cluster runs", 0.7)
    return None


def _terraform(arguments: Sequence[str]) -> Danger | None:
    words = operands(arguments)
    if words[:1] == ["destroy"] or "-destroy" in arguments or "run-all destroy" in " ".join(words):
        return Danger("INFRASTRUCTURE_DESTROY", "destroys infrastructure", 1.0)
    if words[:2] in (["state", "rm"], ["workspace", "delete"], ["force-unlock"]) or words[:1] == [
        "taint"
    ]:
        return Danger("INFRASTRUCTURE_DESTROY", "forgets or replaces infrastructure", 0.8)
    return None


def _stack(arguments: Sequence[str]) -> Danger | None:
    words = operands(arguments)
    if {"destroy", "down"} & set(words[:2]) or words[:2] == ["stack", "rm"]:
        return Danger("INFRASTRUCTURE_DESTROY", "destroys infrastructure")
    return None


_ADMIN: dict[str, Rule] = dict.fromkeys(
    str.split(
        "akamai algolia aliyun apigeecli argocd aws az azcopy borg braintree btrfs "
        "buildkite-agent ceph cf circleci civo confluent conjur consul datadog-ci deck doctl "
        "doppler duplicity eksctl etcdctl fastly firebase flipt flux fly flyctl gcloud gh "
        "gitlab-runner glab grafana-cli gsutil hcloud helm heroku hub ibmcloud infisical "
        "jenkins-cli kafka-acls kafka-configs kafka-consumer-groups kafka-delete-records "
        "kafka-topics kafka-topics.sh kopia kops launchctl ldcli linode-cli mc meilisearch "
        "nats netlify newrelic ngrok nomad oci op openstack paypal pd pulsar-admin "
        "rabbitmqadmin rabbitmqctl railway rancher rclone restic rpk s3cmd scw sendgrid snap "
        "split splunk square stripe supabase tailscale tccli travis twilio unleash vault "
        "velero vercel wrangler zfs zpool"
    ),
    _admin,
)
"""Programs of the form `NAME [GROUP …] VERB …`."""

RULES: dict[str, Rule] = _ADMIN | {
    "cdk": _stack,
    "curl": _http,
    "docker": _docker,
    "docker-compose": _docker,
    "http": _http,
    "https": _http,
    "java": _java,
    "kubectl": _kubectl,
    "nerdctl": _docker,
    "oc": _kubectl,
    "podman": _docker,
    "pulumi": _stack,
    "sam": _stack,
    "terraform": _terraform,
    "terragrunt": _terraform,
    "tofu": _terraform,
    "vagrant": _stack,
    "wget": _http,
}
