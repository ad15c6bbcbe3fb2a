// Checks requests with GitHub's published descriptions of the REST API.
// Usage: node requests.mjs FOLDER_WITH_NODE_MODULES < requests, as a JSON array of {"method", "target", "headers"}
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Description, descriptionFiles } from './descriptions.mjs';

const requests = JSON.parse(readFileSync(0, 'utf8'));
const problems = [];
const operations = new Set();
const files = descriptionFiles(resolve(process.argv[2], 'node_modules'));
for (const [name, file] of files) {
    const description = new Description(file);
    for (const request of requests) {
        const violations = description.violations(request);
        problems.push(...violations.map((violation) => `${name}: ${request.method} ${request.target}: ${violation}`));
        operations.add(description.find(request)?.name);
    }
}
if (problems.length > 0) {
    console.log([...new Set(problems)].slice(0, 20).join('\n'));
} else {
    console.log(`${requests.length} requests are described by ${files.map(([name]) => name).join(', ')}`);
    console.log([...operations].toSorted().join('\n'));
}
process.exit(problems.length > 0 ? 1 : 0);
