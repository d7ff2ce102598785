"""Clouds and hosted services: command lines that delete what others use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, operands

_DELETES = re.compile(
    r"^(?:batch-)?(?:delete|destroy|purge|remove|rm|rb|del|drop|uninstall|unregister|terminate"
    r"|deregister|erase|wipe|revoke|unsubscribe|clear|forget|prune|reset|flush|disable|nuke"
    r"|deletefile|cleanup|clean)(?:$|[-_:])|[-:](?:delete|destroy|reset|remove|deletion|terminate)(?:$|-)"
    r"|^(?:stop|detach|cancel|schedule|archive|kill|undefine|disassociate|reboot|suspend)-"
    r"|^(?:update-secret|put-secret-value|archive|kill|untag|recreate)$|:restore$|^(?:force_reset|break-lock|rdelete)$"
)


_POSTED = re.compile(r"(?:-X|--request)[ =]?[\"']?(?:POST|PUT)\b|^(?:POST|PUT) ")


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


def _aws(arguments: Sequence[str]) -> Danger | None:
    if "AdministratorAccess" in " ".join(arguments):
        return Danger("GRANT_ALL", "gives every right away")
    if "sync" in arguments and "--delete" in arguments:
        return Danger("SERVICE_DELETE", "deletes what the source does not have", 0.8)
    return _admin(arguments)


def _stops(arguments: Sequence[str]) -> Danger | None:
    """Programs where stopping deletes: virtual machines, jobs."""
    words = operands(arguments)
    if {"stop", "undefine", "unregistervm", "kill", "poweroff", "-purge"} & set(words[:3]):
        return Danger("STOP_SERVICE", "stops or forgets a machine or a job", 0.7)
    return _admin(arguments)


def _http(arguments: Sequence[str]) -> Danger | None:
    text = " ".join(arguments)
    if re.search(r"(?:-X|--request)[ =]?[\"']?DELETE\b", text) or arguments[:1] == ["DELETE"]:
        return Danger("HTTP_DELETE", "deletes something at a service", 0.7)
    if _POSTED.search(text) and re.search(r"(?i)[/_-]delete(?:$|[/_?\s-])", text):
        return Danger("HTTP_DELETE", "deletes something at a service", 0.7)
    if re.search(r"(?i)/(?:doDelete|_delete_by_query|_shutdown|_close)\b", text):
        return Danger("HTTP_DELETE", "deletes something at a service", 0.7)
    return None


def _java(arguments: Sequence[str]) -> Danger | None:
    if any("jenkins-cli" in word for word in arguments):
        return _admin(arguments)
    return None


_MACHINES = str.split("virsh VBoxManage esxcli qm pct nomad vmadm xe prlctl vim-cmd")

_ADMIN: dict[str, Rule] = dict.fromkeys(
    str.split(
        "akamai algolia aliyun apigeecli argocd az azcopy borg braintree btrfs "
        "buildkite-agent ceph cf circleci civo confluent conjur consul datadog-ci deck doctl "
        "doppler duplicity eksctl etcdctl fastly firebase flipt flux fly flyctl gcloud gh "
        "gitlab-runner glab grafana-cli gsutil hcloud heroku hub ibmcloud infisical "
        "jenkins-cli kafka-acls kafka-configs kafka-consumer-groups kafka-delete-records "
        "kafka-topics kafka-topics.sh kopia kops launchctl ldcli linode-cli mc meilisearch "
        "nats netlify newrelic ngrok oci op openstack paypal pd pulsar-admin "
        "rabbitmqadmin rabbitmqctl railway rancher rclone restic rpk s3cmd scw sendgrid snap "
        "split splunk square stripe supabase tailscale tccli travis twilio unleash vault "
        "velero vercel wrangler zfs zpool crictl ctr lxc incus multipass tmutil exo upctl "
        "proxmox-backup-client temporal atlas mongocli turso neonctl pscale amplify eb istioctl "
        "linkerd cilium b2 sentry-cli"
    ),
    _admin,
)
"""Programs of the form `NAME [GROUP …] VERB …`."""

RULES: dict[str, Rule] = (
    _ADMIN
    | dict.fromkeys(_MACHINES, _stops)
    | {
        "aws": _aws,
        "curl": _http,
        "http": _http,
        "https": _http,
        "java": _java,
        "wget": _http,
    }
)
