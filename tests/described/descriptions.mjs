// GitHub's published OpenAPI descriptions of the REST API: of github.com, Enterprise Cloud and the Enterprise Servers.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

// A request is { method, target, headers }, with the headers as pairs.
export class Description {
    constructor(path) {
        this.document = JSON.parse(readFileSync(path, 'utf8'));
        this.operations = Object.entries(this.document.paths).flatMap(([template, item]) =>
            METHODS.filter((method) => item[method]).map((method) => this.operation(template, method, item)),
        );
    }

    operation(template, method, item) {
        const parameters = [...(item.parameters ?? []), ...(item[method].parameters ?? [])];
        const described = this.resolve(item[method].requestBody);
        return {
            name: `${method.toUpperCase()} ${template}`,
            method: method.toUpperCase(),
            path: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '([^/]+)')}$`),
            names: [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
            parameters: parameters.map((parameter) => this.resolve(parameter)),
            needsBody: described?.required === true,
            responses: item[method].responses,
        };
    }

    resolve(value) {
        return value?.$ref ? value.$ref.split('/').slice(1).reduce((part, key) => part[key], this.document) : value;
    }

    // Returns the operation of a request. A path with fewer parameters comes first.
    find({ method, target }) {
        const path = target.split('?')[0];
        const found = this.operations.filter((operation) => operation.method === method && operation.path.test(path));
        return found.toSorted((a, b) => a.names.length - b.names.length)[0];
    }

    // Returns the media types of the responses to an operation.
    mediaTypes(operation) {
        const responses = Object.values(operation.responses).map((response) => this.resolve(response));
        return new Set(responses.flatMap((response) => Object.keys(response.content ?? {})));
    }

    // Returns a text for each part of a request that is not described.
    violations(request) {
        const operation = this.find(request);
        if (!operation) {
            return ['the path is not described'];
        }
        const url = new URL(request.target, 'http://localhost');
        const inPath = operation.path.exec(url.pathname).slice(1);
        const given = [
            ...operation.names.map((name, at) => ({ in: 'path', name, value: inPath[at] })),
            ...[...url.searchParams].map(([name, value]) => ({ in: 'query', name, value })),
        ];
        const problems = given.flatMap((parameter) => this.parameterProblems(operation, parameter));
        const missing = operation.parameters.filter(
            (parameter) => parameter.required && !given.some(({ name }) => name === parameter.name),
        );
        problems.push(...missing.map(({ name }) => `the parameter ${name} is missing`));
        return [...problems, ...this.headerProblems(operation, request)];
    }

    parameterProblems(operation, given) {
        const described = operation.parameters.find((other) => other.in === given.in && other.name === given.name);
        if (!described) {
            return [`the parameter ${given.name} is not described`];
        }
        const schema = this.resolve(described.schema);
        const isWrong =
            (schema.type === 'integer' && !/^-?\d+$/.test(given.value)) || (schema.enum && !schema.enum.includes(given.value));
        // The description has the bound as text only.
        const isTooMany = given.name === 'per_page' && Number(given.value) > 100;
        return isWrong || isTooMany ? [`the parameter ${given.name} cannot be ${given.value}`] : [];
    }

    // GitHub's documentation requires a user agent, recommends a version, and has one scheme of authorization for all tokens.
    headerProblems(operation, request) {
        const all = (name) => request.headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
        const accepted = all('accept').flatMap((value) => value.split(',').map((type) => type.split(';')[0].trim()));
        const types = this.mediaTypes(operation);
        const rules = {
            'accepts no described media type': types.size === 0 || accepted.some((type) => types.has(type)),
            'has no user agent, or several': all('user-agent').length === 1 && all('user-agent')[0] !== '',
            'names no version, or several': /^\d{4}-\d\d-\d\d$/.test(all('x-github-api-version').join()),
            'has another authorization than one token': all('authorization').join().match(/^(Bearer [^ ,]+)?$/),
            'has no body': !operation.needsBody || Number(all('content-length')[0]) > 0,
        };
        return Object.keys(rules).filter((rule) => !rules[rule]).map((rule) => `the request ${rule}`);
    }
}

// Returns the names of all descriptions and their files.
export function descriptionFiles(packages) {
    const folder = join(packages, '@octokit/openapi/generated');
    const files = readdirSync(folder).filter((file) => file.endsWith('.json') && !file.includes('.deref.'));
    return files.map((file) => [file.replace(/\.json$/, ''), join(folder, file)]);
}
