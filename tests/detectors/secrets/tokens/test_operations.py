from __future__ import annotations

from callgate.detectors.secrets.tokens.operations import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    ("VAULT_TOKEN", "hvb.<s24>", "hvb.<s23>"),
    ("VAULT_TOKEN", "!b.<w24>!", "!b.<w23>!"),
    ("TERRAFORM_TOKEN", "<w14>.atlasv1.<s60>", "<w14>.atlasv1.<s59>"),
    ("PULUMI_TOKEN", "pul-<h40>", "pul-<h39>"),
    ("DOPPLER_TOKEN", "dp.ct.<w40>", "dp.ct.<w39>"),
    ("INFISICAL_TOKEN", "st.<h24>.<h32>.<h32>", "st.<h24>.<h32>.<h31>"),
    ("ONEPASSWORD_TOKEN", "ops_eyJ<s100>", "ops_eyJ<s99>"),
    (
        "BITWARDEN_TOKEN",
        "0.<h8>-<h4>-<h4>-<h4>-<h12>.<w30>:<b24>",
        "0.<h8>-<h4>-<h4>-<h4>-<h12>.<w30>:<b23>",
    ),
    ("AUTH0_SECRET", "auth0secret:<l60>", "auth0secret:<l59>"),
    ("JUMPCLOUD_KEY", "jca_<w36>", "jca_<w35>"),
    ("STYTCH_SECRET", "secret-live-<s32>", "secret-live-<s31>"),
    ("DATABRICKS_TOKEN", "dapi<h32>", "dapi<h31>"),
    ("DBT_TOKEN", "dbtc_<s30>", "dbtc_<s29>"),
    ("PREFECT_KEY", "pnb_<w36>", "pnb_<w35>"),
    ("CONFLUENT_KEY", "cflt<b60>!", "cflt<b59>!"),
    ("CLICKHOUSE_KEY", "4b1d<w38>", "4b1d<w37>"),
    ("ELASTIC_KEY", "essu_<s40>", "essu_<s39>"),
    ("GRAFANA_TOKEN", "glsa_<w32>_<h8>", "glsa_<w32>_<h7>"),
    ("GRAFANA_TOKEN", "glc_eyJ<s40>", "glc_eyJ<s39>"),
    ("SENTRY_TOKEN", "sntrys_eyJ<b60>", "sntrys_eyJ<b59>"),
    ("DATADOG_KEY", "datadog:<h40>", "datadog:<h39>"),
    ("DYNATRACE_TOKEN", "dt0a<d1><d1>.<u8>.<u64>", "dt0a<d1><d1>.<u8>.<u63>"),
    ("NEWRELIC_KEY", "NRAK-<w27>", "NRAK-<w26>"),
    ("HONEYCOMB_KEY", "hcaik_<w56>", "hcaik_<w55>"),
    ("LOGFIRE_TOKEN", "pylf_v<d1>_<w40>", "pylf_v<d1>_<w39>"),
    ("AXIOM_TOKEN", "xaat-<h8>-<h4>-<h4>-<h4>-<h12>", "xaat-<h8>-<h4>-<h4>-<h4>-<h11>"),
    ("POSTHOG_KEY", "phs_<w40>", "phs_<w39>"),
    ("LAUNCHDARKLY_KEY", "sdk-<h8>-<h4>-4<h3>-8<h3>-<h12>", "sdk-<h8>-<h4>-4<h3>-8<h3>-<h11>"),
    ("SUMOLOGIC_KEY", "sumoid:su<l12>", "sumoid:su<l11>"),
    ("SPLUNK_HEC_TOKEN", "splunk <h8>-<h4>-<h4>-<h4>-<h12>", "splunk <h8>-<h4>-<h4>-<h4>-<h11>"),
    ("PAGERDUTY_KEY", "pagerduty:u<l19>!", "pagerduty:u<l18>!"),
    ("RANCHER_TOKEN", "token-<l5>:<l50>", "token-<l5>:<l49>"),
    ("KUBERNETES_BOOTSTRAP_TOKEN", "--token <l6>.<l16>", "--token <l6>.<l15>"),
    ("KUBECONFIG_KEY", "client-key-data:<b60>", "client-key-data:<b59>"),
    ("TRUENAS_KEY", "<d1>-<w64>", "<d1>-<w63>"),
    ("CODER_TOKEN", "coder-session-token:<l10>-<l22>", "coder-session-token:<l10>-<l21>"),
    ("CISCO_MERAKI_KEY", "merakikey:<h40>", "merakikey:<h39>"),
    ("MAXMIND_KEY", "<w6>_<w29>_mmk", "<w6>_<w28>_mmk"),
    ("PARTICLE_TOKEN", "particle.io/&access_token=<h40>", "particle.io/&access_token=<h39>"),
    ("THINGSBOARD_TOKEN", "thingsboard.<s2>/api/v1/<l20>", "thingsboard.<s2>/api/v1/<l19>"),
    ("UBIDOTS_TOKEN", "BBFF-<w30>", "BBFF-<w29>"),
    ("ADAFRUIT_KEY", "aio_<w28>", "aio_<w27>"),
    ("BLYNK_TOKEN", "blynk&token=<l32>", "blynk&token=<l31>"),
    ("SHODAN_KEY", "shodan(<l32>", "shodan(<l31>"),
    ("VIRUSTOTAL_KEY", "virustotal:<h64>", "virustotal:<h63>"),
    ("VAULT_UNSEAL_KEY", "Unseal Key 1: <b44>", "Unseal Key 1: <b30>"),
    ("OKTA_TOKEN", 'okta_api_token = "00<s40>"', 'okta_api_token = "00<s30>"'),
    ("OKTA_TOKEN", "Authorization: SSWS 00<s40>", "Authorization: SSWS <s30>"),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []
