from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of
from callgate.detectors.shell.programs.base import Danger


def judge(line: str) -> Danger | None:
    program, *arguments = shlex.split(line)
    return danger_of(program, arguments)


HARM = r"""
DELETE_CONTAINERS       docker system prune -af
DELETE_CONTAINERS       docker rm -f web
DELETE_CONTAINERS       docker volume rm data
DELETE_CONTAINERS       docker compose -f x.yml down -v
DELETE_CONTAINERS       docker-compose down --rmi all
DELETE_CONTAINERS       docker swarm leave --force
STOP_SERVICE            docker stop "$(docker ps -q)"
CONTAINER_ESCAPE        docker run -v /:/host alpine chroot /host
CONTAINER_ESCAPE        docker run --privileged --pid=host alpine sh
KUBERNETES_DELETE       kubectl -n prod delete pods --all
KUBERNETES_DELETE       kubectl adm drain x
KUBERNETES_DELETE       kubectl drain x
KUBERNETES_DELETE       kubectl scale deploy/x --replicas 0
KUBERNETES_DELETE       kubectl replace --force -f x.yaml
KUBERNETES_DELETE       kubectl apply --prune -f x.yaml
KUBERNETES_DELETE       kubectl delete ns x --dry-run=none
KUBERNETES_DELETE       k3s kubectl delete ns x
KUBERNETES_DELETE       microk8s kubectl delete ns x
KUBERNETES_DELETE       helm upgrade --force x y
STOP_SERVICE            kubectl cordon x
STOP_SERVICE            kubectl rollout undo deploy/x
STOP_SERVICE            helm rollback x 1
SERVICE_DELETE          helm -n prod uninstall x
INFRASTRUCTURE_DESTROY  terraform destroy
INFRASTRUCTURE_DESTROY  terragrunt run-all destroy
INFRASTRUCTURE_DESTROY  tofu apply -destroy -auto-approve
INFRASTRUCTURE_DESTROY  terraform state rm x
INFRASTRUCTURE_DESTROY  terraform taint x
INFRASTRUCTURE_CHANGE   terraform apply -auto-approve
INFRASTRUCTURE_CHANGE   terraform apply -replace=x
INFRASTRUCTURE_DESTROY  pulumi -C infra destroy --yes
INFRASTRUCTURE_DESTROY  pulumi stack rm x
INFRASTRUCTURE_DESTROY  cdk destroy
"""

QUIET = r"""
docker ps -a
docker rm web
docker stop web
docker run --rm alpine ls
docker compose down
kubectl
kubectl get pods
kubectl delete ns x --dry-run=client
kubectl scale deploy/x --replicas=3
kubectl apply -f x.yaml
k3s server
microk8s status
helm list
helm uninstall x --dry-run
helm upgrade x y
terraform plan
terraform apply
pulumi preview
"""


@pytest.mark.parametrize("line", HARM.strip().splitlines())
def test_harm_to_what_runs_is_found(line: str) -> None:
    kind, words = line.split(maxsplit=1)
    danger = judge(words)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize("line", QUIET.strip().splitlines())
def test_everyday_work_is_not_found(line: str) -> None:
    assert judge(line) is None
