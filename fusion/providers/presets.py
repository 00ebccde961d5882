"""What is known about each provider, as data. Presets differ in this file only, never in code.

Facts a preset has wrong, or that differ between a provider's models, are learned from the provider's own refusals
(`openai_chat.py`): a preset saves the first refused request, it is not needed for a right answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SchemaMode = Literal["json_schema", "json_object", "none"]
LimitParam = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of provider.

    `schema_mode`: how a reply's JSON schema may be asked for. `key_header`: how the key travels when models are listed
    (completions always use `Authorization: Bearer`). `hidden`: a pattern of model ids that cannot chat here.
    `cuts_prompts`: a prompt longer than the context is shortened without a word instead of refused. `advice`: what
    somebody who sets it up should know.
    `seats` and `judges`: patterns of model ids, best first, in which `*` stands for a version number and the newest
    that really exists is taken; each seat is another family where there are several: they share no blind spots.
    """

    slug: str
    label: str
    base_url: str
    key_env: str = ""
    needs_key: bool = True
    families: tuple[str, ...] = ()
    limit_param: LimitParam = "max_tokens"
    schema_mode: SchemaMode = "json_schema"
    temperature: bool = True
    usage_option: bool = True  # whether `stream_options.include_usage` must be asked for
    headers: tuple[tuple[str, str], ...] = ()
    key_header: Literal["Authorization", "x-api-key"] = "Authorization"
    models_path: str = "/models"
    cuts_prompts: bool = False
    advice: str = ""
    hidden: str = ""
    seats: tuple[tuple[str, ...], ...] = ()
    judges: tuple[str, ...] = ()


_ANTHROPIC = ("claude-sonnet-*", "claude-opus-*", "claude-haiku-*")
_LOCAL = (
    ("qwen*", "qwen/qwen*", "Qwen/Qwen*"),
    ("llama*", "meta-llama/llama*"),
    ("gemma*", "google/gemma*"),
    ("gpt-oss*", "openai/gpt-oss*"),
    ("mistral*", "mistralai/mistral*"),
    ("deepseek-r*", "deepseek-ai/deepseek-v*"),
)

PRESETS: dict[str, Preset] = {
    preset.slug: preset
    for preset in (
        Preset(
            slug="openrouter",
            label="OpenRouter",
            base_url="https://openrouter.ai/api/v1",
            key_env="OPENROUTER_API_KEY",
            families=("openai", "anthropic", "google", "xai", "deepseek", "meta", "mistral", "qwen"),
            usage_option=False,  # usage and cost always come with the last chunk
            headers=(("X-Title", "Fusion"),),
            seats=(
                ("openai/gpt-*",),
                ("anthropic/claude-sonnet-*", "anthropic/claude-*-sonnet"),
                ("google/gemini-*-pro", "google/gemini-*-flash"),
                ("x-ai/grok-*",),
                ("deepseek/deepseek-v*", "deepseek/deepseek-chat-v*"),
            ),
            judges=("anthropic/claude-opus-*", "anthropic/claude-sonnet-*", "openai/gpt-*"),
        ),
        Preset(
            slug="openai",
            label="OpenAI",
            base_url="https://api.openai.com/v1",
            key_env="OPENAI_API_KEY",
            families=("openai",),
            limit_param="max_completion_tokens",
            hidden=r"instruct|codex|deep-research|computer-use|search|chat-latest|-pro\b|^babbage|^davinci|live",
            seats=(("gpt-*",), ("gpt-*-mini",), ("o*-mini", "o*", "gpt-*o")),
            judges=("gpt-*",),
        ),
        Preset(
            slug="anthropic",
            label="Anthropic",
            base_url="https://api.anthropic.com/v1",
            key_env="ANTHROPIC_API_KEY",
            families=("anthropic",),
            headers=(("anthropic-version", "2023-06-01"),),
            key_header="x-api-key",
            models_path="/models?limit=1000",
            seats=(("claude-sonnet-*",), ("claude-opus-*",), ("claude-haiku-*", "claude-*-haiku")),
            judges=_ANTHROPIC,
        ),
        Preset(
            slug="gemini",
            label="Google Gemini",
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            key_env="GEMINI_API_KEY",
            families=("google",),
            hidden=r"embedding|aqa|imagen|veo|tts|live|native-audio|image|robotics|computer-use|lyria",
            seats=(("gemini-*-pro",), ("gemini-*-flash",), ("gemini-*-flash-lite", "gemma-*")),
            judges=("gemini-*-pro", "gemini-*-flash"),
        ),
        Preset(
            slug="ollama",
            label="Ollama",
            base_url="http://localhost:11434/v1",
            needs_key=False,
            cuts_prompts=True,
            advice="Ollama cuts prompts to its context, often 4,096 tokens: start it with OLLAMA_CONTEXT_LENGTH=32768.",
            seats=_LOCAL,
        ),
        Preset(
            slug="openai-compatible",
            label="Model server",
            base_url="",
            key_env="FUSION_PROVIDER_KEY",
            needs_key=False,
            seats=_LOCAL,
        ),
        Preset(slug="simulated", label="Simulated", base_url="", needs_key=False),
    )
}
