"""What server and trainer both must know of the institution whose transactions they see."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from kuntur.currency import checked_user_assigned
from kuntur.time_zone import DEFAULT_TIME_ZONE, checked_time_zone


class Institution(BaseModel):
    """The institution, a section that the settings of server and trainer share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    time_zone: Annotated[str, AfterValidator(checked_time_zone)] = DEFAULT_TIME_ZONE
    """IANA time zone of its customers, in which features count hours, nights and days of the week. A model
    trained in another time zone is refused, and so is a history kept in another one."""
    country_codes: Annotated[tuple[str, ...], AfterValidator(checked_user_assigned)] = ()
    """User-assigned codes of ISO 3166-1 (AA, QM to QZ, XA to XZ, ZZ) that its transactions use as countries.
    XK (Kosovo) is always valid. Features treat each as a foreign country like any other."""
