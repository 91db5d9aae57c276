"""CSV and Parquet files as columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from data.making import says

from dovetail.data.tabular import Columns, read_table
from dovetail.recipe.errors import DataError

FILE = Path("t.csv")


def read(text: str | bytes, delimiter: str = "auto") -> Columns:
    FILE.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(FILE, delimiter)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b\n1,x\n2,y\n", {"a": ["1", "2"], "b": ["x", "y"]}),
        ("a;b\n1,5;x\n", {"a": ["1,5"], "b": ["x"]}),
        ("a\tb\n1\tx\n", {"a": ["1"], "b": ["x"]}),
        ("a|b\n1|x\n", {"a": ["1"], "b": ["x"]}),
        ("a\n1\n2", {"a": ["1", "2"]}),
        ("\ufeffa,b\n1,2\n", {"a": ["1"], "b": ["2"]}),
        ("a,b\r\n1,2\r\n", {"a": ["1"], "b": ["2"]}),
        (" a , b \n 1 , x y \n", {"a": ["1"], "b": ["x y"]}),
        ("\n\na;b\n\n1;2\n\n", {"a": ["1"], "b": ["2"]}),
        ('"a, c, d";b\n"x;y";2\n', {"a, c, d": ["x;y"], "b": ["2"]}),
        ('a,b\n"one\ntwo","say ""hi"""\n', {"a": ["one\ntwo"], "b": ['say "hi"']}),
        ("größe,b\nü,東\n", {"größe": ["ü"], "b": ["東"]}),
        ("a,b,c,d\nNA,n/a,NaN,?\nnull,None, ,0\n", {"a": ["", ""], "b": ["", ""], "c": ["", ""], "d": ["", "0"]}),
        (",b\n1,2\n", {"": ["1"], "b": ["2"]}),
    ],
)
def test_reads(text: str, values: dict[str, list[str]]) -> None:
    assert read(text).values == values


def test_a_delimiter_may_be_said() -> None:
    assert read("a:b,c\n1:2\n", ":").values == {"a": ["1"], "b,c": ["2"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: expected a header and rows"),
        ("\n\n", "is empty: expected a header and rows"),
        ("a,b\n", "has a header but no rows"),
        ("a,b,a\n1,2,3\n", "the header names 'a' twice"),
        ("a,b\n1,2\n3,4,5\n", "row 3 has 3 cells, the header 2"),
        ("a,b\n\n1\n", "row 3 has 1 cells, the header 2"),
        ('a,b\n"1\n1",2\n1\n', "row 4 has 1 cells, the header 2"),
        ('a,b\n1,"2\n', "row 2: unexpected end of data"),
        ('a,b\n1,"2"3\n', "row 2: ',' expected after '\"'"),
        (b"a,b\n1,\xff\n", "row 2: not UTF-8 text: byte 0xff"),
        (b"a,b\n" + b"1,2\n" * 9000 + b"1,\xe9t\xe9\n", "row 9002: not UTF-8 text: byte 0xe9"),
        ("a,b\n1,2\n".encode("utf-16"), "row 1: not UTF-8 text: byte 0xff"),
        ("a,b\n1," + "x" * (1 << 20) + "y\n", "row 2: field larger than field limit (1048576)"),
    ],
)
def test_tells_what_is_wrong_with_a_file(text: str | bytes, message: str) -> None:
    with says(f"t.csv: {message}"):
        read(text)


def test_a_missing_file_is_named() -> None:
    with says("no.csv: cannot be read: No such file or directory"):
        read_table(Path("no.csv"))


@pytest.mark.parametrize("suffix", ["parquet", "pq", "PARQUET"])
def test_parquet_gives_what_csv_gives(suffix: str) -> None:
    columns = {"a": [1.5, None, float("nan")], "b": ["x", " NA ", None], "c": [3, None, 4], "d": [True, None, False]}
    pyarrow.parquet.write_table(pyarrow.table(columns), f"t.{suffix}")
    table = read_table(Path(f"t.{suffix}"))
    assert table.values == {"a": ["1.5", "", ""], "b": ["x", "", ""], "c": ["3", "", "4"], "d": ["True", "", "False"]}
    assert table.rows == [1, 2, 3]


def test_broken_parquet_is_named() -> None:
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), "t.parquet")
    data = Path("t.parquet").read_bytes()
    for broken in (b"", b"a,b\n1,2\n", data[:-4], data[:10] + data[-8:]):
        Path("t.parquet").write_bytes(broken)
        with pytest.raises(ValueError, match=r"^t\.parquet: cannot be read as Parquet: [^\n]*$"):
            read_table(Path("t.parquet"))
    pyarrow.parquet.write_table(pyarrow.table({"a": []}), "t.parquet")
    with says("t.parquet: has no rows"):
        read_table(Path("t.parquet"))
    twice = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    pyarrow.parquet.write_table(twice, "t.parquet")
    with says("t.parquet: the header names 'a' twice"):
        read_table(Path("t.parquet"))


def test_numbers_are_read_exactly_and_gaps_are_nan() -> None:
    numbers = read("a,b\n0.1,x\n-1e-3,x\n,x\n007,x\n").numbers("a")
    assert np.array_equal(numbers, [0.1, -1e-3, np.nan, 7], equal_nan=True)
    assert numbers.dtype == np.float64


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("red", "'red' is not a number"),
        ("1,5", "'1,5' is not a number"),
        ("inf", "inf is not finite"),
        ("-Infinity", "-Infinity is not finite"),
        ("1e999", "1e999 is not finite"),
        ("-nan", "-nan is not finite"),
        ("1e39", "1e39 is too large"),
    ],
)
def test_what_is_not_a_number_is_told_with_its_place(text: str, what: str) -> None:
    table = read(f"a;b\n1;2\n\n;3\n{text};4\n")
    with says(f"t.csv: row 5, column 'a': {what}"):
        table.numbers("a")


@pytest.mark.parametrize(("numbers", "others", "answer"), [(9, 1, True), (8, 1, False), (0, 5, False), (0, 0, False)])
def test_a_column_holds_numbers_where_nine_in_ten_are(numbers: int, others: int, answer: bool) -> None:
    cells = ["1"] * numbers + ["x"] * others + ["NA"] * 50
    assert read("a,b\n" + "".join(f"{value},1\n" for value in cells)).is_number("a") is answer


def test_the_first_gap_is_told_and_how_many_there_are() -> None:
    table = read("a,b,c\n1,2,\n1,,3\n,2,3\n")
    with says(
        "t.csv: row 3, column 'b': the value is absent (2 in all); say what to do: missing: mean, indicator or drop"
    ):
        table.require_present(["a", "b"])


def test_a_hundred_thousand_columns_take_no_longer_than_they_must() -> None:
    names = [f"c{i}" for i in range(100_000)]
    Path("wide.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    assert len(read_table(Path("wide.csv")).values) == 100_000


def test_what_a_message_quotes_of_a_file_stays_on_its_line() -> None:
    Path("x.csv").write_text('"a\n\x1b[2Jb","a\n\x1b[2Jb"\n1,2\n')
    with pytest.raises(DataError) as told:
        read_table(Path("x.csv"))
    assert str(told.value) == r"x.csv: the header names 'a\n\x1b[2Jb' twice"
    assert len(str(DataError("x" * 1_000_000))) < 3000
