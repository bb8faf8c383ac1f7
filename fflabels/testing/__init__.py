"""The conformance kit: does a labeler fulfil its contract? For authors of plugins; it needs no pytest itself."""

from fflabels.testing import checks as _checks  # noqa: F401 - fills the kit
from fflabels.testing.kit import KIT, CheckFailedError, CheckResult, CheckSkippedError, check_labeler
from fflabels.testing.support import LabelerTests, parametrize_with_checks

__all__ = [
    "KIT",
    "CheckFailedError",
    "CheckResult",
    "CheckSkippedError",
    "LabelerTests",
    "check_labeler",
    "parametrize_with_checks",
]
