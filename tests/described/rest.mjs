// Runs the program against Prism, which answers by GitHub's published description of the REST API, and judges every row.
// Usage: node rest.mjs FOLDER_WITH_NODE_MODULES PROGRAM KEY_OF_AN_APP FIRST_SEED [RUNS]
import { resolve } from 'node:path';
import { FALSIFICATIONS, judgeRuns } from './harness.mjs';
import { randomNumbers } from './random.mjs';
import { judge } from './rest_judge.mjs';
import { PrismServer } from './rest_server.mjs';

const [folder, program, appKey, firstSeed, number] = process.argv.slice(2);

const LOGINS = ['octocat', 'user-1', 'user-2', 'user-3', 'user-4', 'user-5', 'user-6', 'name_acme', 'app[bot]'];

// Features that send requests of their own.
const ACCOUNTS = { flags: [], source: 'arguments' };
const APP = { flags: ['--app-id', '12', '--app-key', appKey], source: 'arguments', hasToken: false };
const MEMBERS = { flags: ['--members', 'acme', '--breakdown'], source: 'lists' };
const PLAN = { flags: ['--plan'], source: 'arguments' };
const FEATURES = [
    ACCOUNTS,
    { flags: ['--breakdown'], source: 'arguments' },
    { flags: ['--last-push'], source: 'arguments' },
    { flags: ['--breakdown', '--last-push'], source: 'arguments' },
    APP,
    MEMBERS,
    { flags: ['--members', 'acme', '--role', 'admin'], source: 'lists' },
    { flags: ['--team', 'acme/core', '--last-push'], source: 'lists' },
    { flags: ['--outside-collaborators', 'acme'], source: 'lists' },
    PLAN,
];
// `fits`: values beyond the description are right too: the login of an account, numbers that are not negative, links to pages.
const MODES = [
    { name: 'examples', dynamic: false, fits: false },
    { name: 'random values', dynamic: true, fits: false },
    { name: 'fitting examples', dynamic: false, fits: true },
    { name: 'fitting random values', dynamic: true, fits: true },
];
// Every described response with a status, and examples of the others.
const REFUSALS = [304, 401, 403, 404, 422].map((code) => ({ name: `status ${code}`, dynamic: false, fits: true, code }));
const CASES = [
    ...MODES.flatMap((mode) => FEATURES.map((feature) => ({ mode, feature }))),
    ...REFUSALS.flatMap((mode) => [ACCOUNTS, APP, MEMBERS, PLAN].map((feature) => ({ mode, feature }))),
];

class Run {
    constructor(seed) {
        Object.assign(this, CASES[seed % CASES.length], { seed, logins: LOGINS, responses: [], violations: [] });
        const { flags, source, hasToken } = this.feature;
        // A JSON report names the owner of the token.
        const isJson = this.mode.code || randomNumbers(`run ${seed}`)() < 0.3;
        const format = flags.includes('--plan') ? [] : ['-F', isJson ? 'json' : 'ndjson'];
        this.options = [...(source === 'arguments' ? LOGINS : []), ...flags, '--api', 'rest', '--retries', '0', ...format];
        this.name = `${this.mode.name}: ${[...flags, ...format].join(' ').replace(appKey, 'KEY')}`;
        this.hasToken = hasToken;
    }

    get results() {
        return this.responses.length;
    }

    has(flag) {
        return this.feature.flags.includes(flag);
    }

    responsesTo(path) {
        return this.responses.filter((response) => response.path.toLowerCase() === path.toLowerCase());
    }
}

const prism = await PrismServer.load(resolve(folder, 'node_modules'));
await judgeRuns({
    program,
    firstSeed: Number(firstSeed),
    number: number === undefined ? CASES.length : Number(number),
    limit: 2,
    falsifications: FALSIFICATIONS,
    start: (seed) => new Run(seed),
    respond: (run, request) => prism.respond(run, request),
    judge,
});
