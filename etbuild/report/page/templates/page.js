// The parts of the page that answer: sorting, searching, groups of the graph, the choice of a variant and of colours.
// Everything is readable without it.

const root = document.documentElement;

// Colours: as the system says, until the reader chooses.
const theme = document.getElementById("theme");
theme?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  theme.setAttribute("aria-pressed", String(!dark));
});

// Variants: one is shown; a link to a part of another shows that one.
const choice = document.getElementById("variant");
const variants = [...document.querySelectorAll(".variant")];
const show = (name) => {
  for (const one of variants) one.classList.toggle("current", one.dataset.name === name);
  if (choice) choice.value = name;
};
choice?.addEventListener("change", () => {
  show(choice.value);
  history.replaceState(null, "", `#v-${choice.value}`);
});
const follow = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const owner = target?.closest(".variant");
  if (owner && !owner.classList.contains("current")) {
    show(owner.dataset.name);
    target.scrollIntoView();
  }
};
addEventListener("hashchange", follow);
follow();

// Tables: a click on a column's title sorts by it, first the largest number or the first text.
const key = (row, column) => {
  const cell = row.cells[column];
  const text = cell.dataset.sort ?? cell.textContent.trim();
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
};
const compare = (a, b) => {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? 1 : -1;
};
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const body = table.tBodies[0];
      const rows = [...body.rows];
      const numbers = rows.some((row) => typeof key(row, column) === "number");
      const before = head.getAttribute("aria-sort");
      const ascending = before ? before === "descending" : !numbers;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      rows.sort((a, b) => compare(key(a, column), key(b, column)) * (ascending ? 1 : -1));
      body.append(...rows);
    });
  });
}

// Search: rows that have all words stay.
for (const field of document.querySelectorAll("input[data-filter]")) {
  const table = document.getElementById(field.dataset.filter);
  const status = document.getElementById(`${field.dataset.filter}-found`);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      found += row.hidden ? 0 : 1;
    }
    status.textContent = words.length ? `${found} of ${table.tBodies[0].rows.length}` : "";
  });
}

// The graph: a closed group hides its rows, and its head is drawn in their place.
const update = (table) => {
  const closed = [];
  for (const row of table.tBodies[0].rows) {
    const depth = Number(row.dataset.depth);
    while (closed.length && closed.at(-1) >= depth) closed.pop();
    row.hidden = closed.length > 0;
    const button = row.querySelector("button");
    if (!button) continue;
    const open = button.getAttribute("aria-expanded") === "true";
    row.querySelector(".opened").hidden = !open;
    row.querySelector(".closed").hidden = open;
    if (!open) closed.push(depth);
  }
};
for (const table of document.querySelectorAll("table.graph")) {
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[aria-expanded]");
    if (!button) return;
    button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true"));
    update(table);
  });
  const owner = table.closest("section");
  for (const all of owner.querySelectorAll("button[data-open]")) {
    all.addEventListener("click", () => {
      for (const button of table.querySelectorAll("button[aria-expanded]")) {
        button.setAttribute("aria-expanded", all.dataset.open);
      }
      update(table);
    });
  }
  for (const radio of owner.querySelectorAll("input[type=radio]")) {
    radio.addEventListener("change", () => {
      table.classList.remove("by-place", "by-time", "by-error");
      table.classList.add(radio.value);
    });
  }
  update(table);
}

// The pipeline: from pipeline.js, which builds write next to the pages. It is loaded when it is asked for, so a page
// that was copied elsewhere is whole without it.
const pipeline = document.getElementById("pipeline-steps");
const cell = (row, text, name = "td") => row.appendChild(Object.assign(document.createElement(name), { textContent: text }));
window.showPipeline = (recipes) => {
  const steps = recipes[pipeline.dataset.recipe] ?? [];
  const longest = Math.max(...steps.map((one) => one[2])) || 1;
  const from = steps.filter((one) => one[1] === "cached").length;
  const total = steps.reduce((sum, one) => sum + one[2], 0);
  pipeline.querySelector("[role=status]").textContent = steps.length
    ? `${steps.length} steps, ${total.toFixed(1)} s, ${from} from the cache`
    : "No build of this folder has run a step of it.";
  for (const [step, how, seconds, why] of steps) {
    const row = pipeline.querySelector("tbody").insertRow();
    Object.assign(cell(row, step, "th"), { scope: "row", className: "nowrap" });
    cell(row, how);
    const time = cell(row, "");
    const track = time.appendChild(Object.assign(document.createElement("span"), { className: "track" }));
    const bar = track.appendChild(Object.assign(document.createElement("span"), { className: "bar" }));
    bar.style.width = `${(seconds * 100) / longest}%`;
    time.append(`${seconds.toFixed(1)} s`);
    time.className = "nowrap";
    time.dataset.sort = seconds;
    cell(row, why).className = "prose";
  }
  pipeline.querySelector(".scroll").hidden = !steps.length;
};
pipeline?.addEventListener("toggle", () => {
  const script = Object.assign(document.createElement("script"), { src: pipeline.dataset.src });
  script.addEventListener("error", () => {
    pipeline.querySelector("[role=status]").textContent = `No ${pipeline.dataset.src}: doit report:${pipeline.dataset.recipe} writes it.`;
  });
  document.head.append(script);
}, { once: true });
