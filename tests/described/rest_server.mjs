// Prism as a library: checks requests and answers them by GitHub's published description of github.com.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Description, descriptionFiles } from './descriptions.mjs';
import { integer, randomNumbers } from './random.mjs';

const MAX_PAGES = 3;
const SILENT = { child: () => SILENT, info() {}, success() {}, debug() {}, warn() {}, error() {} };

export class PrismServer {
    static async load(packages) {
        const prism = createRequire(join(packages, 'package.json'))('@stoplight/prism-http');
        const file = Object.fromEntries(descriptionFiles(packages))['api.github.com'];
        const operations = await prism.getHttpOperationsFromSpec(file);
        return new PrismServer(new Description(file), prism.createInstance({}, { logger: SILENT }), operations);
    }

    constructor(description, prism, operations) {
        Object.assign(this, { description, prism, operations });
    }

    // Returns the status, headers and body of the response to a request of a run.
    async respond(run, request) {
        const problems = this.description.violations(request);
        const { response, refusal } = await this.ask(run, request);
        run.violations.push(...[...problems, ...refusal].map((problem) => `${request.target}: ${problem}`));
        const { statusCode: status, headers: described = {} } = response;
        const headers = Object.fromEntries(Object.entries(described).map(([name, value]) => [name.toLowerCase(), `${value}`]));
        const { pathname: path, searchParams } = new URL(request.target, 'http://localhost');
        let { body } = response;
        if (run.mode.fits && status < 300) {
            const operation = this.description.find(request).name;
            body = await this.fit(run, operation, body, path);
            const next = this.nextPage(run, body, path, searchParams);
            delete headers.link;
            Object.assign(headers, next && { link: `<${request.base}${path}?${next}>; rel="next"` });
        }
        // A list whose next page is elsewhere is not complete.
        run.responses.push({ path, status, body, isComplete: run.mode.fits || !headers.link });
        return { status, headers, body: status === 304 ? undefined : body };
    }

    // Returns Prism's response, and what it finds wrong with the request. The same page has the same response in a run.
    async ask(run, { method, target, headers }) {
        const { pathname: path, searchParams } = new URL(target, 'http://localhost');
        const query = Object.fromEntries(searchParams);
        const code = this.description.find({ method, target })?.responses[run.mode.code] ? run.mode.code : undefined;
        const seed = `${run.seed} ${path.toLowerCase()} ${query.page ?? 1}`;
        const request = { method: method.toLowerCase(), url: { path, query }, headers: Object.fromEntries(headers) };
        const { left, right } = await this.prism.request(request, this.operations, {
            mock: { dynamic: run.mode.dynamic, seed, code },
            validateRequest: true,
            validateResponse: false,
            checkSecurity: false,
            errors: false,
            isProxy: false,
        })();
        if (left) {
            return { response: { statusCode: left.status, body: { message: left.detail } }, refusal: [JSON.stringify(left)] };
        }
        return { response: right.output, refusal: right.validations.input.map((violation) => violation.message) };
    }

    // Replaces values that the description leaves open.
    async fit(run, operation, body, path) {
        const random = randomNumbers(`${run.seed} ${path.toLowerCase()}`);
        switch (operation) {
            case 'GET /users/{username}': {
                const login = decodeURIComponent(path.split('/').at(-1));
                return { ...body, login, id: integer(random, 1e8), public_repos: await this.listed(run, `${path}/repos`) };
            }
            case 'GET /app/installations':
                return [{ ...body[0], id: 7 }];
            case 'POST /app/installations/{installation_id}/access_tokens':
                return { ...body, token: 'ghs_sampletoken', expires_at: new Date(Date.now() + 3.6e6).toISOString() };
            default:
                return body;
        }
    }

    // Returns the number of items on all pages of a list.
    async listed(run, path) {
        let [items, query] = [0, new URLSearchParams({ type: 'owner', per_page: 100 })];
        while (query) {
            const { response } = await this.ask(run, { method: 'GET', target: `${path}?${query}`, headers: [] });
            items += response.body.length;
            query = this.nextPage(run, response.body, path, query);
        }
        return items;
    }

    // Returns the query of the page after one with this body. Undefined for the last page, and for another response than a list.
    nextPage(run, body, path, query) {
        const page = Number(query.get('page') ?? 1);
        const pages = 1 + integer(randomNumbers(`${run.seed} pages of ${path.toLowerCase()}`), MAX_PAGES);
        const isLast = !Array.isArray(body) || body.length === 0 || page >= pages || query.get('per_page') === '1';
        return isLast ? undefined : new URLSearchParams({ ...Object.fromEntries(query), page: page + 1 });
    }
}
