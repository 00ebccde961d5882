"""The simulated writer: known markers only, the base kept, each patch said once where it reads well."""

from __future__ import annotations

import re

import pytest

from fusion.engine.merge.attribute import Source, attribute
from fusion.engine.merge.markers import MarkerParser
from fusion.engine.merge.plan import Patch, plan_patches
from fusion.engine.prompts import FencedPatch
from fusion.engine.types import Judgement, Span
from fusion.providers.simulated import QUESTIONS, SIMULATED_POOL
from tests.providers.simulated_calls import answers_to, bundled, judged, text_of, writer_request


async def _merged(question: str, base: str, patches: tuple[FencedPatch, ...]) -> MarkerParser:
    parser = MarkerParser()
    parser.feed(await text_of(writer_request(question, base, patches)))
    parser.finish()
    return parser


async def _planned(slug: str, members: tuple[str, ...]) -> tuple[str, str, tuple[Patch, ...]]:
    """The base letter, its text and the engine's patches for a bundled question."""
    question = bundled(slug)
    answers = await answers_to(question.prompt, members)
    verdict = (await judged(question.prompt, answers, rubric=question.rubric_key)).verdict
    chosen = verdict.winner
    assert chosen is not None
    judgement = Judgement(verdict, "sim:judge", 1, (), {}, "clean", chosen, "clear")
    return chosen, answers[ord(chosen) - ord("A")], plan_patches(judgement, chosen)


def _spans(parser: MarkerParser, source: Source) -> tuple[Span, ...]:
    return attribute(parser.text, parser.marks, source)


@pytest.mark.parametrize("slug", [question.slug for question in QUESTIONS])
@pytest.mark.parametrize("members", [SIMULATED_POOL.members, (*SIMULATED_POOL.members, "sceptic")])
async def test_a_merged_final_says_every_patch_adds_nothing_and_needs_no_check(
    slug: str, members: tuple[str, ...]
) -> None:
    letter, base, patches = await _planned(slug, members)
    prompt = bundled(slug).prompt
    parser = await _merged(prompt, base, tuple(FencedPatch(p.id, p.kind, p.claim, p.quote) for p in patches))
    assert patches
    assert {identity for mark in parser.marks for identity in mark.ids} == {"b", *(patch.id for patch in patches)}
    spans = _spans(parser, Source(letter, base, prompt, patches))
    assert {span.source for span in spans} == {"base", "patch"}
    assert not any(span.check for span in spans)


@pytest.mark.parametrize("slug", [question.slug for question in QUESTIONS])
async def test_without_its_patches_a_merged_final_is_the_base(slug: str) -> None:
    prompt = bundled(slug).prompt
    for base in await answers_to(prompt):
        assert (await _merged(prompt, base, ())).text.rstrip() == base


async def test_a_patch_lands_in_the_paragraph_that_it_belongs_to() -> None:
    base = "Use a queue between the two services here.\n\nStore all of the passwords only as salted hashes.\n\nThe end."
    patch = FencedPatch("c1", "add", "Salted hashes of passwords need a slow function.", "")
    merged = (await _merged("Design?", base, (patch,))).text
    assert "only as salted hashes. Salted hashes of passwords need a slow function.\n" in merged


async def test_a_patch_that_fits_nowhere_becomes_an_item_of_the_closing_list_or_a_last_paragraph() -> None:
    patch = FencedPatch("c1", "add", "Elephants remember.", "")
    listed = await _merged("Q?", "Do this:\n\n- one\n- two", (patch,))
    plain = await _merged("Q?", "Do this and that, in any order that you like.", (patch,))
    assert listed.text.endswith("- two\n- Elephants remember.")
    assert plain.text.endswith("like.\n\nElephants remember.")


async def test_what_a_bundled_base_gets_wrong_gives_way_to_the_resolution() -> None:
    (bold,) = await answers_to(bundled("research").prompt, ("bold",))
    resolution = (
        "At −15 °C about two units of heat per unit of electricity are realistic; a factor of 3 is a seasonal average, "
        "not a cold-day figure."
    )
    patch = FencedPatch("c1", "resolve", f"How efficient is it at −15 °C?: {resolution}", "drops towards 2")
    merged = (await _merged(bundled("research").prompt, bold, (patch,))).text
    assert merged.count(resolution) == 1
    assert "a performance factor of around 3 even at" not in merged


async def test_what_was_ruled_against_a_bundled_base_is_said_by_its_reason() -> None:
    (bold,) = await answers_to(bundled("research").prompt, ("bold",))
    reason = (
        "At −15 °C about two units of heat per unit of electricity are realistic; a factor of 3 is a seasonal average, "
        "not a cold-day figure."
    )
    claim = f"How efficient is it at −15 °C?: About 2; only the seasonal average is near 3. Reason: {reason}"
    merged = (await _merged(bundled("research").prompt, bold, (FencedPatch("c1", "resolve", claim, ""),))).text
    assert merged.count(reason) == 1
    assert "Reason:" not in merged and "a performance factor of around 3 even at" not in merged


async def test_a_test_that_would_settle_an_open_dispute_is_said_with_it() -> None:
    claim = "Which database?: either One is enough; or: Two are safer. What would settle it: Count the writes."
    text = (await _merged("Q?", "Answer.", (FencedPatch("c1", "both_sides", claim, ""),))).text
    assert "either one is enough, or two are safer. What would settle it: count the writes." in text


async def test_a_wrong_passage_of_several_sentences_is_replaced_once() -> None:
    (bold,) = await answers_to(bundled("creative-brief").prompt, ("bold",))
    resolution = (
        "The price belongs on the poster: two euros a week was given as a fact for it, and a reader who expects a "
        "catch looks for the price first."
    )
    patch = FencedPatch("c1", "resolve", f"Does the price belong on the poster?: {resolution}", "")
    merged = (await _merged(bundled("creative-brief").prompt, bold, (patch,))).text
    assert merged.count(resolution) == 1
    assert "jumble sale" not in merged


async def test_doubt_and_open_disputes_are_said_as_such() -> None:
    patches = (
        FencedPatch("c1", "hedge", "The gateway forgets keys after a day.", ""),
        FencedPatch("c2", "both_sides", "Which database?: either One is enough.; or: Two are safer.", ""),
    )
    text = (await _merged("Q?", "Answer.", patches)).text
    assert "Worth checking" in text
    assert "Opinions differ on one point, which database: either one is enough, or two are safer." in text


async def test_code_blocks_and_tables_come_through_untouched() -> None:
    base = "Intro.\n\n```python\nx = a[[0]]  # one. Two.\n\ny = 2\n```\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\nEnd."
    written = await text_of(writer_request("Q?", base, ()))
    block = re.search(r"```python\n(.*?)```", written, re.DOTALL)
    assert block is not None
    assert "[[b]]" not in block[1]
    assert (await _merged("Q?", base, ())).text == base
