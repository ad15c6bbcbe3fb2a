// Runs the program against a server of this process, with a seed for each run, and judges its rows.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

const SAMPLE_TOKEN = 'ghp_sampletoken';
// Longer than any run, in milliseconds.
const RUN_TIMEOUT = 120_000;

// Returns the exit status, the rows of the JSON or NDJSON report, and the messages of a run.
function runProgram(program, { options, hasToken = true }, url) {
    const env = { LANG: 'C.UTF-8', ...(hasToken && { GH_TOKEN: SAMPLE_TOKEN }) };
    return new Promise((resolve, reject) => {
        const limits = { timeout: RUN_TIMEOUT, killSignal: 'SIGKILL' };
        // A busy machine is not a slow server.
        const all = ['--api-url', url, '--timeout', '60s', ...options];
        const child = spawn(program, all, { env, stdio: ['ignore', 'pipe', 'pipe'], ...limits });
        const texts = { stdout: '', stderr: '' };
        for (const name of ['stdout', 'stderr']) {
            child[name].setEncoding('utf8').on('data', (text) => (texts[name] += text));
        }
        child.on('error', reject);
        child.on('close', (status, signal) => {
            const lines = texts.stdout.split('\n').filter((line) => line.startsWith('{"login":'));
            const rows = lines.map((line) => JSON.parse(line.replace(/,$/, '')));
            resolve({ status: status ?? signal, stderr: texts.stderr, rows });
        });
    });
}

// Calls a function with each value, at most `limit` at the same time, and returns the results in order.
async function inParallel(limit, values, call) {
    const results = [];
    const remaining = values.entries();
    const work = async () => {
        for (const [at, value] of remaining) {
            results[at] = await call(value);
        }
    };
    await Promise.all(Array.from({ length: limit }, work));
    return results;
}

// Does `number` runs from a seed on, prints them and their problems, and exits with 1 if there are any.
// `start(seed)` returns a run: its name, options, number of results, and for an app `hasToken: false`.
// `respond(run, request)` returns { status, headers, body }. A request has a method, a target, headers as pairs, a body, and the
// base of its API. `judge(run, result)` returns problems as texts.
export async function judgeRuns({ program, firstSeed, number, limit, falsifications, start, respond, judge }) {
    const runs = new Map();
    const server = createServer(async (request, response) => {
        // The first segment of the path is the seed of a run.
        const [, seed, target] = /^\/(\d+)(\/.*)$/.exec(request.url);
        const { rawHeaders } = request;
        const headers = Array.from({ length: rawHeaders.length / 2 }, (_, at) => rawHeaders.slice(2 * at, 2 * at + 2));
        const body = Buffer.concat(await request.toArray()).toString();
        const base = `http://${request.headers.host}/${seed}`;
        const answer = await respond(runs.get(seed), { method: request.method, target, headers, body, base });
        response.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body));
    });
    // A connection that the server closes while a request is on its way would be one more attempt.
    server.keepAliveTimeout = RUN_TIMEOUT;
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const runOnce = async (seed) => {
        const run = start(seed);
        runs.set(`${seed}`, run);
        const begun = Date.now();
        const result = await runProgram(program, run, `http://127.0.0.1:${server.address().port}/${seed}`);
        const problems = judge(run, result);
        if (![0, 1, 2, 4, 5].includes(result.status) || result.stderr.includes('panicked')) {
            problems.push(`status ${result.status}: ${result.stderr}`);
        }
        console.log(`seed ${seed}: ${run.name}: ${result.rows.length} rows, status ${result.status}, ${Date.now() - begun} ms`);
        if (problems.length > 0) {
            console.log(`${problems.slice(0, 5).join('\n')}\n${problems.length} problems with seed ${seed}`);
        }
        return { run, result, problems: problems.length };
    };
    const seeds = Array.from({ length: number }, (_, at) => firstSeed + at);
    const finished = await inParallel(limit, seeds, runOnce);
    server.close();
    const problems = finished.reduce((sum, run) => sum + run.problems, 0);
    const unnoticed = unnoticedFalsifications(falsifications, finished, judge);
    const results = finished.reduce((sum, { run }) => sum + run.results, 0);
    console.log(`${number} runs; ${results} results from the server; rows: ${countStatuses(finished)}; ${problems} problems`);
    if (unnoticed.length > 0) {
        console.log(`not noticed: ${unnoticed.join(', ')}`);
    }
    process.exit(problems > 0 || unnoticed.length > 0 ? 1 : 0);
}

function countStatuses(finished) {
    const counts = {};
    for (const { status } of finished.flatMap(({ result }) => result.rows)) {
        counts[status] = (counts[status] ?? 0) + 1;
    }
    return Object.entries(counts).map(([status, count]) => `${count} ${status}`).join(', ');
}

// Returns the names of the falsifications that the judge does not notice, or that apply to no row.
function unnoticedFalsifications(falsifications, finished, judge) {
    return Object.keys(falsifications).filter((name) => {
        const { applies, falsify } = falsifications[name];
        const suitable = finished.find(({ result }) => result.rows.some(applies));
        if (!suitable) {
            return true;
        }
        const { run, result, problems } = suitable;
        const at = result.rows.findIndex(applies);
        const rows = result.rows.toSpliced(at, 1, ...falsify(result.rows[at]));
        return judge(run, { ...result, rows }).length <= problems;
    });
}

const isOk = ({ status }) => status === 'ok';
const isFailed = ({ status }) => status === 'failed';
const isMissing = ({ status }) => status === 'not_found';
const asZero = (row) => [{ ...row, status: 'ok', error: null, public_repos: 0 }];

// Wrong rows that a judge has to notice: the rows that they are made of, and the rows instead.
export const FALSIFICATIONS = {
    'another number': { applies: isOk, falsify: (row) => [{ ...row, public_repos: row.public_repos + 1 }] },
    'another push': { applies: (row) => row.last_push, falsify: (row) => [{ ...row, last_push: '2026-01-01T00:00:00Z' }] },
    'other forks': { applies: (row) => row.forks > 0, falsify: (row) => [{ ...row, forks: 0 }] },
    'a failure as 0': { applies: isFailed, falsify: asZero },
    'a missing account as 0': { applies: isMissing, falsify: asZero },
    'a failure as not_found': { applies: isFailed, falsify: (row) => [{ ...row, status: 'not_found' }] },
    'a lost row': { applies: isOk, falsify: () => [] },
    'a row twice': { applies: isOk, falsify: (row) => [row, row] },
};
