"""The journey map as a poster: what stands on it, where, and in which files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import commandline
import pytest

import cjlib as cj
from cjlib.views.poster.content import Feeling, Pill, PosterContent, PosterStage
from cjlib.views.poster.layout import HEIGHT, SMALL, WIDTH, layout
from cjlib.views.poster.shapes import Text, shortened, svg, text_width, wrapped

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample" / "journey.yml"
STAGE = PosterStage(
    name="Onboarding",
    goal="Get the first plan done",
    customers=2828,
    drop_off="15% drop off here",
    heavy_drop_off=False,
    scores="CSAT 25% · NPS −41",
    feeling=Feeling(-0.36, -0.40, -0.32, "−0.36"),
    pills=(Pill("sign up", "2,714", pain=False, moment=False),),
    more_touchpoints=2,
    moment="",
    quote="“The tutorial skips a step.”",
    opportunity="Fewer fields",
    owner="Product",
    kpi="Share activated",
    pain=True,
)
CONTENT = PosterContent("Onboarding hurts", "All customers", "By the team", (), (STAGE,))


def stages(count: int) -> PosterContent:
    return replace(CONTENT, stages=tuple(replace(STAGE, name=f"Stage {k}") for k in range(count)))


def texts(content: PosterContent) -> list[Text]:
    return [shape for shape in layout(content).shapes if isinstance(shape, Text)]


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 20, 60])
def test_every_stage_stands_on_the_poster_within_its_edges(count):
    canvas = layout(stages(count))
    assert {f"Stage {k}" for k in range(count)} <= {text.text for text in texts(stages(count))}
    for text in texts(stages(count)):
        width = text_width(text.text, text.size, bold=text.bold)
        left = {"start": text.x, "middle": text.x - width / 2, "end": text.x - width}[text.anchor]
        assert left >= 0
        assert left + width <= WIDTH + 8, text
        assert 0 < text.y <= canvas.height


def test_up_to_eight_stages_make_a_slide_of_sixteen_to_nine():
    assert (layout(stages(8)).width, layout(stages(8)).height) == (WIDTH, HEIGHT)
    assert pytest.approx(16 / 9) == WIDTH / HEIGHT


def test_no_text_is_smaller_than_seven_points_on_a4_with_margins_of_ten_millimetres():
    points_per_pixel = (297 - 20) / 25.4 * 72 / WIDTH
    assert min(text.size for text in texts(stages(8))) == SMALL
    assert SMALL * points_per_pixel >= 7


def test_what_comes_from_data_is_shown_as_the_text_it_is():
    hostile = '</text><script>alert(1)</script>&"'
    drawn = svg(layout(replace(CONTENT, stages=(replace(STAGE, name=hostile, quote=hostile),))))
    root = ElementTree.fromstring(drawn)
    assert "script" not in {element.tag.split("}")[1] for element in root.iter()}
    assert "<script" not in drawn


def test_a_stage_without_feelings_or_words_leaves_its_places_empty():
    silent = replace(STAGE, feeling=None, quote="", opportunity="", pills=(), pain=False)
    drawn = svg(layout(replace(CONTENT, stages=(silent,))))
    assert "<circle" not in drawn
    assert "biggest pain point" not in drawn


def test_lanes_in_which_nothing_stands_have_no_name_and_take_no_room():
    bare = replace(
        STAGE,
        goal="",
        feeling=None,
        quote="",
        opportunity="",
        owner="",
        kpi="",
        pills=(),
        pain=False,
    )
    poster = replace(CONTENT, stages=(bare,))
    words = {text.text for text in texts(poster)}
    assert {"Stage", "Customers"} <= words
    assert not {"Customer goal", "How they feel", "Opportunity", "Owner · KPI"} & words
    assert layout(poster).height < layout(CONTENT).height


def test_a_text_is_cut_where_there_is_no_room_and_says_so():
    assert shortened("onboarding step", 60, 17) == "onbo…"
    assert wrapped("a b c d e f", 30, 17, 2) == ["a b", "c…"]


@pytest.fixture(scope="module")
def journey_map():
    journey = cj.read_journey(ROOT / "data/sample/journey.yml")
    return cj.journey_map(journey, journey.read_events(), journey.read_feedback())


def test_the_poster_of_the_sample_tells_its_pain_its_customers_and_its_moment(journey_map):
    drawn = cj.poster(journey_map).svg
    said = re.sub(r"<[^>]+>", " ", drawn)
    assert "biggest pain point" in said
    for number in journey_map.table["customers"]:
        assert f"{number:,}" in said
    assert "★ payment" in said
    assert "None" not in said
    assert "nan" not in said


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "pptx"])
def test_it_is_saved_by_the_ending_of_its_name(journey_map, tmp_path, ending):
    library = {"png": "cairosvg", "pdf": "cairosvg", "pptx": "pptx"}.get(ending)
    if library:
        try:
            __import__(library)
        except (ImportError, OSError):
            pytest.skip(f"{library} is not installed (the extra poster)")
    path = cj.poster(journey_map).save(tmp_path / f"map.{ending}")
    begins = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "pptx": b"PK"}[ending]
    assert path.read_bytes().startswith(begins)


def test_another_ending_is_refused_with_those_there_are(journey_map, tmp_path):
    with pytest.raises(cj.CjlibError, match=r"svg.*png.*pdf.*pptx"):
        cj.poster(journey_map).save(tmp_path / "map.gif")


def test_a_slide_holds_native_texts(journey_map, tmp_path):
    pptx = pytest.importorskip("pptx")
    path = cj.poster(journey_map).save(tmp_path / "map.pptx")
    (slide,) = pptx.Presentation(path).slides
    words = {shape.text_frame.text for shape in slide.shapes if shape.has_text_frame}
    assert {"Onboarding", "2,828", "Customer goal"} <= words


def test_something_else_than_a_map_is_refused():
    with pytest.raises(cj.CjlibError, match=r"journey_map: must be what cj\.journey_map gives"):
        cj.poster({"stage": 1})


def test_the_map_is_exported_from_the_command_line(tmp_path):
    said = commandline.here("export", "map", SAMPLE, "--out", tmp_path / "map.svg")
    assert said.code == 0, said.err
    assert "Onboarding" in said.out
    assert (tmp_path / "map.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "jpg"), "--format: must be one of 'svg', 'png', 'pdf', 'pptx'"),
        (("--out", "map.jpg"), "--out: must be one of"),
        (("--out", "map.png", "--format", "svg"), "differ. Give one of the two."),
        (("--group", "email"), "name the column with --by"),
    ],
)
def test_an_export_that_cannot_be_is_refused_before_anything_is_read(arguments, words):
    said = commandline.here("export", "map", SAMPLE, *arguments)
    assert (said.code, words in said.err) == (2, True), said.err
