"""The customer journey as a map: what practitioners draw by hand, computed from data, with how sure each cell is."""

from cjlib.analyses.journey_map.map import JourneyMap, journey_map

__all__ = ["JourneyMap", "journey_map"]
