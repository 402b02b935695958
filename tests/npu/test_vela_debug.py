"""Vela's debug database: equal runs give equal files."""

from etbuild.npu.vela_debug import settled

DATABASE = '<t><![CDATA[\n"id",{head}\n1,{row}\n2,{other}\n]]>\n</t>'


def test_the_order_of_columns_is_the_same_whatever_vela_chose() -> None:
    """Cells go with their column, quotes and commas inside them too."""
    one = DATABASE.format(head='"Sram","Flash"', row='"a,b",3', other=',"c""d"')
    two = DATABASE.format(head='"Flash","Sram"', row='3,"a,b"', other='"c""d",')

    assert settled(one) == settled(two) == two


def test_what_is_no_table_stays() -> None:
    """Text around tables, empty tables, lines of another length."""
    text = "<a>\n<![CDATA[]]><![CDATA[\nx,y\n1\n]]></a>"

    assert settled(text) == text
