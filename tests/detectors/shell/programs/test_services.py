from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("aws s3 rb s3://x", "SERVICE_DELETE"),
        ("aws ec2 terminate-instances --instance-ids i-1", "SERVICE_DELETE"),
        ("aws s3 sync a s3://b --delete", "SERVICE_DELETE"),
        ("az group delete -n prod", "SERVICE_DELETE"),
        ("gcloud storage rm gs://b/f", "SERVICE_DELETE"),
        ("helm uninstall x -n prod", "SERVICE_DELETE"),
        ("vault secrets disable x/", "SERVICE_DELETE"),
        ("java -jar jenkins-cli.jar delete-job x", "SERVICE_DELETE"),
        ("curl -X DELETE http://x/y", "HTTP_DELETE"),
        ("curl http://x/job/a/doDelete", "HTTP_DELETE"),
        ("http DELETE :9200/x", "HTTP_DELETE"),
        ("aws iam attach-user-policy --policy-arn a:AdministratorAccess", "GRANT_ALL"),
        ("heroku pg:reset DATABASE", "SERVICE_DELETE"),
        ("kafka-topics --delete --topic x", "SERVICE_DELETE"),
        ("virsh undefine x", "STOP_SERVICE"),
        ("qm destroy 100", "SERVICE_DELETE"),
        ("curl -X POST http://x/a/delete", "HTTP_DELETE"),
        ("docker system prune -af", "DELETE_CONTAINERS"),
        ("docker volume rm x", "DELETE_CONTAINERS"),
        ("docker compose down -v", "DELETE_CONTAINERS"),
        ("kubectl delete pod x", "KUBERNETES_DELETE"),
        ("kubectl scale deploy x --replicas=0", "KUBERNETES_DELETE"),
        ("terraform destroy", "INFRASTRUCTURE_DESTROY"),
        ("terraform apply -destroy", "INFRASTRUCTURE_DESTROY"),
        ("terraform state rm x", "INFRASTRUCTURE_DESTROY"),
        ("pulumi destroy", "INFRASTRUCTURE_DESTROY"),
    ],
)
def test_deletion_at_a_service_is_found(line: str, kind: str) -> None:
    program, *arguments = shlex.split(line)
    danger = danger_of(program, arguments)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "aws s3 ls",
        "aws s3 rm s3://x --dryrun",
        "aws help",
        "vault read x",
        "java -jar app.jar delete",
        "curl http://x",
        "docker ps",
        "docker rm x",
        "docker compose down",
        "kubectl get pods",
        "kubectl delete --help",
        "terraform plan",
        "pulumi up",
        "gh pr list",
    ],
)
def test_everyday_work_is_not_found(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert danger_of(program, arguments) is None
