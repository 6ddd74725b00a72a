"""A listener in a Django project that is served by ASGI: it bills what a model has recorded.

A whole project in one file, so that it runs. In yours, the settings, the model and the view are there
already: the receiver goes into a module of its own, and `application` into `asgi.py`. Under WSGI,
`wsgi.py` leads the path of the hooks to `receiver.wsgi` in the same manner.

    tallyhook mock --catalog examples/catalog.toml --frozen
    set -a; . examples/mock.env; set +a
    export DJANGO_SECRET_KEY=anything
    python examples/django_app.py    # makes the table, as `manage.py migrate` does in a project
    uvicorn --app-dir examples django_app:application --port 8000

Make it yours: the query, the product's code, the item. DJANGO_SECRET_KEY, CHEDDAR_USER, CHEDDAR_PASSWORD
and CHEDDAR_SECRET come from the environment, and a KeyError names the one that is missing.
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
def audit(review: Review) -> None:  # a plain function runs in a thread, where the ORM may be used
    try:
        review.set_quantity("GB", gigabytes_used(review.customer.code, review.period))
    finally:
        connection.close()  # Django does so at the end of its own requests only


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The receiver takes its paths, and the server's start and end; everything else is Django's."""
    is_ours = scope["type"] == "lifespan" or scope["path"] in ("/hooks", "/healthz")
    await (receiver.asgi if is_ours else django)(scope, receive, send)


if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Download)
