from __future__ import annotations

from callgate.detectors.secrets.tokens.base import Token
from callgate.detectors.secrets.tokens.clouds import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    ("AWS_ACCESS_KEY", "AKIA<u16>", "AKIA<u15>"),
    ("AWS_SESSION_TOKEN", "sessiontoken:<l100>", "sessiontoken:<l99>"),
    ("AWS_BEDROCK_KEY", "ABSK<b100>", "ABSK<b99>"),
    ("AWS_APPSYNC_KEY", "da2-<l26>", "da2-<l25>"),
    ("AWS_MWS_TOKEN", "amzn.mws.<h8>-<h4>-<h4>-<h4>-<h12>", "amzn.mws.<h8>-<h4>-<h4>-<h4>-<h11>"),
    ("AMAZON_OAUTH_SECRET", "amzn1.oa2-cs.v1.<h64>", "amzn1.oa2-cs.v1.<h63>"),
    ("GOOGLE_API_KEY", "AIza<s30>!", "AIza<s29>!"),
    ("GOOGLE_OAUTH_SECRET", "GOCSPX-<s28>", "GOCSPX-<s27>"),
    ("GOOGLE_REFRESH_TOKEN", "1//0<s40>", "1//0<s39>"),
    ("GOOGLE_STORAGE_KEY", "GOOG1E<u55>", "GOOG1E<u54>"),
    ("GOOGLE_BOUND_KEY", "AQ.Ab<s40>", "AQ.Ab<s39>"),
    ("FIREBASE_SERVER_KEY", "AAAA<s7>:APA91<s120>", "AAAA<s7>:APA91<s119>"),
    ("AZURE_STORAGE_KEY", "AccountKey=<b40>", "AccountKey=<b39>"),
    ("AZURE_RESOURCE_KEY", "!<w52>JQQJ99<w18><w4><w4>", "!<w52>JQQJ99<w18><w4><w3>"),
    ("AZURE_SAS", "&sa=<s1>&sig=<s42>", "&sa=<s1>&sig=<s41>"),
    ("AZURE_CLIENT_SECRET", "!<s3><d1>Q~<s31>!", "!<s3><d1>Q~<s30>!"),
    ("AZURE_DEVOPS_TOKEN", "azuretoken:<l52>", "azuretoken:<l51>"),
    ("DIGITALOCEAN_TOKEN", "doo_v1_<h64>", "doo_v1_<h63>"),
    ("DIGITALOCEAN_SPACES_KEY", "DO00<u16>", "DO00<u15>"),
    ("ALIBABA_ACCESS_KEY", "LTAI<w12>", "LTAI<w11>"),
    ("TENCENT_SECRET_ID", "AKID<w32>", "AKID<w31>"),
    ("VOLCENGINE_ACCESS_KEY", "AKLT<s40>", "AKLT<s39>"),
    ("YANDEX_CLOUD_KEY", "AQVN<s35>!", "AQVN<s34>!"),
    ("IBM_CLOUD_KEY", "ibmkey=><s44>", "ibmkey=><s43>"),
    ("CLOUDFLARE_TOKEN", "cfk_<w40>", "cfk_<w39>"),
    ("CLOUDFLARE_ORIGIN_KEY", "v1.0-<h24>-<h120>", "v1.0-<h24>-<h119>"),
    ("HEROKU_KEY", "HRKU-AA<s58>", "HRKU-AA<s57>"),
    ("FLY_TOKEN", "fo1_<s43>", "fo1_<s42>"),
    ("VERCEL_TOKEN", "vca_<w56>", "vca_<w55>"),
    ("NETLIFY_TOKEN", "nfb_<w36>", "nfb_<w35>"),
    ("RENDER_KEY", "rnd_<w28>", "rnd_<w27>"),
    ("SUPABASE_KEY", "sbp_<h40>", "sbp_<h39>"),
    ("PLANETSCALE_TOKEN", "pscale_tkn_<s32>", "pscale_tkn_<s31>"),
    ("NEON_KEY", "napi_<l60>", "napi_<l59>"),
    ("AIVEN_KEY", "AVNS_<s16>", "AVNS_<s15>"),
    ("MONGODB_ATLAS_SECRET", "mdb_sa_sk_<s40>", "mdb_sa_sk_<s39>"),
    ("COCKROACH_KEY", "CCDB1_<w22>_<w40>", "CCDB1_<w22>_<w39>"),
    ("SCALINGO_TOKEN", "tk-us-<s48>!", "tk-us-<s47>!"),
    ("TAILSCALE_KEY", "tskey-<w8>-<w16>", "tskey-<w8>-<w15>"),
    ("DEFINED_KEY", "dnkey-<s26>-<s52>", "dnkey-<s26>-<s51>"),
    ("OPENSHIFT_TOKEN", "sha256~<s43>", "sha256~<s42>"),
    ("AWS_SECRET_KEY", 'aws_secret_access_key = "<b40>"', 'aws_secret_access_key = "<b39>"'),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []


def test_faulty_format_is_told() -> None:
    token = Token("lower", "", "ABC", "abc<d4>", "", 2.0)

    assert faults([token], [("lower", "x<d4>", "y<d4>")]) == [
        "lower: kind is not UPPER_SNAKE",
        "lower: no provider or source",
        "lower: words are not lower case",
        "lower: confidence is not within 0 and 1",
        "lower: x<d4> is not found",
        "lower: no sample of , abc<d4>",
    ]


def test_near_miss_that_is_found_is_told() -> None:
    token = Token("KIND", "Example", "abc", "abc[0-9]{4}", "https://example.org")

    assert faults([token], [("KIND", "abc<d4>", "abc<d5>")]) == ["KIND: abc<d5> is found"]
