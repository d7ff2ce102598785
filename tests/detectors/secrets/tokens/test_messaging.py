from __future__ import annotations

from callgate.detectors.secrets.tokens.messaging import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    ("SLACK_TOKEN", "xoxa-<w10>", "xoxa-<w9>"),
    ("SLACK_COOKIE", "xoxd-<s40>", "xoxd-<s39>"),
    ("SLACK_WEBHOOK", "hooks.slack.com/services/<b20>", "hooks.slack.com/services/<b19>"),
    ("DISCORD_TOKEN", "M<s22>.<s6>.<s27>", "M<s22>.<s6>.<s26>"),
    (
        "DISCORD_WEBHOOK",
        "https://discord.com/api/webhooks/<d17>/<s60>",
        "https://discord.com/api/webhooks/<d17>/<s59>",
    ),
    (
        "TEAMS_WEBHOOK",
        "https://<s1>.webhook.office.com/webhookb2/<s36>/IncomingWebhook/<s32>",
        "https://<s1>.webhook.office.com/webhookb2/<s36>/IncomingWebhook/<s31>",
    ),
    (
        "GOOGLE_CHAT_WEBHOOK",
        "https://chat.googleapis.com/v1/spaces/<s6>/messages?key=<s20>&token=<s20>",
        "https://chat.googleapis.com/v1/spaces/<s6>/messages?key=<s20>&token=<s19>",
    ),
    (
        "TEAM_WEBHOOK",
        "https://oapi.dingtalk.com/robot/send?access_token=<h64>",
        "https://oapi.dingtalk.com/robot/send?access_token=<h63>",
    ),
    (
        "AUTOMATION_WEBHOOK",
        "https://hooks.zapier.com/hooks/catch/<d4>/<l6>",
        "https://hooks.zapier.com/hooks/catch/<d4>/<l5>",
    ),
    ("TELEGRAM_TOKEN", "<d8>:A<s32>!", "<d8>:A<s31>!"),
    ("TWILIO_KEY", "SK<h32>", "SK<h31>"),
    ("TWILIO_AUTH_TOKEN", "twiliotoken:<h32>", "twiliotoken:<h31>"),
    ("SENDGRID_KEY", "SG.<s20>.<s39>", "SG.<s20>.<s38>"),
    ("MAILCHIMP_KEY", "<h32>-us<d1>", "<h31>-us<d1>"),
    ("MANDRILL_KEY", "md-<s22>", "md-<s21>"),
    ("MAILGUN_KEY", "key-<l32>", "key-<l31>"),
    ("MAILGUN_KEY", "<h32>-<h8>-<h8>", "<h32>-<h8>-<h7>"),
    ("BREVO_KEY", "xkeysib-<h64>-<w16>", "xkeysib-<h64>-<w15>"),
    ("RESEND_KEY", "re_<w8>_<w24>", "re_<w8>_<w23>"),
    ("POSTMARK_TOKEN", "postmark:<h8>-<h4>-<h4>-<h4>-<h12>", "postmark:<h8>-<h4>-<h4>-<h4>-<h11>"),
    ("KLAVIYO_KEY", "pk_<h34>", "pk_<h33>"),
    ("TELNYX_KEY", "KEY01<H30>_<w22>", "KEY01<H30>_<w21>"),
    ("INTERCOM_TOKEN", "dG9rO<b54>", "dG9rO<b53>"),
    (
        "HUBSPOT_TOKEN",
        "pat-na<d1>-<h8>-<h4>-<h4>-<h4>-<h12>",
        "pat-na<d1>-<h8>-<h4>-<h4>-<h4>-<h11>",
    ),
    ("FACEBOOK_TOKEN", "EAAA<w60>", "EAAA<w59>"),
    ("FACEBOOK_APP_TOKEN", "<d13>|<s27>", "<d13>|<s26>"),
    ("FACEBOOK_SECRET", "facebooksecret=><h32>", "facebooksecret=><h31>"),
    ("INSTAGRAM_TOKEN", "IGQA<s80>", "IGQA<s79>"),
    ("TWITTER_BEARER", "AAAAAAAAAAAAAAAAAAAA<w60>", "AAAAAAAAAAAAAAAAAAAA<w59>"),
    ("LINKEDIN_SECRET", "WPL_AP1.<w16>.<b6>", "WPL_AP1.<w16>.<b5>"),
    ("TWITCH_KEY", "live_<d6>_<w30>", "live_<d6>_<w29>"),
    ("RIOT_KEY", "RGAPI-<h8>-<h4>-<h4>-<h4>-<h12>", "RGAPI-<h8>-<h4>-<h4>-<h4>-<h11>"),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []
