"""Vela's debug database: equal runs give equal files, and layers have names."""

from pathlib import Path

from etbuild.npu.debug_database import Layers, layers_of_delegate, normalised, numbered_from_1, read_layers

LAYERS = """<debug>
<table name="perf"><![CDATA[
"id","operator","name"
7,"Conv2D","first"
9,"MaxPool",
]]></table><table name="queue"><![CDATA[
"offset","scheduled_id"
64,9
20,7
]]></table></debug>"""

DATABASE = '<t><![CDATA[\n"id",{head}\n1,{row}\n2,{other}\n]]>\n</t>'


def test_the_order_of_columns_is_the_same_whatever_vela_chose() -> None:
    """Cells go with their column, quotes and commas inside them too."""
    one = DATABASE.format(head='"Sram","Flash"', row='"a,b",3', other=',"c""d"')
    two = DATABASE.format(head='"Flash","Sram"', row='3,"a,b"', other='"c""d",')

    assert normalised(one) == normalised(two) == two


def test_numbers_count_from_0_whatever_the_process_has_compiled_before() -> None:
    """Of scheduled operations in all tables, and of tensors, whose rows are in the order of their numbers."""
    one = LAYERS.replace(
        "</debug>", '<table name="tensors"><![CDATA[\n"id","name"\n{},"a"\n{},"b"\n]]></table></debug>'
    )
    other = one.replace("\n7,", "\n866,").replace("\n9,", "\n870,").replace(",9\n", ",870\n").replace(",7\n", ",866\n")

    made = normalised(one.format(3, 0))

    assert normalised(other.format(832, 819)) == made
    assert '\n0,"first","Conv2D"' in made
    assert "64,1\n20,0" in made
    assert '\n0,"b"\n1,"a"\n' in made


def test_tensors_of_velas_own_are_numbered_from_1() -> None:
    """In the order in which Vela made them, in all files of a compilation alike."""
    assert numbered_from_1(["#580,#7", '"#7","#581"', ""]) == ["#2,#1", '"#1","#3"', ""]


def test_what_is_no_table_stays() -> None:
    """Text around tables, empty tables, lines of another length."""
    text = "<a>\n<![CDATA[]]><![CDATA[\nx,y\n1\n]]></a>"

    assert normalised(text) == text


def test_layers_are_in_the_order_of_the_stream(tmp_path: Path) -> None:
    """A word belongs to the layer whose last operation is at or behind it."""
    database = tmp_path / "vela/0_debug.xml"
    database.parent.mkdir()
    database.write_text(normalised(LAYERS))

    layers = layers_of_delegate(tmp_path / "model.pte", 0)

    assert layers == read_layers(database) == Layers((20, 64), ("Conv2D first", "MaxPool"), ("first", ""))
    assert [layers.at(word) for word in (0, 5, 6, 16, 17)] == ["Conv2D first"] * 2 + ["MaxPool"] * 2 + [""]


def test_without_a_database_there_are_no_layers(tmp_path: Path) -> None:
    """A .pte outside a build's folder, and a file with other content."""
    (tmp_path / "other.xml").write_text("<debug/>")

    assert layers_of_delegate(tmp_path / "model.pte", 0) == read_layers(tmp_path / "other.xml") == Layers((), (), ())
