"""A run as files to take away."""

from __future__ import annotations

import json
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from fusion.live.record import RunRecord
from fusion.models import Run
from fusion.runs.exports import answer_bytes, final_bytes, record_to_document, record_to_markdown
from fusion.runs.selectors import attempts_of, current_record, final_records, load_record
from fusion.web.views.entry import read_only, signed_in
from fusion.web.views.runs import final_number

PLAIN = "text/plain; charset=utf-8"


@signed_in
@read_only
def run_export(request: HttpRequest, public_id: UUID, extension: str) -> HttpResponse:
    """The whole run as `md` or `json`; with `?answer=B` or `?final=1` that one text, byte for byte.

    All finals are in it, the final first, and the attempts that later ones replaced; `1` is the number of a final.

    404 for a run that the person may not read, an unknown extension, an answer or a final that is not there.
    """
    if extension not in ("md", "json"):
        raise Http404("Runs are exported as .md and .json.")
    run = get_object_or_404(Run.objects.visible_to(request.user), public_id=public_id)
    record = current_record(run)
    if "answer" in request.GET:
        letter = request.GET["answer"]
        return _raw(record, answer_bytes(record, letter), f"answer-{letter}")
    if "final" in request.GET:
        return _final(run, record, final_number(request.GET["final"]))
    return _document(run, record, extension)


def _final(run: Run, record: RunRecord, number: int) -> HttpResponse:
    shown = record if record.final.number == number else load_record(run, final=number)
    return _raw(record, final_bytes(shown) if shown.final.number == number else None, f"final-{number}")


def _raw(record: RunRecord, text: bytes | None, what: str) -> HttpResponse:
    if text is None:
        raise Http404("This run has no such text.")
    return _file(text, PLAIN, f"{_stem(record)}-{what}.txt", disposition="inline")


def _document(run: Run, record: RunRecord, extension: str) -> HttpResponse:
    finals, earlier = final_records(run), attempts_of(run)
    if extension == "json":
        text = json.dumps(record_to_document(record, finals, earlier), ensure_ascii=False, indent=2)
        return _file(text.encode("utf-8", "replace"), "application/json", f"{_stem(record)}.json")
    report = record_to_markdown(record, finals, earlier).encode("utf-8", "replace")
    return _file(report, "text/markdown; charset=utf-8", f"{_stem(record)}.md")


def _stem(record: RunRecord) -> str:
    """A file name made of the run's id alone: nothing that a person or a model wrote reaches a header."""
    return f"fusion-run-{record.public_id[:8]}"


def _file(content: bytes, content_type: str, name: str, *, disposition: str = "attachment") -> HttpResponse:
    headers = {
        "Content-Disposition": f'{disposition}; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
        # Opened directly, the text must stay text whatever a browser thinks of it.
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return HttpResponse(content, content_type=content_type, headers=headers)
