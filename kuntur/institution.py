"""What server and trainer have to know alike of the institution whose transactions they see."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from kuntur.currency import checked_user_assigned
from kuntur.time_zone import DEFAULT_TIME_ZONE, checked_time_zone


class Institution(BaseModel):
    """The institution: the same in the settings of server and trainer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    time_zone: Annotated[str, AfterValidator(checked_time_zone)] = DEFAULT_TIME_ZONE
    """IANA time zone of its customers, in which features count hours, nights and days of the week. A model
    that was trained in another one is refused, and so is a history that was kept in another one."""
    country_codes: Annotated[tuple[str, ...], AfterValidator(checked_user_assigned)] = ()
    """User-assigned codes of ISO 3166-1 that its transactions have as countries, such as XA: AA, QM to QZ, XA
    to XZ, ZZ. XK (Kosovo) is valid anyway. To features each is a country abroad, like any other."""
