"""Images of questions: taken from the composer, shown to who may read the run."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.vary import vary_on_cookie

from fusion.errors import InvalidInput, NotAllowed
from fusion.models import PromptImage
from fusion.runs.images import SUFFIXES, image_bytes
from fusion.web.uploads import FILES, Upload, take_uploads, uploading_team
from fusion.web.views.entry import read_only, signed_in, write_only
from fusion.web.views.runs import person_of

NOTHING_SENT = "No image was sent. Choose a PNG, JPEG or WebP file."


@signed_in
@write_only
def image_create(request: HttpRequest) -> HttpResponse:
    """Take images for a question that is being written; answers with one list item for each, or the reason."""
    user = person_of(request)
    try:
        uploading_team(user)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
    uploads = take_uploads(user, request.FILES.getlist(FILES), room=settings.FUSION_IMAGES_PER_PROMPT)
    uploads = uploads or [Upload("", problem=NOTHING_SENT)]
    status = 201 if any(upload.image is not None for upload in uploads) else 422
    return render(request, "fusion/ask/_images.html", {"uploads": uploads}, status=status)


@signed_in
@vary_on_cookie
@read_only
def image_show(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One image. It never changes, so a browser may keep it; 404 for whom it does not exist."""
    image = get_object_or_404(PromptImage.objects.visible_to(person_of(request)), public_id=public_id)
    try:
        content = image_bytes(image)
    except InvalidInput as exc:
        raise Http404(exc.message) from exc
    name = f"fusion-image-{str(image.public_id)[:8]}.{SUFFIXES[image.media_type]}"
    headers = {
        "Content-Disposition": f'inline; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=31536000, immutable",
        # Opened by itself it is a picture and nothing else, whatever a browser thinks of it.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return HttpResponse(content, content_type=image.media_type, headers=headers)
