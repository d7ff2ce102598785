from __future__ import annotations

from callgate.detectors.secrets.tokens.hosting import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    ("GITHUB_TOKEN", "gho_<w36>", "gho_<w35>"),
    ("GITHUB_TOKEN", "github_pat_<w22>_<w50>", "github_pat_<w22>_<w49>"),
    ("GITLAB_TOKEN", "glpat-<s20>", "glpat-<s19>"),
    ("ATLASSIAN_TOKEN", "ATATT3<s24>", "ATATT3<s23>"),
    ("BITBUCKET_DC_TOKEN", "BBDC-<s40>", "BBDC-<s39>"),
    ("NPM_TOKEN", "npm_<w36>", "npm_<w35>"),
    ("NPM_AUTH", "_authToken=<s8>", "_authToken=<s7>"),
    ("PYPI_TOKEN", "pypi-AgE<s50>", "pypi-AgE<s49>"),
    ("RUBYGEMS_KEY", "rubygems_<h48>", "rubygems_<h47>"),
    ("CRATES_TOKEN", "cio<w32>", "cio<w31>"),
    ("NUGET_KEY", "oy2<l43>", "oy2<l42>"),
    ("CLOJARS_TOKEN", "CLOJARS_<w60>", "CLOJARS_<w59>"),
    ("PACKAGIST_TOKEN", "packagist_ar_<h60>", "packagist_ar_<h59>"),
    ("DOCKER_TOKEN", "dckr_oat_<s27>", "dckr_oat_<s26>"),
    ("DENO_TOKEN", "ddo_<w36>", "ddo_<w35>"),
    ("JFROG_TOKEN", "AKCp<w10>", "AKCp<w9>"),
    ("JFROG_PASSWORD", "artif:AP<H1><w8>", "artif:AP<H1><w7>"),
    ("SONAR_TOKEN", "sqa_<h40>", "sqa_<h39>"),
    ("SONAR_TOKEN", "sonarlogin <h40>", "sonarlogin <h39>"),
    ("OCTOPUS_KEY", "API-<u25>", "API-<u24>"),
    ("POSTMAN_KEY", "PMAK-<h24>-<h34>", "PMAK-<h24>-<h33>"),
    ("CIRCLECI_TOKEN", "CCIPAT_<w20>_<h40>", "CCIPAT_<w20>_<h39>"),
    ("BUILDKITE_TOKEN", "bkua_<w32>", "bkua_<w31>"),
    ("HARNESS_TOKEN", "pat.<s22>.<h24>.<w20>", "pat.<s22>.<h24>.<w19>"),
    ("JENKINS_CRUMB", "jenkins-crumb:<h32>", "jenkins-crumb:<h31>"),
    ("CODECLIMATE_ID", "cc_test_reporter_id:<h64>", "cc_test_reporter_id:<h63>"),
    ("CHROMATIC_TOKEN", "chpt_<l12>", "chpt_<l11>"),
    ("README_KEY", "rdme_<l70>", "rdme_<l69>"),
    ("DEPENDENCY_TRACK_KEY", "odt_<w32>", "odt_<w31>"),
    ("SOURCEGRAPH_TOKEN", "sgp_<h40>", "sgp_<h39>"),
    ("SOURCEGRAPH_TOKEN", "sourcegraph:<h40>", "sourcegraph:<h39>"),
    ("CURSOR_KEY", "key_<h64>", "key_<h63>"),
    ("DEPOT_TOKEN", "depot_org_<h64>", "depot_org_<h63>"),
    ("SNYK_TOKEN", "snyk_sat.<h8>.<s40>", "snyk_sat.<h8>.<s39>"),
    ("INFRACOST_KEY", "ico-<w32>", "ico-<w31>"),
    ("GITEA_TOKEN", "giteatoken:<h40>", "giteatoken:<h39>"),
    ("DJANGO_SECRET_KEY", 'SECRET_KEY="<s32>"', 'SECRET_KEY="<s31>"'),
    ("DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY=<s32>", "DJANGO_SECRET_KEY=<s31>"),
    ("RAILS_SECRET", "secret_key_base:<h64>", "secret_key_base:<h63>"),
    (
        "NPM_AUTH",
        "//registry.example.org/:_authToken=<l36>",
        "//registry.example.org/:_authToken=${NPM_TOKEN}",
    ),
    (
        "DOCKER_AUTH",
        '{"auths": {"ghcr.io": {"auth": "dXNlcjpwYXNzd29yZDE="}}}',
        '{"auths": {"ghcr.io": {"auth": "dXNlcm5hbWVwYXNzMQ=="}}}',
    ),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []
