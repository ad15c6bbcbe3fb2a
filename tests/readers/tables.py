"""Reads REPORT.csv and REPORT.ndjson by the calls of docs/reports.md, and checks the types of their columns.

Usage: tables.py REPORT
"""

import datetime
import json
import sys

import duckdb
import pandas as pd
import polars as pl

INTEGERS = ["public_repos", "was", "change", "id", "attempts"]
FIRST = {"login": "user-0", "public_repos": 0, "was": 500, "change": -500, "id": 123_456_789_012, "verified": True}
TIME = datetime.datetime(2026, 1, 15, 9, 30, tzinfo=datetime.timezone.utc)


def check_pandas(frame):
    for column in INTEGERS:
        assert frame[column].dtype == pd.Int64Dtype(), (column, frame[column].dtype)
    assert frame["verified"].dtype == pd.BooleanDtype()
    assert str(frame["at"].dtype).startswith("datetime64") and str(frame["at"].dt.tz) == "UTC", frame["at"].dtype
    assert frame["change"].isna().sum() == len(frame) // 2
    assert all(frame[column][0] == value for column, value in FIRST.items()) and frame["at"][0] == TIME


def check_polars(frame):
    for column in INTEGERS:
        assert frame.schema[column] == pl.Int64, (column, frame.schema[column])
    assert frame.schema["verified"] == pl.Boolean
    assert frame.schema["at"] == pl.Datetime("us", "UTC"), frame.schema["at"]
    assert frame["change"].null_count() == frame.height // 2
    assert all(frame[column][0] == value for column, value in FIRST.items()) and frame["at"][0] == TIME


def check_duckdb(rows):
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    for column in INTEGERS:
        assert types[column] in ("BIGINT", "HUGEINT"), (column, types[column])
    assert types["verified"] == "BOOLEAN" and types["at"].startswith("TIMESTAMP"), types
    assert rows.aggregate("count(*) FILTER (change IS NULL) * 2 = count(*)").fetchall() == [(True,)]
    first = dict(zip(rows.columns, rows.limit(1).fetchall()[0], strict=True))
    assert all(first[column] == value for column, value in FIRST.items()), first


def check_late_error(report):
    """Both programs take types from the first rows: the first error comes after 25,000 rows without one."""
    with open(f"{report}.ndjson", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    counted = next(row for row in rows if row["error"] is None)
    failed = next(row for row in rows if row["error"] is not None)
    with open("late.ndjson", "w", encoding="utf-8") as late:
        late.writelines(json.dumps(row) + "\n" for row in [counted] * 25_000 + [failed])
    rows = duckdb.sql("FROM read_json('late.ndjson', sample_size = -1)")
    assert rows.aggregate("max(error)").fetchall() == [(failed["error"],)], rows.aggregate("max(error)").fetchall()
    frame = pl.read_ndjson("late.ndjson", infer_schema_length=None)
    assert frame["error"][-1] == failed["error"], frame["error"][-1]


def main():
    report = sys.argv[1]
    check_pandas(pd.read_csv(f"{report}.csv", dtype_backend="numpy_nullable", parse_dates=["at"],
                             keep_default_na=False, na_values=[""]))
    frame = pd.read_json(f"{report}.ndjson", lines=True, dtype_backend="numpy_nullable")
    check_pandas(frame.assign(at=pd.to_datetime(frame["at"])))
    check_polars(pl.read_csv(f"{report}.csv", try_parse_dates=True))
    check_polars(pl.read_ndjson(f"{report}.ndjson", infer_schema_length=None)
                 .with_columns(pl.col("at").str.to_datetime(time_zone="UTC")))
    check_duckdb(duckdb.sql(f"FROM read_csv('{report}.csv')"))
    check_duckdb(duckdb.sql(f"FROM read_json('{report}.ndjson', sample_size = -1)"))
    check_late_error(report)
    print("typed")


main()
