"""CSV follows RFC 4180, keeps numbers exact and starts no formula."""

import csv as stdlib_csv
import io
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from perftui.config.secret import mask
from perftui.draw.table import Column
from perftui.export import csv
from perftui.model.series import Series, SeriesKey

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@given(
    st.lists(st.tuples(texts, st.floats(allow_nan=False, allow_infinity=False), st.integers()), max_size=5)
)
def test_rows_read_back_and_text_is_never_a_formula(rows):
    out = io.StringIO(newline="")
    assert csv.table(out, ("name", "=x", "n"), rows) == len(rows)
    read = list(stdlib_csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert read[0] == ["name", "'=x", "n"]
    for (text, number, count), got in zip(rows, read[1:], strict=True):
        assert got[0].removeprefix("'") == mask(text).removeprefix("'")
        assert not got[0].startswith(("=", "+", "-", "@"))
        assert float(got[1]) == number
        assert int(got[2]) == count


def test_long_form_names_every_column():
    series = Series(SeriesKey("cache", "ops_per_s", (("node", "a"), ("slot", "1"))), "1/s")
    series.append(1_700_000_000.5, -2.5)
    out = io.StringIO(newline="")
    assert csv.long(out, [series]) == 1
    assert out.getvalue() == (
        "time,source,series,labels,unit,value\r\n"
        "2023-11-14T22:13:20.500Z,cache,ops_per_s,node=a;slot=1,1/s,-2.5\r\n"
    )


def test_missing_numbers_are_empty():
    assert [csv.cell(v) for v in (None, float("nan"), True, 1.5)] == ["", "", "true", "1.5"]


def test_rows_are_streamed():
    class Sink(io.TextIOBase):
        def write(self, text):
            return len(text)

    tracemalloc.start()
    try:
        csv.table(Sink(), ("a", "b"), ((n, "x" * 50) for n in range(20_000)))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_composite_cell_exports_what_it_shows():
    states = Column("state", "State", value=lambda item: item, format=lambda item: f"{item['n']} ready")
    count = Column("n", "Ready", format=lambda n: f"● {n}")
    assert [column.datum({"n": 3}) for column in (states, count)] == ["3 ready", 3]
