// One SVG sprite of the icons that are used, from lucide-static (ISC licence). The server puts it into each page.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const NAMES =
  `activity arrow-down ban bell bot boxes chevron-left chevron-right chevrons-down chevrons-up circle-check circle-dashed
circle-help circle-user circle-x clock corner-down-left cpu crown database download history key-round keyboard languages layout-dashboard
list-todo loader log-in log-out message-circle-question message-square network pause play plus rotate-cw scroll-text search send server settings
shield-check square square-pen sun-moon terminal timer-off triangle-alert unlink
wand-sparkles wifi-off x zap`
    .split(/\s+/)
    .filter(Boolean);

// Icons that have been renamed since; both names still mean the same picture.
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
