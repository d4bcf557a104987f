"""Where people live, travel and spend: the fixed facts behind the synthetic bank.

Populations are rough weights of urban areas; category amounts are plausible, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

LIMA_OFFSET_S = -5 * 3600  # Peru keeps UTC-5 all year
SOLES_A_DOLLAR = 3.75


@dataclass(frozen=True, slots=True)
class City:
    """A city; weight: people in millions for homes, or relative number of visitors abroad."""

    name: str
    country: str
    latitude: float
    longitude: float
    weight: float


HOME_CITIES = (
    City("Lima", "PE", -12.046, -77.043, 10.2),
    City("Arequipa", "PE", -16.409, -71.537, 1.15),
    City("Trujillo", "PE", -8.112, -79.029, 1.05),
    City("Chiclayo", "PE", -6.771, -79.841, 0.62),
    City("Piura", "PE", -5.195, -80.633, 0.56),
    City("Huancayo", "PE", -12.065, -75.205, 0.50),
    City("Cusco", "PE", -13.532, -71.967, 0.49),
    City("Iquitos", "PE", -3.749, -73.254, 0.48),
    City("Pucallpa", "PE", -8.379, -74.554, 0.42),
    City("Tacna", "PE", -18.014, -70.253, 0.34),
    City("Chimbote", "PE", -9.075, -78.594, 0.40),
    City("Ayacucho", "PE", -13.159, -74.224, 0.23),
)
CITIES_ABROAD = (
    City("Miami", "US", 25.762, -80.192, 3.0),
    City("Santiago", "CL", -33.449, -70.669, 2.5),
    City("Bogotá", "CO", 4.711, -74.072, 1.5),
    City("Madrid", "ES", 40.417, -3.704, 1.5),
    City("Ciudad de México", "MX", 19.433, -99.133, 1.0),
    City("São Paulo", "BR", -23.551, -46.633, 0.8),
    City("Guangzhou", "CN", 23.129, 113.264, 0.5),
)
CITIES = HOME_CITIES + CITIES_ABROAD
ABROAD = len(HOME_CITIES)  # cities from this number on lie abroad


class Kind(IntEnum):
    """What a merchant is to a customer."""

    SHOP = 0
    ONLINE = 1
    BILLER = 2
    ATM = 3
    AGENT = 4


KIND_SHARE = (0.66, 0.12, 0.03, 0.09, 0.10)


@dataclass(frozen=True, slots=True)
class Category:
    """A merchant category: ISO 18245 code, share within its kind, and amounts in soles (log-normal)."""

    code: str
    kind: Kind
    share: float
    median_soles: float
    sigma: float


CATEGORIES = (
    Category("5411", Kind.SHOP, 0.26, 62, 0.8),  # supermarkets
    Category("5499", Kind.SHOP, 0.16, 18, 0.6),  # small food shops
    Category("5812", Kind.SHOP, 0.16, 45, 0.6),  # restaurants
    Category("5814", Kind.SHOP, 0.10, 24, 0.5),  # fast food
    Category("5541", Kind.SHOP, 0.08, 80, 0.5),  # petrol stations
    Category("5912", Kind.SHOP, 0.09, 35, 0.7),  # pharmacies
    Category("5651", Kind.SHOP, 0.05, 110, 0.7),  # clothes
    Category("5732", Kind.SHOP, 0.03, 420, 0.9),  # electronics
    Category("5200", Kind.SHOP, 0.03, 95, 0.8),  # home supplies
    Category("7011", Kind.SHOP, 0.02, 240, 0.6),  # hotels
    Category("8099", Kind.SHOP, 0.02, 120, 0.8),  # health
    Category("5311", Kind.ONLINE, 0.30, 120, 0.8),  # department stores
    Category("5815", Kind.ONLINE, 0.22, 28, 0.5),  # digital media
    Category("4121", Kind.ONLINE, 0.18, 16, 0.5),  # taxis
    Category("5734", Kind.ONLINE, 0.12, 75, 0.9),  # software
    Category("4511", Kind.ONLINE, 0.06, 520, 0.6),  # airlines
    Category("5945", Kind.ONLINE, 0.12, 65, 0.7),  # games, toys
    Category("4900", Kind.BILLER, 0.50, 95, 0.5),  # electricity, water
    Category("4814", Kind.BILLER, 0.35, 60, 0.4),  # telephone
    Category("8299", Kind.BILLER, 0.15, 420, 0.5),  # schools
    Category("6011", Kind.ATM, 1.0, 200, 0.6),  # cash machines
    Category("6010", Kind.AGENT, 1.0, 150, 0.7),  # cash at an agent
)
ONLINE_ABROAD_SHARE = 0.35

CITY_LATITUDE = np.array([city.latitude for city in CITIES])
CITY_LONGITUDE = np.array([city.longitude for city in CITIES])
CITY_COUNTRY = np.array([city.country for city in CITIES])


def shares(weights: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Returns weights as shares that add up to 1."""
    values = np.array(weights, dtype=np.float64)
    total: float = values.sum()
    return np.divide(values, total)
