"""Invariant: figures are written between marks and nowhere else; hostile names change neither a table nor a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from middlewatch.evals import tables
from middlewatch.evals.ablation import Ablation, ablate
from middlewatch.evals.assessing import Asked
from middlewatch.evals.charts import accuracy_by_agents, reliability_diagram
from middlewatch.evals.publish import AGENTS_PICTURE, RELIABILITY_PICTURE, in_order, publish, with_blocks
from middlewatch.records.errors import BadInput
from tests.unit.evals.incidents import METRICS, NOTHING, PLAIN, incident

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "measurements" / "ranking.md"
HOSTILE = "<script>`x` | [y](z)\n"


def measured(asked: Asked = Asked()) -> Ablation:  # noqa: B008  frozen
    return ablate(
        [
            incident(PLAIN),
            incident({METRICS: {"shop": 9.0, "cart": 0.0}}, identifier="missed", system=HOSTILE, kind=HOSTILE),
            incident(NOTHING, truth=None, identifier="quiet"),
        ],
        asked,
    )


OTHER = incident(NOTHING, identifier="other", system=HOSTILE)


def test_only_what_stands_between_the_marks_is_rewritten() -> None:
    page = (
        "prose\n<!-- measured: vote -->\nold\n<!-- end of vote -->\nmore\n<!-- measured: misses -->\nkept\n<!-- end of misses -->\n"
    )
    assert with_blocks(page, {"vote": "new \\1"}) == page.replace("old", "new \\1")
    with pytest.raises(BadInput, match="no block 'confidence'"):
        with_blocks(page, {"confidence": "new"})


def test_the_page_has_a_block_for_every_figure(tmp_path: Path) -> None:
    page = tmp_path / "ranking.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    publish(page, measured(), [measured(Asked(degradations=("no-logs",))), measured()], [incident(PLAIN), OTHER])
    first = page.read_text(encoding="utf-8")
    publish(page, measured(), [measured(), measured(Asked(degradations=("no-logs",)))])
    assert page.read_text(encoding="utf-8") == first
    assert {file.name for file in tmp_path.iterdir()} == {page.name, AGENTS_PICTURE, RELIABILITY_PICTURE}
    assert "| `SHARE_TEMPERATURE` = " in first
    publish(page, None, [])
    assert page.read_text(encoding="utf-8") == first


def test_the_pictures_are_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for picture in (AGENTS_PICTURE, RELIABILITY_PICTURE):
        assert f"({picture})" in text
        assert (PAGE.parent / picture).exists()


def test_degraded_recordings_come_in_the_order_of_the_list() -> None:
    several = [measured(Asked(degradations=names)) for names in (("no-logs",), ("clock-skew", "no-logs"), (), ("random-names",))]
    assert [each.degraded for each in in_order(several)] == [(), ("random-names",), ("clock-skew", "no-logs"), ("no-logs",)]
    table = tables.by_degradation(in_order(several))
    assert [line.split(" | ")[0].strip("| ") for line in table.split("\n")[2:]] == [
        "as they are",
        "random-names",
        "clock-skew + no-logs",
        "no-logs",
    ]


def test_tables_have_the_same_cells_in_every_row() -> None:
    for table in tables.everything(measured()).split("\n\n")[1::2]:
        bars = {line.replace("\\|", "").count("|") for line in table.split("\n")}
        assert len(bars) == 1, table
        assert "<script>" not in table.replace("\\<script\\>", "")


def test_where_there_is_nothing_to_say() -> None:
    assert tables.left_out([incident(PLAIN)]) == "None."
    assert tables.onsets(measured()) == "None.", "without a labelled beginning"
    nothing_missed = ablate([incident(PLAIN)], Asked())
    assert tables.misses(nothing_missed) == "None."
    assert tables.quiet(nothing_missed) == "None."
    only_quiet = ablate([incident(NOTHING, truth=None)], Asked())
    assert tables.reliability(only_quiet) == "None."
    assert "| all " not in tables.overview(only_quiet)


def test_figures_as_they_are_read() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.overview(measured()).split("\n")]
    assert rows[0][:4] == ["", "incidents", "AC@1", "95 %"]
    assert rows[2] == ["all", "2", ".500", ".095 to .905", "1.000", ".900", ".500", ".000", ".500"]
    miss = tables.misses(measured()).split("\n")[2]
    assert "shop (" in miss
    missed = tables.misses(ablate([incident(NOTHING)], Asked())).split("\n")[2]
    assert "inconclusive; first: cart" in missed


def test_pictures_are_xml_that_reads_nothing_from_elsewhere() -> None:
    confidence = measured().vote.confidence
    assert confidence is not None
    for picture in (accuracy_by_agents(measured()), reliability_diagram(confidence)):
        root = ET.fromstring(picture)  # noqa: S314  made a line above
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert {element.tag.split("}")[1] for element in root.iter()} <= {"svg", "title", "style", "rect", "line", "circle", "text"}
        assert "prefers-color-scheme: dark" in picture
        assert "url(" not in picture
        assert "href" not in picture


def test_a_picture_shows_the_figures() -> None:
    picture = accuracy_by_agents(measured())
    widths = [float(rect.split('width="')[1].split('"')[0]) for rect in picture.split("\n") if 'class="value"' in rect]
    sets = len(measured().scores)
    assert len(widths) == 2 * sets
    assert (widths[sets - 1], widths[-1]) == (170.0, 0.0)  # the vote: right on the first system, wrong on the other
    assert "all (the vote)" in picture
