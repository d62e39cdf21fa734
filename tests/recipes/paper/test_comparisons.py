import dataclasses

import pytest

from glimmer_keras.models.layer_split import LayerSplit
from recipes.paper.cells import glimmer
from recipes.paper.comparisons import comparisons, distinct_cells
from recipes.paper.model import asked_scale
from recipes.paper.scale import BASE, SMALL, TINY


@pytest.mark.parametrize("scale", [TINY, SMALL, BASE])
def test_cells_are_unique_and_consistent(scale):
    every = comparisons(scale)
    assert len({comparison.key for comparison in every}) == len(every) == 15
    cells = {cell.name: cell for cell in distinct_cells(every)}
    without_name = [{**dataclasses.asdict(cell), "name": ""} for cell in cells.values()]
    assert all(without_name.count(cell) == 1 for cell in without_name)
    for comparison in every:
        labels = [row.label for row in comparison.rows]
        assert len(set(labels)) == len(labels)
        assert comparison.claims
        for row in comparison.rows:
            assert row.cell == cells[row.cell.name]
            assert (row.cell.settings.get("num_selected") or 1) <= row.cell.num_passages
            assert row.cell.num_passages <= scale.most_passages
        for claim in comparison.claims:
            assert set(claim.contrast) <= set(labels)
            assert sum(claim.contrast.values()) == 0
    baseline = glimmer(scale)
    assert sum(row.cell == baseline for each in every for row in each.rows) == 12


def test_what_the_tiny_cells_are():
    by_key = {comparison.key: comparison for comparison in comparisons(TINY)}
    names = [row.cell.name for row in by_key["main"].rows]
    assert names == ["fid-2", "fid-16", "lumen-2", "lumen-4", "lumen-16", "glimmer-16-2"]
    stage_a = [
        LayerSplit(4, 3 / 4, row.cell.settings["rerank_proportion"]).stage_a
        for row in by_key["figure4"].rows[:3]
    ]
    assert stage_a == [1, 2, 3]
    alone = [row.cell for row in by_key["figure7"].rows if row.series == "qa alone"]
    assert [cell.tasks for cell in alone] == [("qa",)] * 4
    assert [LayerSplit(4, cell.settings["live_proportion"]).live for cell in alone] == [1, 2, 3, 4]
    taus = [row.cell.compile["distillation_temperature"] for row in by_key["table3"].rows]
    assert taus == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.5, 0.1])
    names = ("cross_attention_key_value_heads", "cross_attention_every")
    settings = [row.cell.settings for row in by_key["fido"].rows]
    cheaper = [tuple(each.get(name) for name in names) for each in settings]
    assert cheaper == [(None, None), (1, None), (None, 2), (1, 2)]


def test_claims_that_are_the_papers():
    claims = {
        comparison.key: {claim.text: claim for claim in comparison.claims}
        for comparison in comparisons(TINY)
    }
    assert "beta = 0.67 over beta = 0.33: fewer than 2 reranking layers harm" in claims["figure4"]
    assert claims["table1"]["Separate (from T5) about as good as GLIMMER (shared)"].alike
    assert all(claim.ours for claim in claims["temperature"].values())
    base, large = (
        {c.key: c for c in comparisons(asked_scale(BASE, None, t5, None))}["figure4"]
        for t5 in ("t5_1.1_base", "t5_1.1_large")
    )  # 4 and 8 live layers
    assert base.claims[1].contrast == {"beta = 0.50": 1, "beta = 0.25": -1}
    assert len(large.claims) == 2
