// A map as the sum of its channels: w1 A1 + w2 A2 + ... + the rest = the map, at the cell that is pointed at.

const DIGITS = 4;  // significant digits of the largest number in the equation; all have as many decimals

class Sum extends Cells {
  build() {
    this.terms = make("div", {class: "terms", tabindex: "0", role: "group", "aria-describedby": "keys"});
    this.terms.addEventListener("keydown", (event) => this.key(event));
    this.at = make("p", {class: "at"});
    this.equation = make("p", {class: "equation", "aria-live": "polite"});
    return make("section", {class: "sum", "aria-label": "The map as a sum of channels"}, this.terms, this.at, this.equation,
      make("p", {class: "unseen", id: "keys"}, "The arrow keys choose the cell that is added up."));
  }

  take({channels, rest, total, others, extent}, numbers) {
    const cell = (title, values, signed) => cellOf({title, values, extent, signed, range: null, sentence: ""}, numbers);
    const parts = channels.map(({channel, weight, values}) => ({...cell(`Channel ${channel}`, values, false), weight}));
    const left = others ? [cell(`The other ${others}`, rest, true)] : [];
    this.cells = [...parts, ...left, cell("The map", total, true)];
    if (this.terms.childElementCount !== this.cells.length) this.terms.replaceChildren(...this.cells.map((_, i) => this.term(i)));
    const {h, w} = this.cells.at(-1).grid;
    const {highest, lowest} = this.cells.at(-1).extremes;
    const strongest = highest.value > 0 ? highest : lowest;
    this.size = {h, w};
    this.extent = extent;
    this.cellOfSum = {row: strongest.row, column: strongest.column};
    this.add();
  }

  term(i) {
    const thumb = new Thumb("div", {role: "img"});
    thumb.stage.append(make("i", {class: "mark"}));
    thumb.stage.addEventListener("pointermove", (event) => {
      const at = thumb.at(event);
      if (at) { this.cellOfSum = at; this.add(); }
    });
    const sign = i === this.cells.length - 1 ? "=" : i ? "+" : "";
    const element = make("div", {class: "term"}, make("span", {class: "sign"}, sign), thumb.element,
      make("span", {class: "title"}), make("span", {class: "weight"}), make("span", {class: "part"}));
    element.thumb = thumb;
    return element;
  }

  // What each term gives at the cell, written so that the written numbers add up: all have the same decimals, and the
  // last place of the rest is what the others leave.
  written() {
    const i = this.cellOfSum.row * this.size.w + this.cellOfSum.column;
    const values = this.cells.map(({grid, weight}) => grid.data[i] * (weight ?? 1));
    const most = Math.max(...values.map(Math.abs));
    const places = most > 0 ? Math.min(12, Math.max(0, DIGITS - 1 - Math.floor(Math.log10(most)))) : 2;
    const whole = values.map((value) => Math.round(value * 10 ** places));
    const rest = this.cells.length - 2;
    if (rest >= 0) whole[rest] += whole.at(-1) - whole.slice(0, -1).reduce((sum, value) => sum + value, 0);
    return whole.map((value) => (value / 10 ** places).toFixed(places).replace("-", "\u2212"));
  }

  add() {
    const parts = this.written();
    const {row, column} = this.cellOfSum;
    const {h, w} = this.size;
    const [left, top, right, bottom] = this.extent;
    const share = (from, to, i, n) => `${100 * (from + ((to - from) * i) / n)}%`;
    this.cells.forEach((cell, i) => {
      const {thumb, children: [, , title, weight, part]} = this.terms.children[i];
      const mark = thumb.stage.querySelector(".mark");
      Object.assign(mark.style, {left: share(left, right, column, w), top: share(top, bottom, row, h),
        width: share(0, right - left, 1, w), height: share(0, bottom - top, 1, h)});
      const value = cell.grid.data[row * w + column];
      say(title, cell.panel.title);
      say(weight, cell.weight === undefined ? "" : `${number(cell.weight)} \u00d7 ${number(value)}`);
      say(part, parts[i]);
      thumb.element.setAttribute("aria-label", told(cell));
    });
    say(this.at, `At row ${row}, column ${column}:`);
    const sum = parts.slice(0, -1).map((text, i) => (i ? ` ${text.startsWith("\u2212") ? "\u2212" : "+"} ${text.replace("\u2212", "")}` : text)).join("");
    say(this.equation, `${sum} = ${parts.at(-1)}`);
  }

  key(event) {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const inside = (i, n) => Math.min(n - 1, Math.max(0, i));
    const {row, column} = this.cellOfSum;
    this.cellOfSum = {row: inside(row + step[0], this.size.h), column: inside(column + step[1], this.size.w)};
    this.add();
  }

  paint(tables) {
    this.cells.forEach((cell, i) => this.terms.children[i].thumb.draw(cell, endOf(cell), tables, this.aspect));
  }
}

const start = (style) => oneForEachRoot(Sum, style);
