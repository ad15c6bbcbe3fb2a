"""Validates REPORT.json and the lines of REPORT.ndjson with a JSON Schema that is read from standard input.

Usage: schema.py REPORT < SCHEMA
"""

import json
import sys

import jsonschema


def main():
    schema = json.load(sys.stdin)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    with open(f"{sys.argv[1]}.json", encoding="utf-8") as file:
        reports = [json.load(file)]
    with open(f"{sys.argv[1]}.ndjson", encoding="utf-8") as file:
        reports += [json.loads(line) for line in file]
    for report in reports:
        validator.validate(report)
    changed = reports[-1] | {"change": "many"}
    assert not validator.is_valid(changed), "the check can fail"
    print(f"{len(reports)} are valid")


main()
