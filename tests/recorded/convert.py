"""Makes test cases of recorded exchanges with GitHub: responses, a command line, and the outcome that it must have.

Usage: convert.py PYGITHUB_FOLDER OCTOKIT_FIXTURES_FOLDER OUTPUT_FOLDER

The expectations follow from the recorded bytes, from GitHub's documentation, and from the documented statuses of the program.
OUTPUT_FOLDER/cases.json lists the cases. The responses of a case are in a folder for --replay, or in the list, for a server.
"""

import json
import re
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum, auto
from pathlib import Path
from urllib.parse import urlsplit

from exchanges import read_octokit, read_pygithub

REPLAY, HTTP = "replay", "http"
LOGIN = "sample-login"
ORGANIZATION = "sample-organization"
INSTALLATION = 7
# The latest second that a calendar date can have. The normalized recordings have milliseconds instead.
LAST_SECOND = 253402300799


def numbered(stem, sequence):
    return f"{stem}.json" if sequence == 1 else f"{stem}.{sequence}.json"


def stem(target):
    """The path of a recorded response below its folder, without extension, as `ghrepos --record` names it."""
    path, _, query = target.lower().partition("?")
    parts = [part for part in path.split("/") if part] + ([query] if query else [])
    return "/".join(re.sub(r"[^a-z0-9._=&+@\[\]-]", "-", part) for part in parts)


@dataclass
class Case:
    """A run of the program and what must come out of it."""

    kind: str
    serve: str
    arguments: list
    status: int
    # Request and exchange for each response.
    responses: list = field(default_factory=list)
    # Fields of each row with its source, or None for a run without rows.
    rows: list | None = None
    # Number of recorded exchanges that are compared, if not the number of responses.
    compared: int | None = None
    # Parts of standard error.
    messages: list = field(default_factory=list)
    # Values of the JSON on standard output, by pointer.
    values: dict = field(default_factory=dict)
    # Limit and remaining requests of each quota, in the order of the responses.
    quotas: list | None = None
    # Installation token that the last request must have, and that no output may have.
    token: str | None = None
    with_app: bool = False
    with_token: bool = False
    accounts: list = field(default_factory=list)

    def write(self, folder):
        """Writes the responses to replay. Returns everything else as JSON."""
        responses = [
            {"request": request, "status": exchange.status, "headers": exchange.headers, "text": exchange.body}
            for request, exchange in self.responses
        ]
        files = []
        if self.serve == REPLAY:
            sequences = {}
            for response in responses:
                name = stem(response["request"].split(" ", 1)[1])
                sequences[name] = sequences.get(name, 0) + 1
                files.append(numbered(name, sequences[name]))
                file = folder / files[-1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(response), encoding="utf-8")
        return {
            **vars(self),
            "folder": folder.name,
            "files": files,
            "responses": responses if self.serve == HTTP else [],
            "sources": [exchange.source for _, exchange in self.responses],
            "compared": len(responses) if self.compared is None else self.compared,
        }


def is_account(exchange):
    """True for an account with a count, as GitHub sends it for /users/X, /orgs/X, /user and /user/ID."""
    body = exchange.json()
    return (
        exchange.method == "GET"
        and exchange.status == 200
        and isinstance(body, dict)
        and {"login", "id", "public_repos"} <= body.keys()
        and type(body["public_repos"]) is int
    )


def requested_login(exchange):
    """The login in the path of a request for an account, or None."""
    match = re.fullmatch(r"/(users|orgs)/([^/]+)", exchange.path)
    return match.group(2) if match else None


def account_row(exchange):
    body = exchange.json()
    kind = body.get("type")
    return {
        "source": exchange.source,
        "fields": {
            "login": body["login"],
            "status": "ok",
            "type": kind.lower() if kind else None,
            "public_repos": body["public_repos"],
            "id": body["id"],
            "api": "rest",
            "error": None,
        },
    }


def failed_row(source, login, status="failed"):
    return {"source": source, "fields": {"login": login, "status": status, "public_repos": None, "id": None}}


def accounts(exchanges):
    """Every account that was recorded, in runs in which no login occurs twice."""
    rounds = []
    for exchange in filter(is_account, exchanges):
        login = exchange.json()["login"].lower()
        free = next((group for group in rounds if login not in group), None)
        if free is None:
            rounds.append(free := {})
        free[login] = exchange
    for group in rounds:
        # In the spelling of the request; /user has no login.
        logins = [requested_login(exchange) or exchange.json()["login"] for exchange in group.values()]
        for serve in (REPLAY, HTTP):
            yield Case(
                "accounts",
                serve,
                [*logins, "-F", "ndjson"],
                0,
                [(f"GET /users/{login}", exchange) for login, exchange in zip(logins, group.values())],
                [account_row(exchange) for exchange in group.values()],
                compared=len(group) if serve == REPLAY else 0,
                accounts=list(group) if serve == REPLAY else [],
            )


def other_successes(exchanges):
    """Successes that are no account with a count: such a run must end without a number.

    Those of the routes of accounts, of which one is cut off, and one of each other route.
    """
    seen = set()
    for exchange in exchanges:
        if exchange.method != "GET" or exchange.status != 200 or is_account(exchange):
            continue
        login = requested_login(exchange)
        route = re.sub(r"\d+|[0-9a-f]{40}", "N", re.sub(r"^/(repos/[^/]+|\w+)/[^/]+", r"/\1/X", exchange.path))
        if login is None and exchange.path != "/user":
            if route in seen:
                continue
            seen.add(route)
        login = login or LOGIN
        yield Case(
            "other successes",
            REPLAY,
            [login, "-F", "ndjson", "--retries", "0"],
            1,
            [(f"GET /users/{login}", exchange)],
            [failed_row(exchange.source, login)],
        )


def graphql_responses(exchanges):
    """Every response to a query, in place of that to a query for an account: no number, and no account is missing.

    None of them has the requested alias; some have errors of the type NOT_FOUND, with the path of another field.
    """
    for exchange in exchanges:
        if (exchange.method, exchange.path.split("/")[-1]) == ("POST", "graphql"):
            yield Case(
                "GraphQL responses",
                HTTP,
                [LOGIN, "--api", "graphql", "-F", "ndjson", "--retries", "0"],
                1,
                [("POST /graphql", exchange)],
                [failed_row(exchange.source, LOGIN)],
                with_token=True,
            )


def message_of(exchange):
    """The message of an error in GitHub's form, or None."""
    body = exchange.json()
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else None


def is_rate_limit(exchange):
    """GitHub's documentation: 403 or 429, with `retry-after`, without remaining requests, or with a message about a limit."""
    message = (message_of(exchange) or "").lower()
    return exchange.status in (403, 429) and (
        "retry-after" in exchange.headers
        or exchange.headers.get("x-ratelimit-remaining") == "0"
        or message.startswith(("api rate limit exceeded", "you have exceeded a secondary rate limit"))
        or "abuse detection" in message
    )


def is_moved_account(exchange):
    """301 to another path of an account, an organization or a repository in the same API."""
    location = urlsplit(exchange.headers.get("location", ""))
    is_path = re.fullmatch(r"/(user|organizations|repositories)/\d+|/(users|orgs)/[\w-]+", location.path)
    return exchange.status in (301, 308) and location.netloc == "api.github.com" and bool(is_path)


class Meaning(Enum):
    """The meaning of an error."""

    RATE_LIMIT = auto()
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    MISSING = auto()
    FAILED = auto()
    MOVED = auto()
    FOREIGN = auto()


def meaning_of(exchange):
    """The meaning of an error, whatever was requested."""
    message = message_of(exchange)
    if exchange.status >= 500:
        # Temporary, whatever the body is.
        return Meaning.FAILED
    if exchange.status < 400:
        # A permanent redirect within the API is followed. No request is conditional, so a 304 is not a response to it, and a
        # redirect elsewhere, such as to a download or a sign-in page, is not about an account.
        return Meaning.MOVED if is_moved_account(exchange) else Meaning.FOREIGN
    if message is None:
        # Every error of GitHub's API has a message; without one, it may be a gateway's.
        return Meaning.FOREIGN
    if is_rate_limit(exchange):
        return Meaning.RATE_LIMIT
    if exchange.status == 401 or exchange.status == 403 and "login attempt" in message:
        # Credentials that are wrong, or were wrong too often: no further request would succeed.
        return Meaning.UNAUTHORIZED
    if exchange.status == 403:
        return Meaning.FORBIDDEN
    if exchange.status == 404:
        return Meaning.MISSING
    # 400, 409, 422: no retry would help, and nothing is known about the account.
    return Meaning.FAILED


# Status of the row and of the run. A replay has no limit to wait for, and no host that could be a wrong one.
ACCOUNT_ERRORS = {
    Meaning.RATE_LIMIT: {REPLAY: ("failed", 1), HTTP: ("skipped", 5)},
    Meaning.UNAUTHORIZED: {REPLAY: ("failed", 4), HTTP: ("failed", 4)},
    Meaning.FORBIDDEN: {REPLAY: ("forbidden", 1), HTTP: ("forbidden", 1)},
    Meaning.MISSING: {REPLAY: ("not_found", 1), HTTP: ("not_found", 1)},
    Meaning.FAILED: {REPLAY: ("failed", 1), HTTP: ("failed", 1)},
    Meaning.FOREIGN: {REPLAY: ("failed", 1), HTTP: ("failed", 5)},
    # What was moved in these recordings is a repository. In place of an account, it is not GitHub's response.
    Meaning.MOVED: {REPLAY: ("failed", 1), HTTP: ("failed", 5)},
}

# Status of a run whose list of members cannot be read: an unreadable input, except where the run as a whole has failed.
LIST_ERRORS = {
    Meaning.RATE_LIMIT: {REPLAY: 2, HTTP: 5},
    Meaning.UNAUTHORIZED: {REPLAY: 4, HTTP: 4},
    Meaning.FORBIDDEN: {REPLAY: 2, HTTP: 2},
    Meaning.MISSING: {REPLAY: 2, HTTP: 2},
    Meaning.FAILED: {REPLAY: 2, HTTP: 2},
    Meaning.FOREIGN: {REPLAY: 2, HTTP: 5},
}


def follow(exchange):
    """The recorded responses to the path that a redirect names."""
    path = urlsplit(exchange.headers.get("location", "")).path
    found = [other for other in exchange.neighbors if (other.method, other.path, other.status) == ("GET", path, 200)]
    return [(f"GET {path}", found[0])] if found else []


def shown(exchange):
    """The recorded message, if a line of text has it as it is."""
    message = message_of(exchange)
    return [message.rstrip(".")] if message and message.isprintable() else []


def account_errors(exchanges):
    """Every error that was recorded, served for an account."""
    for exchange in exchanges:
        if exchange.status < 300:
            continue
        meaning = meaning_of(exchange)
        login = requested_login(exchange) or LOGIN
        target = follow(exchange) if meaning == Meaning.MOVED else []
        if meaning == Meaning.MOVED and not target:
            raise SystemExit(f"{exchange.source}: the target of the redirect was not recorded")
        for serve in (REPLAY, HTTP):
            row, status = ACCOUNT_ERRORS[meaning][serve]
            case = Case(
                "errors",
                serve,
                [login, "-F", "ndjson", "--retries", "0", "--max-wait", "0s"],
                status,
                [(f"GET /users/{login}", exchange), *target],
                [failed_row(exchange.source, login, row)],
                compared=1 if serve == REPLAY else 0,
            )
            if meaning in (Meaning.FORBIDDEN, Meaning.UNAUTHORIZED) or meaning == Meaning.FAILED and exchange.status < 500:
                case.rows[0]["error"] = shown(exchange)
            yield case


def list_errors(exchanges):
    """Every error of an organization's or a team's route, served for a list of members."""
    for exchange in exchanges:
        if exchange.status < 300 or not re.match(r"/(orgs|teams|organizations)/", exchange.path):
            continue
        meaning = meaning_of(exchange)
        for serve in (REPLAY, HTTP):
            yield Case(
                "errors of member lists",
                serve,
                ["--members", ORGANIZATION, "-F", "ndjson", "--retries", "0", "--max-wait", "0s"],
                LIST_ERRORS[meaning][serve],
                [(f"GET /orgs/{ORGANIZATION}/members?per_page=100", exchange)],
                [],
                compared=1 if serve == REPLAY else 0,
                messages=shown(exchange) if meaning in (Meaning.FORBIDDEN, Meaning.UNAUTHORIZED) else [],
            )


def next_page(exchange):
    """The path and query of the next page, after the rules of RFC 8288."""
    match = re.search(r'<([^>]*)>\s*;\s*rel="next"', exchange.headers.get("link", ""))
    if not match:
        return None
    url = urlsplit(match.group(1))
    return url.path + ("?" + url.query if url.query else "")


def list_request(exchange):
    """The arguments and the path with which the program requests a list of this kind."""
    if re.fullmatch(r"/orgs/[^/]+/outside_collaborators", exchange.path):
        return ["--outside-collaborators", ORGANIZATION], f"/orgs/{ORGANIZATION}/outside_collaborators?per_page=100"
    if re.fullmatch(r"/teams/\d+/members|/organizations/\d+/team/\d+/members", exchange.path):
        return ["--team", f"{ORGANIZATION}/core"], f"/orgs/{ORGANIZATION}/teams/core/members?per_page=100"
    return ["--members", ORGANIZATION], f"/orgs/{ORGANIZATION}/members?per_page=100"


def is_member_route(exchange):
    return bool(re.search(r"/(members|public_members|outside_collaborators)$", exchange.path))


def is_list_of_accounts(exchange):
    body = exchange.json()
    return isinstance(body, list) and all(isinstance(item, dict) and isinstance(item.get("login"), str) for item in body)


def member_lists(exchanges):
    """Every list of members, and every other list of accounts, which has the same form: some have several pages."""
    later_pages = set()
    for exchange in exchanges:
        if exchange.method != "GET" or exchange.status != 200 or id(exchange) in later_pages:
            continue
        if not is_member_route(exchange) and not (is_list_of_accounts(exchange) and exchange.json()):
            continue
        pages, is_complete = [exchange], True
        while (target := next_page(pages[-1])) is not None:
            page = next((other for other in exchange.neighbors if other.target == target), None)
            if page is None:
                is_complete = False
                break
            later_pages.add(id(page))
            pages.append(page)
        arguments, first = list_request(exchange)
        targets = [first, *(page.target for page in pages[1:])]
        is_list = is_complete and all(map(is_list_of_accounts, pages))
        logins = list(dict.fromkeys(item["login"] for page in pages for item in page.json())) if is_list else []
        yield Case(
            "member lists" if is_member_route(exchange) else "other lists of accounts",
            REPLAY,
            [*arguments, "-F", "ndjson", "--allow-empty"],
            # The accounts themselves were not recorded. A part of a list is not counted.
            (1 if logins else 0) if is_list else 2,
            [(f"GET {target}", page) for target, page in zip(targets, pages)],
            [failed_row(exchange.source, login) for login in logins],
        )


def quotas(exchanges):
    """The quota of every /rate_limit, as --plan shows it."""
    for exchange in exchanges:
        if not is_get(exchange, "/rate_limit"):
            continue
        resources = exchange.json()["resources"]
        for resource, arguments in (("core", ["--api", "rest"]), ("graphql", ["--api", "graphql"])):
            quota = resources[resource]
            yield Case(
                "rate limits",
                HTTP,
                [LOGIN, "--plan", "-F", "json", *arguments],
                0,
                [("GET /rate_limit", exchange)],
                compared=1 if resource == "core" else 0,
                values={
                    "/quota/resource": resource,
                    "/quota/limit": quota["limit"],
                    "/quota/remaining": quota["remaining"],
                    "/quota/reset": datetime.fromtimestamp(quota["reset"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                },
                with_token=resource == "graphql",
            )


def sample_account(exchange, login):
    """A sample account under the headers of a recorded response."""
    body = json.dumps({"login": login, "id": 1, "type": "User", "public_repos": 1})
    headers = {**exchange.headers, "content-type": "application/json"}
    # Its presence alone means a limit.
    headers.pop("retry-after", None)
    return type(exchange)(exchange.source, "GET", f"/users/{login}", "", 200, headers, body)


def quota_headers(exchanges):
    """The quota in the headers of every response, as -vv shows it. The windows of a run end in ascending order.

    A quota without the end of its window, as until 2013, is not used, nor one whose end no calendar has.
    """
    rounds, without = [], []
    for exchange in exchanges:
        limit, remaining, reset = (exchange.number(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset"))
        resource = exchange.headers.get("x-ratelimit-resource", "core")
        # The program sends no search.
        if limit is None or resource not in ("core", "graphql"):
            continue
        # The quota of GraphQL is another one than that of the requests for accounts.
        if reset is None or reset > LAST_SECOND or resource != "core":
            without.append(exchange)
            continue
        # Windows that end at nearly the same time are the same one. A run ends where nothing remains.
        free = next(
            (group for group in rounds if remaining > 0 and all(abs(reset - other) > 2 for other in group)), None
        )
        if free is None:
            rounds.append(free := {})
        free[reset] = (exchange, [limit, remaining])
    for group in rounds:
        ordered = [group[reset] for reset in sorted(group)]
        yield quota_run([exchange for exchange, _ in ordered], [quota for _, quota in ordered])
    for start in range(0, len(without), 200):
        yield quota_run(without[start : start + 200], [])


def quota_run(exchanges, expected):
    logins = [f"sample-{number}" for number in range(1, len(exchanges) + 1)]
    return Case(
        "rate limit headers",
        HTTP,
        [*logins, "-F", "ndjson", "-j", "1", "-vv"],
        0,
        [(f"GET /users/{login}", sample_account(exchange, login)) for login, exchange in zip(logins, exchanges)],
        quotas=expected,
    )


def app_flows(exchanges):
    """Every response to a request of a GitHub App: its name, its installations, its tokens, and each error."""
    account = next(exchange for exchange in exchanges if is_account(exchange))
    app = next(exchange for exchange in exchanges if is_get(exchange, "/app"))
    issued = next(filter(is_new_token, exchanges))
    login = account.json()["login"]
    counted = [(f"GET /users/{login}", account)]
    rows, skipped = [account_row(account)], [failed_row(account.source, login, "skipped")]
    new_token = f"POST /app/installations/{INSTALLATION}/access_tokens"
    chosen = ["--installation", str(INSTALLATION)]

    def run(arguments, status, responses, **expected):
        arguments = [login, "--api", "rest", "--retries", "0", *arguments]
        return Case("app flows", HTTP, arguments, status, responses, compared=1, with_app=True, **expected)

    for exchange in exchanges:
        body = exchange.json()
        if is_get(exchange, "/app"):
            values = {"/meta/app": body["name"], "/rows/0/public_repos": rows[0]["fields"]["public_repos"]}
            responses = [("GET /app", exchange), (new_token, issued), *counted]
            yield run(["-F", "json", *chosen], 0, responses, values=values)
        elif is_get(exchange, "/app/installations"):
            listed = [("GET /app/installations?per_page=100", exchange)]
            if len(body) == 1:
                request = f"POST /app/installations/{body[0]['id']}/access_tokens"
                token = issued.json()["token"]
                yield run(["-F", "ndjson"], 0, [*listed, (request, issued), *counted], rows=rows, token=token)
            else:
                # The choice between several installations is the user's.
                names = [f"{installation['id']} ({installation['account']['login']})" for installation in body]
                yield run(["-F", "ndjson"], 2, listed, rows=skipped, messages=names)
        elif is_new_token(exchange):
            responses = [("GET /app", app), (new_token, exchange), *counted]
            yield run(["-F", "ndjson", "-vv", *chosen], 0, responses, rows=rows, token=body["token"])
        elif exchange.status >= 400 and re.search(r"/(access_tokens|installation)$", exchange.path):
            # The app, its key or its installation is wrong: the run as a whole. A 404 names the installation.
            messages = [str(INSTALLATION)] if exchange.status == 404 else shown(exchange)
            yield run(["-F", "ndjson", *chosen], 4, [(new_token, exchange)], rows=skipped, messages=messages)


def is_get(exchange, path):
    return (exchange.method, exchange.path, exchange.status) == ("GET", path, 200)


def is_new_token(exchange):
    return (exchange.method, exchange.status) == ("POST", 201) and exchange.path.endswith("/access_tokens")


def main():
    pygithub, octokit, output = sys.argv[1:]
    read, unreadable = read_pygithub(pygithub)
    fixtures = read_octokit(octokit)
    exchanges = read + fixtures
    kinds = [
        accounts,
        other_successes,
        graphql_responses,
        account_errors,
        list_errors,
        member_lists,
        quotas,
        quota_headers,
        app_flows,
    ]
    cases = [case for kind in kinds for case in kind(exchanges)]
    described = [case.write(Path(output) / f"{number:04}") for number, case in enumerate(cases, 1)]
    summary = {
        "pygithub": len(read),
        "octokit": len(fixtures),
        "unreadable": unreadable,
        "cases": described,
    }
    (Path(output) / "cases.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
