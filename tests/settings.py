"""Settings of the tests: the real ones, cut off from this machine's environment, with cheap passwords and files."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

for _name in [name for name in os.environ if name.startswith("FUSION_") or name.endswith(("_API_KEY", "_URL"))]:
    del os.environ[_name]
for _name in ("HOST", "PORT"):
    os.environ.pop(_name, None)

_data_dir = tempfile.mkdtemp(prefix="fusion-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
os.mkdir(os.path.join(_data_dir, "static"))  # where files would be collected; served are the sources
os.environ["FUSION_ENV_FILE"] = os.devnull
os.environ["FUSION_DATA_DIR"] = _data_dir

from fusion_site.settings import *  # noqa: E402, F403
from fusion_site.settings import ALLOWED_HOSTS, DATABASES, STORAGES  # noqa: E402

ALLOWED_HOSTS = [*ALLOWED_HOSTS, "testserver"]
DATABASES["default"]["TEST"] = {"NAME": os.path.join(_data_dir, "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # tests sign in often
STORAGES = {
    "images": STORAGES["images"],
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
