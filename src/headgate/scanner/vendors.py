"""What is known of vendors: their packages, hosts, paths and models. Data, and look-ups over it."""

from __future__ import annotations

PACKAGES = {
    "openai": "openai", "anthropic": "anthropic", "litellm": "litellm", "groq": "groq", "together": "together",
    "mistralai": "mistral", "cohere": "cohere", "ollama": "ollama", "boto3": "bedrock", "botocore": "bedrock",
    "aioboto3": "bedrock", "huggingface_hub": "huggingface", "fireworks": "fireworks", "zhipuai": "zhipu",
    "dashscope": "dashscope", "replicate": "replicate", "vertexai": "google", "cerebras": "cerebras",
}  # fmt: skip
GOOGLE_PACKAGES = ("google.generativeai", "google.genai", "google.cloud.aiplatform", "google.ai", "vertexai")
HOSTS = {
    "api.openai.com": "openai", "chatgpt.com": "openai", "openai.azure.com": "azure", "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google", "aiplatform.googleapis.com": "google", "api.groq.com": "groq",
    "api.together.xyz": "together", "api.together.ai": "together", "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek", "api.cohere.ai": "cohere", "api.cohere.com": "cohere",
    "openrouter.ai": "openrouter", "api.x.ai": "xai", "api.perplexity.ai": "perplexity",
    "api.fireworks.ai": "fireworks", "api.cerebras.ai": "cerebras", "api-inference.huggingface.co": "huggingface",
    "dashscope.aliyuncs.com": "dashscope", "bedrock-runtime": "bedrock", "api.replicate.com": "replicate",
}  # fmt: skip
# parts of these hosts that do not make a model write
OTHER_PATHS = (
    "/embeddings", "/audio/", "/images/", "/files", "/models", "/moderations", "/auth/", "/oauth", "/batches/",
    "/fine_tun", "/usage", "/assistants", "/threads", "/vector_stores", "/count_tokens", "/credits", "/key",
)  # fmt: skip
PATHS = (
    "/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses", ":generatecontent",
    ":streamgeneratecontent", "/v1/complete", "/codex/responses",
)  # fmt: skip
_MODELS = (
    ("gpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"), ("chatgpt", "openai"),
    ("text-davinci", "openai"), ("claude", "anthropic"), ("gemini", "google"), ("models/gemini", "google"),
    ("mistral", "mistral"), ("command-", "cohere"), ("deepseek", "deepseek"), ("grok", "xai"),
)  # fmt: skip


def provider_of(origin: str) -> str | None:
    """The vendor whose package a dotted name comes from."""
    if origin.startswith(GOOGLE_PACKAGES):
        return "google"
    return PACKAGES.get(origin.partition(".")[0].removesuffix("()"))


def provider_of_model(model: str) -> str | None:
    """The vendor a model's name tells of; `anthropic/claude-x` names it outright."""
    low = model.lower()
    before, slash, after = low.partition("/")
    if slash and before in {"openai", "anthropic", "google", "gemini", "groq", "mistral", "deepseek", "xai", "cohere"}:
        return "google" if before == "gemini" else before
    low = after if slash and before == "openrouter" else low
    return next((vendor for start, vendor in _MODELS if low.startswith(start)), None)


def endpoint(url: str) -> tuple[str | None, bool]:
    """The vendor a URL belongs to, and whether a post to it makes a model write."""
    low = url.lower()
    path = any(part in low for part in PATHS)
    for host, vendor in HOSTS.items():
        if host in low:
            return vendor, path or not any(part in low for part in OTHER_PATHS)
    return None, path
