"""What Amazon's services share here: where the keys come from."""

from __future__ import annotations

from typing import Any, Protocol

from perftui.model.errors import Refused, Unsupported


class Keys(Protocol):
    """Options that say whose keys sign."""

    @property
    def access_key(self) -> str: ...  # noqa: D102 (the options explain themselves)

    @property
    def secret_key(self) -> str: ...  # noqa: D102

    @property
    def session_token(self) -> str: ...  # noqa: D102

    @property
    def profile(self) -> str: ...  # noqa: D102


def credentials(name: str, options: Keys) -> Any:
    """Credentials of botocore that renew themselves; looks at files and the machine's role, so it blocks.

    Unsupported without the library, Refused when there are none. No key is in either's text.
    """
    try:
        from botocore.credentials import Credentials
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError as error:
        raise Unsupported(f"{name}: needs boto3: pip install 'perftui[aws]'") from error
    if options.access_key:
        return Credentials(options.access_key, options.secret_key, options.session_token or None)
    try:
        found = Session(profile=options.profile or None).get_credentials()
    except BotoCoreError as error:
        raise Refused(f"{name}: no AWS credentials: {type(error).__name__}: {error}"[:300]) from error
    if found is None:
        raise Refused(f"{name}: no AWS credentials: give access_key and secret_key, or a profile")
    return found


def domain(region: str) -> str:
    """The domain under which a region's services are."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
