// Random responses to the program's queries, by GitHub's published schema, and to the REST requests that it sends instead.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { integer, pick, randomNumbers } from './random.mjs';

const COUNTS = [[], ['--breakdown'], ['--private'], ['--last-push'], ['--breakdown', '--private', '--last-push']];
const APIS = ['graphql', 'auto'];
const SCOPES = ['repo, read:org', 'read:org, repo', 'public_repo', undefined];
const ERROR_TYPES = ['NOT_FOUND', 'FORBIDDEN', 'RESOURCE_LIMITS_EXCEEDED', 'SERVICE_UNAVAILABLE', undefined];
// Contents of the path of an error: the field that failed, its alias, a field below, nothing, or something else than a path.
const PLACES = ['executed', 'executed', 'alias', 'alias', 'deeper', 'missing', 'not a path'];
const NO_NULLS = { null: 0 };

// One run of the program: its options, how often something goes wrong, and the responses that each login had.
export class Run {
    constructor(seed) {
        const random = randomNumbers(`run ${seed}`);
        this.seed = seed;
        this.counts = COUNTS[seed % COUNTS.length];
        this.api = APIS[Math.floor(seed / COUNTS.length) % APIS.length];
        this.rates = {
            missing: random() * 0.2,
            refused: pick(random, [0, 0.02, 0.2]),
            // Logins whose query fails every time.
            poisoned: pick(random, [0, 0.05, 0.2]),
            refusedField: pick(random, [0, 0.002, 0.02]),
            null: random() * 0.4,
            spoiled: pick(random, [0, 0.05, 0.2]),
            limited: pick(random, [0, 0, 0.02]),
        };
        const batch = pick(random, [[], ['--batch', '7'], ['--batch', '40']]);
        const budget = pick(random, [[], [], [], ['--max-points', '5']]);
        const options = [...this.counts, '--api', this.api, ...batch, ...budget];
        this.scopes = pick(random, SCOPES);
        this.logins = Array.from({ length: 200 + integer(random, 100) }, (_, at) => `user-${seed}-${at}`);
        // Pages of the list of an enterprise, whose members the run looks up.
        this.pages = seed % 3 === 0 ? pagesOf(this.logins, 1 + integer(random, 90)) : undefined;
        this.pageResponses = [];
        if (this.pages) {
            options.push('--enterprise', 'acme', '--group-by', 'organizations');
        } else {
            this.logins.push(`app-${seed}[bot]`);
        }
        this.name = options.join(' ');
        const given = this.pages ? [] : this.logins;
        this.options = [...given, ...options, '--jobs', '8', '--retries', '1', '-F', 'ndjson'];
        this.responses = new Map(this.logins.map((login) => [login, []]));
        this.violations = [];
    }

    hasCount(name) {
        return this.counts.includes(name);
    }

    get results() {
        return [...this.responses.values(), this.pageResponses].flat().length;
    }

    responsesOf(login) {
        return this.responses.get(login.toLowerCase()) ?? [];
    }

    // The number of earlier responses is part of the text: a retry has another response, whatever was answered to other logins.
    random(login, purpose) {
        return randomNumbers(`${this.seed} ${login} ${this.responsesOf(login).length} ${purpose}`);
    }
}

function pagesOf(logins, size) {
    const starts = [...logins.keys()].filter((at) => at % size === 0);
    return starts.map((at) => logins.slice(at, at + size));
}

// An error of a resolver.
class Refusal extends Error {
    constructor(random) {
        const type = pick(random, ERROR_TYPES);
        super(type === undefined ? 'Something went wrong while executing your query.' : `Sample error of type ${type}.`);
        this.type = type;
        this.place = pick(random, PLACES);
    }
}

function pathOf(info) {
    const path = [];
    for (let step = info.path; step; step = step.prev) {
        path.unshift(step.key);
    }
    return path;
}

function randomTime(random) {
    return new Date(1.2e12 + integer(random, 6e8) * 1000).toISOString().replace('.000Z', 'Z');
}

// GitHub returns a login in the spelling of the account.
function otherSpelling(login, random) {
    return random() < 0.3 ? login.toUpperCase() : login;
}

export class GraphqlServer {
    constructor(packages) {
        this.graphql = createRequire(join(packages, 'package.json'))('graphql');
        const text = readFileSync(join(packages, '@octokit/graphql-schema/schema.graphql'), 'utf8');
        this.schema = this.graphql.buildSchema(text, { assumeValidSDL: true });
    }

    // Returns the status, headers and body of the response to a query.
    respond(run, { query, variables }) {
        const document = this.graphql.parse(query);
        run.violations.push(...this.graphql.validate(this.schema, document).map((error) => error.message));
        const logins = new Map();
        for (const field of document.definitions[0].selectionSet.selections) {
            const variable = field.arguments.find((argument) => argument.name.value === 'login')?.value.name.value;
            if (variable) {
                logins.set(field.alias.value, variables[variable]);
            }
        }
        // A cursor is the number of a page.
        const page = Number(variables.cursor ?? 0);
        const randomOf = (alias, purpose) =>
            logins.size > 0
                ? run.random(logins.get(alias) ?? '', purpose)
                : randomNumbers(`${run.seed} page ${page} after ${run.pageResponses.length} ${purpose}`);
        const random = randomOf('a0', `query of ${logins.size}`);
        const result = this.graphql.execute({
            schema: this.schema,
            document,
            variableValues: variables,
            contextValue: { run, logins, page, randomOf },
            fieldResolver: (source, args, context, info) => this.resolve(source, args, context, info),
        });
        const errors = result.errors?.map((error) => describeError(error, random));
        const headers = run.scopes === undefined ? {} : { 'x-oauth-scopes': run.scopes };
        let response = { status: 200, headers, body: { data: result.data, errors } };
        if (random() < run.rates.spoiled) {
            response = { ...response, ...spoil(response.body, [...logins.keys()], random) };
        }
        if (random() < run.rates.limited) {
            const limit = { type: pick(random, ['RATE_LIMITED', 'RATE_LIMIT']), message: 'Sample of a limit.' };
            const body = { data: pick(random, [undefined, null, result.data]), errors: [limit] };
            response = { status: 200, headers: { ...headers, 'retry-after': '1' }, body };
        }
        if (logins.size === 0) {
            run.pageResponses.push({ page, status: response.status, body: response.body });
        }
        for (const [alias, login] of logins) {
            const aliases = [...logins.keys()];
            run.responsesOf(login).push({ api: 'graphql', status: response.status, body: response.body, alias, aliases });
        }
        return response;
    }

    // Resolves any field. Beyond its schema GitHub promises the requested login, a part of the repositories that is not more than
    // all of them, and pages of a list.
    resolve(source, args, { run, logins, page, randomOf }, info) {
        const path = pathOf(info);
        const login = logins.get(path[0]);
        const random = randomOf(path[0], path.join());
        const isAccount = login !== undefined && path.length === 1;
        const poison = randomNumbers(`${run.seed} ${login} poison`);
        if (isAccount && poison() < run.rates.poisoned) {
            throw new Refusal(poison);
        }
        if (random() < (isAccount ? run.rates.refused : run.rates.refusedField)) {
            throw new Refusal(random);
        }
        if (isAccount) {
            if (random() < run.rates.missing) {
                return null;
            }
            const repositories = pick(random, [0, integer(random, 10), integer(random, 1000)]);
            return { ...this.randomValue(info.returnType, random, NO_NULLS), login: otherSpelling(login, random), repositories };
        }
        if (info.fieldName === 'login' && login !== undefined) {
            return random() < 0.01 ? `${login}-other` : source.login;
        }
        const value = this.randomValue(info.returnType, random, run.rates);
        const isHidden = random() < 0.1 * run.rates.null;
        switch (`${info.parentType.name}.${info.fieldName}`) {
            case 'User.repositories':
            case 'Organization.repositories': {
                const isPart = args.isFork !== undefined || args.isArchived !== undefined;
                return { ...value, totalCount: isPart ? integer(random, source.repositories + 1) : source.repositories };
            }
            case 'RepositoryConnection.totalCount':
                return source.totalCount;
            case 'Query.enterprise':
                return isHidden ? null : {};
            case 'EnterpriseMemberConnection.nodes':
                return isHidden ? null : this.members(run, page, random);
            case 'EnterpriseUserAccount.login':
                return random() < 0.2 ? `${source.login}@example.com` : source.login;
            case 'EnterpriseUserAccount.user':
                return value && { login: source.login };
            case 'User.login':
            case 'Organization.login':
                return source.login ?? `org-${integer(random, 5)}`;
            case 'PageInfo.hasNextPage':
                return page + 1 < run.pages.length;
            case 'PageInfo.endCursor':
                return `${page + 1}`;
            default:
                return value;
        }
    }

    members(run, page, random) {
        const type = this.schema.getType('EnterpriseMember');
        const member = (login) => ({ ...this.randomValue(type, random, NO_NULLS), login });
        return run.pages[page].map((login) => (random() < 0.1 * run.rates.null ? null : member(login)));
    }

    // Returns a value of any type of the schema.
    randomValue(type, random, rates) {
        const { graphql, schema } = this;
        if (graphql.isNonNullType(type)) {
            return this.randomValue(type.ofType, random, NO_NULLS);
        }
        if (random() < rates.null) {
            return null;
        }
        if (graphql.isListType(type)) {
            return Array.from({ length: integer(random, 2) }, () => this.randomValue(type.ofType, random, rates));
        }
        if (graphql.isAbstractType(type)) {
            return { __typename: pick(random, schema.getPossibleTypes(type)).name };
        }
        if (graphql.isObjectType(type)) {
            return { __typename: type.name };
        }
        if (graphql.isEnumType(type)) {
            return pick(random, type.getValues()).value;
        }
        switch (type.name) {
            case 'Int':
                return integer(random, 1000);
            case 'Boolean':
                return random() < 0.5;
            case 'DateTime':
                return randomTime(random);
            default:
                return `sample ${integer(random, 1000)}`;
        }
    }
}

// Returns an error as GitHub sends it: with a type beside its message.
function describeError(error, random) {
    const { type, place } = error.originalError;
    const alias = error.path[0];
    const paths = {
        executed: error.path,
        alias: [alias],
        deeper: [alias, 'public', 'totalCount'],
        missing: undefined,
        'not a path': pick(random, [alias, 3, {}, [], [3], [null], null, ['a4711']]),
    };
    const extensions = type === 'FORBIDDEN' && random() < 0.5 ? { saml_failure: true } : undefined;
    return { type, path: paths[place], extensions, locations: [{ line: 1, column: 1 }], message: error.message };
}

// Damages a whole response.
function spoil({ data, errors = [] }, aliases, random) {
    const type = pick(random, ERROR_TYPES);
    const path = pick(random, [undefined, undefined, null, 'a0', ['rateLimit']]);
    const more = [...errors, { type, path, message: 'Sample error about the whole query.' }];
    const lacking = { ...data };
    for (const alias of aliases.filter(() => random() < 0.3)) {
        delete lacking[alias];
    }
    return pick(random, [
        { body: { data: null, errors: more } },
        { body: { errors: more } },
        { body: { data, errors: more } },
        { body: { data: lacking, errors } },
        { body: { data: lacking, errors: more } },
        { status: 502, body: { message: 'Sample of a query that took too long.' } },
    ]);
}

const REFUSALS = { 404: 'Not Found', 403: 'Resource not accessible by personal access token', 502: 'Server Error' };

// Returns the response to a REST request. The program sends it for bots, and with --api auto for a login whose query fails alone.
export function respondByRest(run, target) {
    const url = new URL(target, 'http://localhost');
    const [, kind, name, list] = url.pathname.split('/');
    const login = decodeURIComponent(name ?? '');
    if (kind !== 'users') {
        return refuse(404);
    }
    const fixed = randomNumbers(`${run.seed} repositories of ${login.toLowerCase()}`);
    const repos = Array.from({ length: integer(fixed, 60) }, () => ({
        fork: fixed() < 0.3,
        archived: fixed() < 0.3,
        pushed_at: fixed() < 0.2 ? null : randomTime(fixed),
    }));
    const latestFirst = repos.toSorted((a, b) => (b.pushed_at ?? '').localeCompare(a.pushed_at ?? ''));
    const random = run.random(login, 'account');
    const status = list ? 200 : pick(random, [200, 200, 200, 200, 404, 403, 502]);
    const account = { login: otherSpelling(login, random), id: integer(random, 1e8), type: 'User', public_repos: repos.length };
    const page = latestFirst.slice(0, Number(url.searchParams.get('per_page')));
    const response = status === 200 ? { status, headers: {}, body: list ? page : account } : refuse(status);
    run.responsesOf(login).push({ api: 'rest', status, body: response.body, isList: Boolean(list), repos });
    return response;
}

function refuse(status) {
    return { status, headers: {}, body: { message: REFUSALS[status], status: `${status}` } };
}
