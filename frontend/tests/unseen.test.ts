import { describe, expect, it } from "vitest";
import { visible } from "../src/app/unseen";
import { plain } from "../src/chat/markdown";
import { parseAnsi } from "../src/logs/ansi";
import { setText } from "../src/tables/cells";

describe("characters that nobody sees", () => {
  it.each([
    ["编译 “é” あ …\t1\n", "编译 “é” あ …\t1\n"],
    ["👩\u200d🔬 ❤\ufe0f 👍🏽 1\ufe0f\u20e3 🇩🇪", "👩\u200d🔬 ❤\ufe0f 👍🏽 1\ufe0f\u20e3 🇩🇪"],
    ["a\u200db\ufe0f", "a⟨U+200D⟩b⟨U+FE0F⟩"],
    ["\u{e0041}\u{e0100}\u2028\ue000\u0378\ud800", "⟨U+E0041⟩⟨U+E0100⟩⟨U+2028⟩⟨U+E000⟩⟨U+0378⟩⟨U+D800⟩"],
    ["\x9b\x1b[2J", "⟨U+009B⟩⟨U+001B⟩[2J"],
  ])("are marked in %j as on the server", (text, shown) => {
    expect(visible(text)).toBe(shown);
    expect(visible(shown)).toBe(shown);
  });

  it("are marked in names, answers, cells and output", () => {
    const cell = document.createElement("td");
    setText(cell, "a\u{e0041}");

    expect(cell.textContent).toBe("a⟨U+E0041⟩");
    expect(plain("a\u2029")).toBe("a⟨U+2029⟩");
    expect(parseAnsi("\x1b[1ma\x9b").map((piece) => piece.text)).toEqual(["a⟨U+009B⟩"]);
  });
});
