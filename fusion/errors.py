"""Every error a caller may act on. Standard library only; every room may import this.

FusionError                     code + a sentence that says what happened and what to do
├── InvalidInput                a request that cannot be used as it stands (field names the culprit)
│   └── PoolUnusable            the pool has no members, an unknown model, a connection that is gone
├── NotAllowed                  the person may not do this
├── TooManyRuns                 the person has as many runs in flight as the site allows
├── RunStateConflict            the run is not in a state in which this can be done
├── TeamConflict                the team, as it is now, does not let this be done
└── ProviderError               one upstream call failed (retryable, retry_after_s, status)
    ├── ProviderUnreachable     no connection: refused, DNS, TLS, reset before the first byte
    ├── ProviderAddressRefused  its address is not one that may be asked
    ├── ProviderTimeout         nothing, or nothing more, within the allowed time
    ├── ProviderRateLimited     429
    ├── ProviderOverloaded      5xx, "overloaded"
    ├── ProviderAuthFailed      401, 403: the key is wrong or may not do this
    ├── ProviderBillingRefused  402: no credit left
    ├── ProviderModelUnknown    404: the model does not exist there
    ├── ProviderContextTooLong  the prompt does not fit the model
    ├── ProviderImagesRefused   the model takes no images
    ├── ProviderBadRequest      any other 4xx
    ├── ProviderRefused         a content filter said no
    ├── ProviderStreamCut       the stream ended without its end mark
    └── ProviderMalformed       a reply that is not the protocol, or is larger than allowed
"""

from __future__ import annotations


class FusionError(Exception):
    """A fact a caller may act on: a stable `code` for programs and a `message` for people."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class InvalidInput(FusionError):
    """The request cannot be used as it stands; `field` names the form field at fault, if one is."""

    code = "invalid_input"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field


class PoolUnusable(InvalidInput):
    """The pool cannot run: no members, an unknown model, or a connection that is gone."""

    code = "pool_unusable"


class NotAllowed(FusionError):
    """The person is known but may not do this."""

    code = "not_allowed"


class TooManyRuns(FusionError):
    """The person already has as many runs in flight as the site allows."""

    code = "too_many_runs"


class SecretUnreadable(FusionError):
    """A stored secret cannot be opened; `key_id` names the key that is missing, empty when that is not why."""

    code = "secret_unreadable"

    def __init__(self, message: str, *, code: str | None = None, key_id: str = "") -> None:
        super().__init__(message, code=code)
        self.key_id = key_id


class RunStateConflict(FusionError):
    """The run is not in a state in which this can be done."""

    code = "run_state_conflict"


class TeamConflict(FusionError):
    """The team, as it is now, does not let this be done: its last owner, a person twice, runs under way."""

    code = "team_conflict"


class ProviderError(FusionError):
    """One upstream call failed.

    `retryable`: asking the same thing again may work. `retry_after_s`: seconds the provider asked us to wait.
    `status`: the HTTP status when there was one. `message` is safe to show: redacted and cut to a sane length.
    """

    code = "provider_error"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.retry_after_s = retry_after_s
        if retryable is not None:
            self.retryable = retryable


class ProviderUnreachable(ProviderError):
    code = "provider_unreachable"
    retryable = True


class ProviderAddressRefused(ProviderError):
    code = "provider_address_refused"


class ProviderTimeout(ProviderError):
    code = "provider_timeout"
    retryable = True


class ProviderRateLimited(ProviderError):
    code = "provider_rate_limited"
    retryable = True


class ProviderOverloaded(ProviderError):
    code = "provider_overloaded"
    retryable = True


class ProviderAuthFailed(ProviderError):
    code = "provider_auth_failed"


class ProviderBillingRefused(ProviderError):
    code = "provider_billing_refused"


class ProviderModelUnknown(ProviderError):
    code = "provider_model_unknown"


class ProviderContextTooLong(ProviderError):
    code = "provider_context_too_long"


class ProviderImagesRefused(ProviderError):
    code = "provider_images_refused"


class ProviderBadRequest(ProviderError):
    code = "provider_bad_request"


class ProviderRefused(ProviderError):
    code = "provider_refused"


class ProviderStreamCut(ProviderError):
    code = "provider_stream_cut"
    retryable = True


class ProviderMalformed(ProviderError):
    code = "provider_malformed"
