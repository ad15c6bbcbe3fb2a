"""Runs the DuckDB query on standard input in the current folder, and prints a line for each row."""

import json
import sys

import duckdb

for row in duckdb.sql(sys.stdin.read()).fetchall():
    print(json.dumps(row))
