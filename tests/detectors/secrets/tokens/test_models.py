from __future__ import annotations

from callgate.detectors.secrets.tokens.models import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    ("OPENAI_KEY", "sk-proj-<s20>", "sk-proj-<s19>"),
    ("ANTHROPIC_KEY", "sk-ant-a<d1><d1>-<s32>", "sk-ant-a<d1><d1>-<s31>"),
    ("HUGGINGFACE_TOKEN", "hf_<a30>", "hf_<a29>"),
    ("GROQ_KEY", "gsk_<w48>", "gsk_<w47>"),
    ("XAI_KEY", "xai-<w70>", "xai-<w69>"),
    ("PERPLEXITY_KEY", "pplx-<w40>", "pplx-<w39>"),
    ("OPENROUTER_KEY", "sk-or-v<d1>-<h64>", "sk-or-v<d1>-<h63>"),
    ("REPLICATE_TOKEN", "r8_<w37>", "r8_<w36>"),
    ("CEREBRAS_KEY", "csk-<l48>", "csk-<l47>"),
    ("NVIDIA_KEY", "nvapi-<s60>", "nvapi-<s59>"),
    ("TOGETHER_KEY", "tgp_v1_<s43>", "tgp_v1_<s42>"),
    ("FIREWORKS_KEY", "fw_<w22>", "fw_<w21>"),
    ("ELEVENLABS_KEY", "sk_<h48>", "sk_<h47>"),
    ("PINECONE_KEY", "pcsk_<w5>_<w63>", "pcsk_<w5>_<w62>"),
    ("VOYAGE_KEY", "pa-<s43>!", "pa-<s42>!"),
    ("LANGSMITH_KEY", "lsv2_pt_<h32>_<h10>", "lsv2_pt_<h32>_<h9>"),
    ("LANGFUSE_KEY", "sk-lf-<h8>-<h4>-<h4>-<h4>-<h12>", "sk-lf-<h8>-<h4>-<h4>-<h4>-<h11>"),
    ("HELICONE_KEY", "sk-helicone-<l30>", "sk-helicone-<l29>"),
    ("WANDB_KEY", "wandb_v<d1>_<w40>", "wandb_v<d1>_<w39>"),
    ("E2B_KEY", "e2b_<h40>", "e2b_<h39>"),
    ("BROWSERBASE_KEY", "bb_live_<s24>", "bb_live_<s23>"),
    ("MEM0_KEY", "m0-<w40>", "m0-<w39>"),
    ("RUNPOD_KEY", "rpa_<u40><w4>", "rpa_<u40><w3>"),
    ("MODAL_TOKEN", "ak-<w22>", "ak-<w21>"),
    ("LLAMACLOUD_KEY", "llx-<w40>", "llx-<w39>"),
    ("NOMIC_KEY", "nk-<s43>!", "nk-<s42>!"),
    ("FRIENDLI_TOKEN", "flp_<w40>", "flp_<w39>"),
    ("TAVILY_KEY", "tvly-<w32>", "tvly-<w31>"),
    ("FIRECRAWL_KEY", "fc-<h32>", "fc-<h31>"),
    ("JINA_KEY", "jina_<s50>", "jina_<s49>"),
    ("APIFY_TOKEN", "apify_api_<w34>", "apify_api_<w33>"),
    ("KAGGLE_TOKEN", "KGAT_<h32>", "KGAT_<h31>"),
    ("AI_SERVICE_KEY", "coherekey:<l31>", "coherekey:<l30>"),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []
