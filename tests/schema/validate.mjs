// Validates GraphQL documents against GitHub's published schema.
// Usage: node validate.mjs FOLDER_WITH_NODE_MODULES < documents, as a JSON array of strings
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const packages = join(process.argv[2], 'node_modules');
const { buildSchema, parse, validate } = createRequire(join(packages, 'package.json'))('graphql');
const github = buildSchema(readFileSync(join(packages, '@octokit/graphql-schema/schema.graphql'), 'utf8'), {
    // The schema is GitHub's; only the documents are validated.
    assumeValidSDL: true,
});
const documents = JSON.parse(readFileSync(0, 'utf8'));
const errors = documents.flatMap((document) => validate(github, parse(document)).map((error) => `${error.message}\n${document}`));
console.log(errors.length ? errors.join('\n\n') : `${documents.length} documents are valid`);
process.exit(errors.length ? 1 : 0);
