"""With every planted effect off the notebooks claim nothing; `notebook_claims.py --seeds 1 100` asks a hundred businesses."""

from __future__ import annotations

from pathlib import Path

import pytest
from notebook_claims import claims

from cjlib.samples import write


@pytest.mark.filterwarnings("ignore")
def test_notebooks_claim_nothing_of_a_business_without_effects(tmp_path: Path) -> None:
    write(tmp_path, customers=800, seed=1, effects=False)
    assert claims(tmp_path, "0[01236]*.ipynb") == []
