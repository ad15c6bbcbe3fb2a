// Runs the program against random responses by GitHub's published GraphQL schema, and judges every row.
// Usage: node graphql.mjs FOLDER_WITH_NODE_MODULES PROGRAM FIRST_SEED RUNS
import { resolve } from 'node:path';
import { FALSIFICATIONS, judgeRuns } from './harness.mjs';
import { judge } from './graphql_judge.mjs';
import { GraphqlServer, Run, respondByRest } from './graphql_server.mjs';

const [folder, program, firstSeed, number] = process.argv.slice(2);
const github = new GraphqlServer(resolve(folder, 'node_modules'));

function respond(run, { method, target, body }) {
    return method === 'POST' ? github.respond(run, JSON.parse(body)) : respondByRest(run, target);
}

const hiddenAsZero = {
    applies: (row) => row.status === 'ok' && row.private_repos === null,
    falsify: (row) => [{ ...row, private_repos: 0 }],
};
const otherOrganizations = {
    applies: (row) => row.carried?.organizations,
    falsify: (row) => [{ ...row, carried: { organizations: 'other' } }],
};
await judgeRuns({
    program,
    firstSeed: Number(firstSeed),
    number: Number(number),
    limit: 4,
    falsifications: { ...FALSIFICATIONS, 'a hidden count as 0': hiddenAsZero, 'other organizations': otherOrganizations },
    start: (seed) => new Run(seed),
    respond,
    judge,
});
