"""What is packed into a page comes out as it was."""

from __future__ import annotations

import base64
import gzip

from hypothesis import given
from hypothesis import strategies as st

from cjlib.views.report.figures import base85, packed


@given(st.binary(max_size=300))
def test_base_85_is_that_of_the_library_with_other_signs_for_the_three_that_html_reads(content):
    assert (
        base85(content)
        == base64.b85encode(content).translate(bytes.maketrans(b"&<>", b",./")).decode()
    )


def test_packed_content_unpacks_and_is_the_same_every_time():
    content = b"function plot() { return 1 < 2 && '>' }" * 100
    letters = str(packed(content)).encode().translate(bytes.maketrans(b",./", b"&<>"))
    assert gzip.decompress(base64.b85decode(letters)) == content
    assert packed(content) == packed(content)
