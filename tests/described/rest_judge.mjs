// Judges the rows of a run by the responses that their logins had. A row has a number if the account has the requested login and
// numbers that are not negative, and with --breakdown if all pages of its list arrived. A 404 is a missing account.

const NUMBERS = ['public_repos', 'sources', 'forks', 'archived', 'last_push'];

// Returns the row that the responses allow for a login.
function expectedRow(run, login) {
    const path = `/users/${login.toLowerCase().replace('[', '%5B').replace(']', '%5D')}`;
    const { status, body } = run.responsesTo(path).at(-1) ?? { status: undefined };
    if (status !== 200) {
        return { status: { 404: 'not_found', 403: 'forbidden' }[status] ?? 'failed' };
    }
    const isNumber = (value) => Number.isInteger(value) && value >= 0;
    if (body.login.toLowerCase() !== login.toLowerCase() || !isNumber(body.id) || !isNumber(body.public_repos)) {
        return { status: 'failed' };
    }
    const type = body.type.toLowerCase();
    const row = { status: 'ok', login: body.login, id: body.id, public_repos: body.public_repos };
    row.type = ['user', 'organization', 'bot'].includes(type) ? type : null;
    const lists = run.responsesTo(`${path}/repos`);
    const repos = lists.flatMap((list) => list.body);
    if (run.has('--breakdown')) {
        // A few repositories may be hidden.
        const least = body.public_repos - 10 - body.public_repos / 10;
        if (repos.length < least || !lists.every((list) => list.isComplete)) {
            return { status: 'failed' };
        }
        row.forks = repos.filter((repo) => repo.fork).length;
        row.archived = repos.filter((repo) => repo.archived).length;
        row.sources = Math.max(0, body.public_repos - row.forks);
    }
    if (run.has('--last-push')) {
        const times = repos.map((repo) => repo.pushed_at).filter((time) => time);
        row.last_push = times.map((time) => Date.parse(time)).toSorted((a, b) => b - a)[0] ?? null;
    }
    return row;
}

export function judge(run, { status, rows, stderr }) {
    const problems = [...run.violations];
    const isListed = run.feature.source === 'lists';
    if (status > 1 && stderr.trim() === '') {
        problems.push(`status ${status} without a message`);
    }
    if (run.has('--plan')) {
        return problems;
    }
    // A list that is empty, or cannot be read to its end, is an error and has no rows.
    const logins = isListed ? listedLogins(run) : run.logins;
    const expected = isListed && status === 2 ? [] : logins;
    if (rows.map((row) => row.login.toLowerCase()).join() !== expected.join().toLowerCase()) {
        problems.push(`rows for ${rows.map((row) => row.login).join()}, logins ${expected.join()}`);
    }
    if (run.mode.fits && !run.mode.code && status > 1 && logins.length > 0) {
        problems.push(`status ${status}: ${stderr}`);
    }
    for (const row of rows) {
        const hasNumber = NUMBERS.some((key) => (row[key] ?? null) !== null);
        const isSkipped = row.status === 'skipped' && status > 1;
        const isInvalid = row.status === 'invalid' && isListed && !/^[\w-]{1,39}(\[bot\])?$/.test(row.login);
        const expectedOne = isSkipped || isInvalid ? {} : expectedRow(run, row.login);
        const given = { ...row, last_push: row.last_push ? Date.parse(row.last_push) : null };
        const isRight = Object.entries(expectedOne).every(([key, value]) => given[key] === value);
        if (!isRight || (hasNumber && row.status !== 'ok') || (row.status === 'ok') !== (row.error === null)) {
            problems.push(`wrong row: ${JSON.stringify(row)}\n  expected: ${JSON.stringify(expectedOne)}`);
        }
    }
    return problems;
}

// Returns the logins of the listed accounts, each once.
function listedLogins(run) {
    const lists = run.responses.filter(({ path, status }) => /^\/orgs\/.*(members|collaborators)$/.test(path) && status === 200);
    const logins = lists.flatMap((list) => list.body.map((account) => account.login.trim()));
    const lower = logins.map((login) => login.toLowerCase());
    return logins.filter((_, at) => lower.indexOf(lower[at]) === at);
}
