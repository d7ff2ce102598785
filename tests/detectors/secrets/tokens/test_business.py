from __future__ import annotations

from callgate.detectors.secrets.tokens.business import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    ("STRIPE_KEY", "rk_live_<b16>", "rk_live_<b15>"),
    ("SQUARE_TOKEN", "EAAA<s60>", "EAAA<s59>"),
    ("PAYPAL_TOKEN", "access_token$production$<l16>$<h32>", "access_token$production$<l16>$<h31>"),
    (
        "PLAID_TOKEN",
        "access-sandbox-<h8>-<h4>-<h4>-<h4>-<h12>",
        "access-sandbox-<h8>-<h4>-<h4>-<h4>-<h11>",
    ),
    ("ADYEN_KEY", "AQEa<b80>", "AQEa<b79>"),
    ("RAZORPAY_KEY", "rzp_live_<w14>", "rzp_live_<w13>"),
    ("MOLLIE_KEY", "live_<w30>", "live_<w29>"),
    ("FLUTTERWAVE_KEY", "FLWSECK-<w12>", "FLWSECK-<w11>"),
    ("GOCARDLESS_TOKEN", "live_<s40>!", "live_<s39>!"),
    ("PADDLE_KEY", "pdl_live_apikey_<l26>_<w22>_<w3>", "pdl_live_apikey_<l26>_<w21>_<w3>"),
    ("SHOPIFY_TOKEN", "shpat_<h32>", "shpat_<h31>"),
    ("WOOCOMMERCE_KEY", "ck_<h40>", "ck_<h39>"),
    ("EBAY_TOKEN", "v^1.1#i^1#<s40>", "v^1.1#i^1#<s39>"),
    ("ETSY_KEY", "etsykey:<l24>", "etsykey:<l23>"),
    ("SHIPPO_TOKEN", "shippo_live_<h40>", "shippo_live_<h39>"),
    ("EASYPOST_KEY", "EZAK<w54>", "EZAK<w53>"),
    ("DUFFEL_TOKEN", "duffel_live_<s43>", "duffel_live_<s42>"),
    ("LOB_KEY", "live_<h35>", "live_<h34>"),
    ("SAMSARA_TOKEN", "samsara_api_<w30>", "samsara_api_<w29>"),
    ("COINBASE_KEY", "coinbasekey:<l64>", "coinbasekey:<l63>"),
    ("SALESFORCE_TOKEN", "00D<w12>!<w80>", "00D<w12>!<w79>"),
    ("NOTION_TOKEN", "ntn_<w40>", "ntn_<w39>"),
    ("LINEAR_KEY", "lin_api_<w32>", "lin_api_<w31>"),
    ("ASANA_TOKEN", "0/<d16>:<h32>", "0/<d16>:<h31>"),
    ("AIRTABLE_TOKEN", "pat<w14>.<h64>", "pat<w14>.<h63>"),
    ("CLICKUP_TOKEN", "pk_<d5>_<u32>", "pk_<d5>_<u31>"),
    ("FIGMA_TOKEN", "figd_<s38>", "figd_<s37>"),
    ("TYPEFORM_TOKEN", "tfp_<w40>", "tfp_<w39>"),
    ("CONTENTFUL_TOKEN", "CFPAT-<s43>", "CFPAT-<s42>"),
    ("TRELLO_TOKEN", "ATTA<h64><H8>", "ATTA<h64><H7>"),
    ("DROPBOX_TOKEN", "sl.<s100>", "sl.<s99>"),
    ("FRAMEIO_TOKEN", "fio-u-<s64>", "fio-u-<s63>"),
    ("MAPBOX_TOKEN", "sk.eyJ<s40>.<s20>", "sk.eyJ<s40>.<s19>"),
    ("ALGOLIA_KEY", "algoliakey:<h32>", "algoliakey:<h31>"),
    ("INTRA42_SECRET", "s-s4t2ud-<h64>", "s-s4t2ud-<h63>"),
    ("WAKATIME_KEY", "waka_<h8>-<h4>-<h4>-<h4>-<h12>", "waka_<h8>-<h4>-<h4>-<h4>-<h11>"),
    ("BEAMER_KEY", "b_<s44>!", "b_<s43>!"),
    ("SETTLEMINT_TOKEN", "sm_aat_<w16>", "sm_aat_<w15>"),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []
