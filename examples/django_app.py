"""A listener in a Django project served by ASGI. It bills the usage that a model records.

This file contains a whole project, so that you can run it. Your project already has settings, a model and a
view. Put the receiver into its own module, and `application` into `asgi.py`. With WSGI, route the path of the
hooks to `receiver.wsgi` in `wsgi.py`.

    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    export DJANGO_SECRET_KEY=anything
    python examples/django_app.py    # creates the table, like `manage.py migrate`
    uvicorn --app-dir examples django_app:application --port 8000

Adapt the query, the product's code and the item. DJANGO_SECRET_KEY, CHEDDAR_USER, CHEDDAR_PASSWORD and
CHEDDAR_SECRET come from the environment. A KeyError names a missing variable.
"""

from os import environ as env
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection, models
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver

settings.configure(
    SECRET_KEY=env["DJANGO_SECRET_KEY"],
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "downloads.sqlite"}},
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django = get_asgi_application()


class Download(models.Model):
    customer = models.CharField(max_length=255)
    gigabytes = models.PositiveIntegerField()
    at = models.DateTimeField()
    objects = models.Manager()

    class Meta:
        app_label = "shop"


def download(request: HttpRequest, customer: str) -> HttpResponse:
    Download.objects.create(customer=customer, gigabytes=request.POST["gigabytes"], at=request.POST["at"])
    return HttpResponse(status=204)


urlpatterns = [path("downloads/<customer>", download)]


# -- new

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))


def gigabytes_used(customer: str, period: Period) -> int:
    downloads = Download.objects.filter(customer=customer, at__gte=period.start, at__lt=period.end)
    return int(downloads.aggregate(used=models.Sum("gigabytes", default=0))["used"])


@receiver.review
def audit(review: Review) -> None:  # a plain function runs in a thread, so it may use the ORM
    try:
        review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))
    finally:
        connection.close()  # Django does this only at the end of its own requests


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Pass the hooks and the lifespan to the receiver, and everything else to Django."""
    is_ours = scope["type"] == "lifespan" or scope["path"] in ("/hooks", "/healthz")
    await (receiver.asgi if is_ours else django)(scope, receive, send)


if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Download)
