// octokit with its throttling plugin, which keeps ten requests in flight.
// Usage: octokit_counts.mjs API LOGINS_FILE
import { readFileSync } from "node:fs";

const modules = new URL("../../target/peers/node_modules/@octokit/", import.meta.url);
const { Octokit } = await import(new URL("core/dist-src/index.js", modules));
const { throttling } = await import(new URL("plugin-throttling/dist-bundle/index.js", modules));

const [baseUrl, path] = process.argv.slice(2);
const octokit = new (Octokit.plugin(throttling))({
  baseUrl,
  auth: "sample",
  log: { debug() {}, info() {}, warn: console.error, error() {} },
  throttle: { onRateLimit: () => true, onSecondaryRateLimit: () => true },
});

async function count(username) {
  try {
    return [username, (await octokit.request("GET /users/{username}", { username })).data.public_repos];
  } catch (error) {
    if (error.status === 404) return [username, "-"];
    throw error;
  }
}

const logins = readFileSync(path, "utf8").split("\n").filter(Boolean);
for (const [login, repos] of await Promise.all(logins.map(count))) console.log(login, repos);
