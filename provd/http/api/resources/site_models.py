"""``/site-models``: models of any vendor that no plugin knows."""

from __future__ import annotations

from collections.abc import Iterator

from provd.app.admin import Admin
from provd.http.api import schemas
from provd.http.api.resources.crud import Resource, whole
from provd.http.api.routes import Route


def routes(admin: Admin) -> Iterator[Route]:
    """All of them."""
    texts = dict.fromkeys(("generic_template", "specific_template"), schemas.TEXT)
    yield from whole(
        Resource(
            name="site-models",
            one="site_model",
            find=lambda admin, name, _caller: admin.site_models.find(name),
            more=texts,
        ),
        admin,
    )
