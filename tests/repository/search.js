// Asks the site's own search, as a browser would. node search.js SITE: queries as JSON from stdin, one list of
// {location, title} for each as JSON to stdout, best first.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const site = process.argv[2];
const workers = path.join(site, "assets/javascripts/workers");
const replies = [];
let listener;
const warnings = [];
const worker = {
    console: { warn: (...words) => warnings.push(words.join(" ")) },
    addEventListener: (_, called) => (listener = called),
    postMessage: (message) => replies.push(message),
};
worker.self = worker;
vm.createContext(worker);
for (const file of fs.readdirSync(workers).filter((name) => name.endsWith(".js"))) {
    vm.runInContext(fs.readFileSync(path.join(workers, file), "utf8"), worker);
}
const page = vm.createContext({});
vm.runInContext(fs.readFileSync(path.join(site, "assets/search.js"), "utf8"), page);

async function ask(message) {
    const before = replies.length;
    listener({ data: message });
    while (replies.length === before) await new Promise((resume) => setImmediate(resume));
    return replies[before].data;
}

async function main() {
    const { config, docs } = JSON.parse(fs.readFileSync(path.join(site, "search/search_index.json"), "utf8"));
    await ask({ type: 0, data: { config, docs, options: { suggest: true } } });
    const found = [];
    for (const text of JSON.parse(fs.readFileSync(0, "utf8"))) {
        const { items } = await ask({ type: 2, data: page.queryOfText(text) });
        const sections = items.flat().sort((one, other) => other.score - one.score);
        found.push(sections.slice(0, 10).map(({ location, title }) => ({ location, title })));
    }
    process.stdout.write(JSON.stringify({ found, warnings }));
}

main();
