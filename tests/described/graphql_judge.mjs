// Judges the rows of a run by the responses that their logins had. The rules are GitHub's:
// - A null is a missing account, unless the response has an error about its alias, or an error that is about no alias.
// - An error about a field of an account says nothing about the existence of the account.
// - A response with RATE_LIMITED or RATE_LIMIT has no results.
// - A private count is a number where the token sees all repositories.

const NUMBERS = ['public_repos', 'sources', 'forks', 'archived', 'private_repos', 'internal_repos', 'last_push'];
const FAILED = { status: 'failed' };
const FORBIDDEN = { status: 'forbidden' };
const NOT_FOUND = { status: 'not_found' };

// Returns the rows that a response to a query allows for a login.
function rowsOfQuery({ status, body, alias, aliases }, run, login) {
    const errors = body.errors ?? [];
    if (status !== 200 || errors.some(({ type }) => type === 'RATE_LIMITED' || type === 'RATE_LIMIT')) {
        return [FAILED];
    }
    const target = ({ path }) => (Array.isArray(path) ? path[0] : undefined);
    const about = errors.filter((error) => target(error) === alias);
    const aboutNoAlias = errors.filter((error) => !aliases.includes(target(error)));
    const value = body.data?.[alias];
    const isAboutMissing = ({ type, path }) => type === 'NOT_FOUND' && path.length === 1;
    if (about.length > 0 && about.every(isAboutMissing) && !value) {
        return [NOT_FOUND];
    }
    if (about.length > 0 || !body.data) {
        const reasons = about.length > 0 ? about : aboutNoAlias;
        return reasons.some(({ type }) => type === 'FORBIDDEN') ? [FAILED, FORBIDDEN] : [FAILED];
    }
    // An error about the cost of the query explains no other null.
    if (value === null && aboutNoAlias.every((error) => target(error) === 'rateLimit')) {
        return [NOT_FOUND];
    }
    return value?.login.toLowerCase() === login ? [accountRow(value, run)] : [FAILED];
}

function accountRow(value, run) {
    const row = {
        status: 'ok',
        login: value.login,
        type: value.__typename.toLowerCase(),
        id: value.databaseId,
        api: 'graphql',
        public_repos: value.public.totalCount,
    };
    if (run.hasCount('--breakdown')) {
        row.forks = value.forks.totalCount;
        row.archived = value.archived.totalCount;
        row.sources = row.public_repos - row.forks;
    }
    if (run.hasCount('--private')) {
        const hasAccess = run.scopes?.split(', ').includes('repo');
        const isOwner = value.isViewer || value.viewerCanAdminister;
        row.private_repos = hasAccess && isOwner ? value.private.totalCount : null;
        row.internal_repos = hasAccess && (isOwner || value.viewerIsAMember) ? value.internal.totalCount : null;
    }
    if (run.hasCount('--last-push')) {
        row.last_push = latest((value.public.nodes ?? []).map((node) => node?.pushedAt));
    }
    return row;
}

function rowOfRest({ status, body, repos }, run) {
    if (status !== 200) {
        return { 404: NOT_FOUND, 403: FORBIDDEN }[status] ?? FAILED;
    }
    const row = { status: 'ok', login: body.login, type: 'user', id: body.id, api: 'rest', public_repos: repos.length };
    if (run.hasCount('--breakdown')) {
        row.forks = repos.filter((repo) => repo.fork).length;
        row.archived = repos.filter((repo) => repo.archived).length;
        row.sources = repos.length - row.forks;
    }
    if (run.hasCount('--private')) {
        Object.assign(row, { private_repos: null, internal_repos: null });
    }
    if (run.hasCount('--last-push')) {
        row.last_push = latest(repos.map((repo) => repo.pushed_at));
    }
    return row;
}

function latest(times) {
    return times.filter((time) => time).toSorted().at(-1) ?? null;
}

// Returns the rows that the responses of a login allow. The last response decides. A login that fails over REST too keeps the
// failure of its query.
function allowedRows(run, status, login) {
    const responses = run.responses.get(login);
    const query = responses.findLast(({ api }) => api === 'graphql');
    const account = responses.findLast(({ api, isList }) => api === 'rest' && !isList);
    const ofQuery = query ? rowsOfQuery(query, run, login) : [];
    const allowed = account ? [rowOfRest(account, run)] : ofQuery;
    if (account && allowed[0] === FAILED) {
        allowed.push(...ofQuery.filter((row) => row.status !== 'ok'));
    }
    const isListed = run.hasCount('--breakdown') || run.hasCount('--last-push');
    const lacksList = isListed && responses.at(-1) === account && account?.status === 200;
    const isOpen = responses.length === 0 || allowed.includes(FAILED) || lacksList;
    return status === 5 && isOpen ? [...allowed, { status: 'skipped' }] : allowed;
}

// Returns the organizations of each login on all pages of the list, or undefined if a page has no list. The last response to each
// page decides. Only fields that are hidden from the token or were not found may be null.
function listedMembers(run, stderr, problems) {
    const members = new Map();
    let hidden = 0;
    for (const page of run.pages.keys()) {
        const response = run.pageResponses.findLast((other) => other.page === page);
        const isHarmless = ({ type }) => type === 'FORBIDDEN' || type === 'NOT_FOUND';
        const nodes = response?.body.data?.enterprise?.members?.nodes;
        if (!nodes || !(response.body.errors ?? []).every(isHarmless)) {
            return undefined;
        }
        hidden += nodes.filter((node) => node === null).length;
        for (const { user, login, organizations } of nodes.filter((node) => node)) {
            const visible = (organizations.nodes ?? []).filter((organization) => organization);
            members.set(user?.login ?? login, new Set(visible.map((organization) => organization.login)));
        }
    }
    if (hidden > 0 && !stderr.includes(`${hidden} member`)) {
        problems.push(`${hidden} hidden members are not mentioned: ${stderr}`);
    }
    return members;
}

function hasOrganizations(row, expected) {
    const given = [row.carried?.organizations ?? []].flat();
    return given.length === expected.size && given.every((organization) => expected.has(organization));
}

// Returns a text for each violation of the rules.
export function judge(run, { status, rows, stderr }) {
    const problems = [...run.violations];
    const members = run.pages ? listedMembers(run, stderr, problems) : new Map(run.logins.map((login) => [login, new Set()]));
    const logins = [...(members?.keys() ?? [])];
    if (!members && status < 2) {
        problems.push(`status ${status} without a list: ${stderr}`);
    }
    // A run that cannot read its list has no rows.
    const mayBeEmpty = run.pages && status > 1 && rows.length === 0;
    if (rows.length !== logins.length && !mayBeEmpty) {
        problems.push(`${rows.length} rows for ${logins.length} logins`);
    }
    for (const [at, row] of rows.entries()) {
        const login = logins[at];
        if (row.login.toLowerCase() !== login) {
            problems.push(`row ${at} is that of ${row.login}, not of ${login}`);
            continue;
        }
        if (!hasOrganizations(row, members.get(login))) {
            problems.push(`wrong organizations: ${JSON.stringify(row)}, not ${[...members.get(login)]}`);
        }
        const responses = run.responses.get(login) ?? [];
        const allowed = login.includes('@') ? [{ status: 'invalid' }] : allowedRows(run, status, login);
        const isAllowed = allowed.some((expected) => Object.entries(expected).every(([key, value]) => row[key] === value));
        const hasNumber = NUMBERS.some((key) => (row[key] ?? null) !== null);
        const isOk = row.status === 'ok';
        if (!isAllowed || (hasNumber && !isOk) || isOk !== (row.error === null) || row.attempts !== responses.length) {
            problems.push(describeProblem(row, allowed, responses));
        }
    }
    return problems;
}

function describeProblem(row, allowed, responses) {
    const lines = [`wrong row: ${JSON.stringify(row)}`, `  allowed: ${JSON.stringify(allowed)}`];
    for (const { api, status, body, alias } of responses) {
        const part = api === 'rest' ? body : { alias, value: body.data?.[alias], errors: body.errors };
        lines.push(`  ${api} ${status}: ${JSON.stringify(part).slice(0, 3000)}`);
    }
    return lines.join('\n');
}
