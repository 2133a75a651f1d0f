// Builds an SVG sprite of the used icons from lucide-static (ISC licence). The server inlines it into each page.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

// Patterns of icon names: in templates, in the tables of the pages, and in the script.
const IN_TEMPLATE = /{% icon "([a-z0-9-]+)"|data-command-icon="([a-z0-9-]+)"/g;
const IN_TABLE = /[([\])],?\s*"([a-z0-9-]+)",\s*"(?:good|busy|warn|bad|calm|held)"|icon(?:=|\()"([a-z0-9-]+)"/g;
const IN_SCRIPT = /icon: "([a-z0-9-]+)"|iconElement\("([a-z0-9-]+)"|<Icon name="([a-z0-9-]+)"/g;
// Icons that these patterns do not find.
const OTHERS =
  "ban bell circle-check circle-x loader message-circle-question pause rotate-cw search shield-check triangle-alert wand-sparkles zap";
const NAMES = [
  ...new Set([
    ...named("../templates", IN_TEMPLATE),
    ...named("../dashboard/pages", IN_TABLE),
    ...named("../dashboard/templatetags", IN_TABLE),
    ...named("src", IN_SCRIPT),
    ...OTHERS.split(" "),
  ]),
].sort();

function named(folder, pattern) {
  return readdirSync(folder, { recursive: true })
    .filter((path) => /\.(html|py|tsx?)$/.test(path))
    .flatMap((path) => [...readFileSync(`${folder}/${path}`, "utf8").matchAll(pattern)])
    .map((found) => found.slice(1).find(Boolean));
}

// Renamed icons: both names refer to the same one.
const FILES = { "circle-help": "circle-question-mark", "message-circle-question": "message-circle-question-mark" };

function picture(name) {
  for (const file of [FILES[name], name].filter(Boolean)) {
    try {
      return readFileSync(`node_modules/lucide-static/icons/${file}.svg`, "utf8");
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
  }
  throw new Error(`lucide-static has no icon "${name}"`);
}

function symbol(name) {
  const body = picture(name)
    .replace(/^[\s\S]*?<svg[\s\S]*?>/, "")
    .replace("</svg>", "")
    .replace(/\s*\n\s*/g, "");
  const stroke = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"';
  return `<symbol id="${name}" viewBox="0 0 24 24" ${stroke}>${body}</symbol>`;
}

mkdirSync("../static/dist", { recursive: true });
writeFileSync(
  "../static/dist/icons.svg",
  `<svg xmlns="http://www.w3.org/2000/svg" width="0" height="0" class="sprite" aria-hidden="true"><!-- lucide-static, ISC licence -->${NAMES.map(symbol).join("")}</svg>\n`,
);
