"""Units of measurement: a small table, exact where the definition is, and conversion between units of one kind.

Each unit is `value * scale + offset` of the coherent SI unit of its kind; scales are fractions, so that a conversion is rounded
once. Sources: SI Brochure, 9th edition (BIPM 2019), tables 2 to 8; NIST Special Publication 811 (2008), appendix B, for the
rest: 1 lb = 0.45359237 kg, 1 in = 0.0254 m, 1 gal = 231 in3, g = 9.80665 m/s2, 1 BTU = 1055.05585262 J, 1 atm = 101325 Pa,
1 mmHg = 133.322387415 Pa, 1 Torr = 1/760 atm, 1 cal = 4.184 J.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final, NamedTuple

from rt_edge.data.errors import ConfigError


class Unit(NamedTuple):
    """A unit.

    Attributes:
        kind: of what.
        scale: coherent SI units in one of it.
        offset: its zero, in coherent SI units.
    """

    kind: str
    scale: Fraction
    offset: Fraction = Fraction(0)


class Conversion(NamedTuple):
    """From one unit to another: `value * scale + offset`."""

    scale: float
    offset: float

    def __call__(self, value: float) -> float:
        """The same in the other unit."""
        return value * self.scale + self.offset


_TABLE: Final[dict[str, str]] = {
    "pressure": """Pa 1, hPa 100, kPa 1000, MPa 1000000, bar 100000, mbar 100, psi 0.45359237*9.80665/0.0254/0.0254, atm 101325,
        mmHg 133.322387415, Torr 101325/760, inHg 133.322387415*25.4, kgf/cm2 98066.5, mmH2O 9.80665, mH2O 9806.65,
        inH2O 9.80665*25.4""",
    "volume flow": """m3/s 1, m3/min 1/60, m3/h 1/3600, m3/d 1/86400, L/s 0.001, L/min 0.001/60, L/h 0.001/3600,
        mL/min 0.000001/60, gal/min 231*0.0254*0.0254*0.0254/60, ft3/min 0.3048*0.3048*0.3048/60""",
    "mass flow": "kg/s 1, kg/min 1/60, kg/h 1/3600, g/s 0.001, t/h 1000/3600, lb/h 0.45359237/3600, lb/min 0.45359237/60",
    "length": """m 1, mm 0.001, cm 0.01, dm 0.1, km 1000, um 0.000001, nm 0.000000001, in 0.0254, ft 0.3048, yd 0.9144,
        mi 1609.344, nmi 1852""",
    "area": "m2 1, mm2 0.000001, cm2 0.0001, ha 10000, in2 0.0254*0.0254, ft2 0.3048*0.3048",
    "volume": """m3 1, L 0.001, mL 0.000001, hL 0.1, dm3 0.001, cm3 0.000001, in3 0.0254*0.0254*0.0254,
        gal 231*0.0254*0.0254*0.0254, bbl 42*231*0.0254*0.0254*0.0254, ft3 0.3048*0.3048*0.3048""",
    "mass": "kg 1, g 0.001, mg 0.000001, t 1000, lb 0.45359237, oz 0.45359237/16",
    "density": "kg/m3 1, g/cm3 1000, kg/L 1000, g/L 1",
    "energy": """J 1, kJ 1000, MJ 1000000, GJ 1000000000, Wh 3600, kWh 3600000, MWh 3600000000, GWh 3600000000000, cal 4.184,
        kcal 4184, BTU 1055.05585262""",
    "power": """W 1, mW 0.001, kW 1000, MW 1000000, GW 1000000000, hp 550*0.3048*0.45359237*9.80665, PS 75*9.80665,
        BTU/h 1055.05585262/3600""",
    "speed": """m/s 1, mm/s 0.001, m/min 1/60, m/h 1/3600, km/h 1000/3600, mph 1609.344/3600, kn 1852/3600, ft/s 0.3048,
        ft/min 0.3048/60""",
    "frequency": "Hz 1, kHz 1000, MHz 1000000, rpm 1/60, 1/min 1/60, 1/h 1/3600",
    "time": "s 1, ms 0.001, us 0.000001, ns 0.000000001, min 60, h 3600, d 86400",
    "voltage": "V 1, uV 0.000001, mV 0.001, kV 1000",
    "current": "A 1, uA 0.000001, mA 0.001, kA 1000",
    "resistance": "ohm 1, mohm 0.001, kohm 1000, Mohm 1000000",
    "charge": "As 1, Ah 3600, mAh 3.6",
    "apparent power": "VA 1, kVA 1000, MVA 1000000",
    "reactive power": "var 1, kvar 1000, Mvar 1000000",
    "force": "N 1, kN 1000, kgf 9.80665, lbf 0.45359237*9.80665",
    "torque": "N.m 1, kN.m 1000, lbf.ft 0.45359237*9.80665*0.3048",
    "ratio": "1 1, % 0.01, permille 0.001, ppm 0.000001, ppb 0.000000001",
}
"""Kind -> its units and how many coherent SI units each is, as a product or quotient of what defines it."""


def _read_table() -> dict[str, Unit]:
    units = {}
    for kind, text in _TABLE.items():
        for entry in text.split(","):
            name, formula = entry.split()
            scale = Fraction(1)
            for sign, number in re.findall(r"([*/]?)([0-9.]+)", formula):
                scale = scale / Fraction(number) if sign == "/" else scale * Fraction(number)
            units[name] = Unit(kind, scale)
    return units


UNITS: Final[dict[str, Unit]] = {
    **_read_table(),
    "K": Unit("temperature", Fraction(1)),
    "degC": Unit("temperature", Fraction(1), Fraction("273.15")),
    "degF": Unit("temperature", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
    "degR": Unit("temperature", Fraction(5, 9)),
}
"""Name -> unit. Names differ in capitals (mW, MW)."""

_OTHERS: Final = """C degC, F degF, celsius degC, fahrenheit degF, kelvin K, l L, ml mL, hl hL, l/s L/s, l/min L/min, l/h L/h,
    ml/min mL/min, gpm gal/min, cfm ft3/min, cbm m3, torr Torr, at kgf/cm2, micron um, knot kn, kt kn, kph km/h, fpm ft/min,
    CV PS, Btu BTU, pct %, percent %, Ohm ohm, Nm N.m, N*m N.m, sec s, hr h, day d, r/min rpm, 1/s Hz, mWS mH2O, lbs lb"""
ALIASES: Final[dict[str, str]] = dict(entry.split() for entry in _OTHERS.split(","))
"""Other names in use."""

_SIGNS: Final = str.maketrans({"°": "deg", "³": "3", "²": "2", "µ": "u", "μ": "u", "Ω": "ohm", "·": ".", "‰": "permille"})


def unit_named(name: str) -> Unit:
    """The unit of this name; signs like `°C` and `m³/h` are understood.

    Raises:
        ConfigError: there is none; with the nearest name.
    """
    written = name.strip().translate(_SIGNS)
    found = UNITS.get(ALIASES.get(written, written))
    if found is None:
        import difflib  # only a mistake needs it, not a running node

        known = [*UNITS, *ALIASES]
        near = [x for x in known if x.lower() == written.lower()] or difflib.get_close_matches(written, known, 1, 0.5)
        raise ConfigError(f"there is no unit {name!r}", f"did you mean {near[0]!r}?" if near else "like: degC, bar, m3/h, kWh")
    return found


def conversion(source: str, target: str) -> Conversion:
    """From one unit to another of the same kind.

    Raises:
        ConfigError: an unknown unit, or two of different kinds.
    """
    a, b = unit_named(source), unit_named(target)
    if a.kind != b.kind:
        same = [name for name, unit in UNITS.items() if unit.kind == a.kind]
        raise ConfigError(f"{source} is {a.kind}, {target} is {b.kind}", f"{source} converts to {', '.join(same[:8])}")
    return Conversion(float(a.scale / b.scale), float((a.offset - b.offset) / b.scale))
