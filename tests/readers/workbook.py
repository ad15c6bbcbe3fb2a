"""Compares a workbook, and the CSV that LibreOffice made of it, with our CSV.

Usage: workbook.py REPORT.xlsx REPORT.csv LIBREOFFICE.csv
"""

import csv
import datetime
import re
import sys

import openpyxl

NUMBERS = {"public_repos", "sources", "forks", "archived", "private_repos", "internal_repos", "was", "change", "id", "attempts"}
TIMES = {"at"}
FORMULA = re.compile(r"[\s']*[=+\-@＝＋－＠]")


def expected(column, text):
    """The value that a cell of our CSV stands for."""
    if text == "":
        return None
    if column in NUMBERS:
        return int(text)
    if column in TIMES:
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    if column == "verified":
        return text == "true"
    # The apostrophe keeps a spreadsheet from reading text as a formula; a workbook needs none.
    if text.startswith("'") and FORMULA.match(text[1:]):
        text = text[1:]
    return text.replace("\r\n", "\n")


def of_openpyxl(cell):
    assert cell.data_type != "f", f"{cell.coordinate} is a formula: {cell.value}"
    if isinstance(cell.value, str):
        # openpyxl does not undo Excel's escapes.
        return re.sub("_x005F_", "_", cell.value)
    return cell.value


def of_libreoffice(column, text):
    """The value of a cell in LibreOffice's CSV, which has other spellings of times and flags."""
    if text == "":
        return None
    if column in NUMBERS:
        return int(text)
    if column in TIMES:
        return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    if column == "verified":
        return {"TRUE": True, "FALSE": False}[text]
    return text


def main():
    workbook, ours, theirs = sys.argv[1:]
    with open(ours, newline="", encoding="utf-8") as file:
        ours = list(csv.reader(file))
    with open(theirs, newline="", encoding="utf-8") as file:
        theirs = list(csv.reader(file))
    sheet = openpyxl.load_workbook(workbook)["Accounts"]
    header = ours[0]
    assert theirs[0] == header, (theirs[0], header)
    assert [cell.value for cell in sheet[1]] == header
    assert len(theirs) == len(ours) == sheet.max_row, (len(theirs), len(ours), sheet.max_row)
    for number, (row, other, cells) in enumerate(zip(ours, theirs, sheet.iter_rows(), strict=True), 1):
        if number == 1:
            continue
        for column, text, converted, cell in zip(header, row, other, cells, strict=True):
            value = expected(column, text)
            assert of_libreoffice(column, converted) == value, (number, column, converted, value)
            assert of_openpyxl(cell) == value, (number, column, cell.value, value)
            assert type(of_openpyxl(cell)) is type(value), (number, column, cell.value, value)
    print(f"{len(ours) - 1} rows and {len(header)} columns are equal")


main()
