// Layers down, questions across. What is open changes in the browser alone and stands in the address's fragment.

const PACE = 4200;  // ms for a journey through all layers
const REST = 250;  // ms after which the address follows
const GAP = 8;  // pixels left free above and below a row that is brought into sight
const OPENED = "cell=";

// Which cell is open, "layer3/contrast-5": kept beside the view in the fragment, which Streamlit may drop.
const openedIn = (hash) => {
  const part = fragmentParts(hash).find((each) => each.startsWith(OPENED));
  try { return part === undefined ? null : decodeURIComponent(part.slice(OPENED.length)); } catch { return null; }
};

function openedAtFirst() {
  const [arrived] = performance.getEntriesByType("navigation");
  return openedIn(location.hash) ?? (arrived ? openedIn(new URL(arrived.name, location.href).hash) : null);
}

function writeOpened(text) {
  const others = fragmentParts(location.hash).filter((each) => !each.startsWith(OPENED));
  const fragment = [...others, OPENED + encodeURIComponent(text)].join("&");
  if (fragment === location.hash.slice(1)) return;
  history.replaceState(history.state, "", `${location.pathname}${location.search}#${fragment}`);
}

// A module's path may be broken before each of its dots.
const breakable = (name) => name.split(".").flatMap((part, i) => (i ? [make("wbr"), `.${part}`] : [part]));

class LayersGrid extends Cells {
  build() {
    this.wanted = shelf.layersCell ?? openedAtFirst();
    this.head = make("thead");
    this.body = make("tbody");
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.frameOfTable = make("div", {class: "scroll"}, make("table", {}, this.head, this.body));
    this.slider = make("input", {type: "range", min: "0", step: "1", "aria-label": "Layer, from edges to meaning",
      oninput: () => this.travelTo(Number(this.slider.value))});
    this.play = make("button", {type: "button", class: "play", onclick: () => this.journey()});
    this.where = make("output", {class: "where"});
    this.spoken = make("p", {class: "unseen", "aria-live": "polite"});
    const travel = make("div", {class: "travel", role: "group", "aria-label": "Travel through the layers"},
      this.play, make("span", {class: "end"}, "edges"), this.slider, make("span", {class: "end"}, "meaning"), this.where);
    this.full = make("div", {class: "full"}, travel, this.large.element);
    this.follow = () => {
      const there = openedIn(location.hash);
      if (there && there !== this.name && this.go(there)) this.wanted = shelf.layersCell = there;
    };
    this.hold = () => { if (this.written && openedIn(location.hash) === null) writeOpened(this.name); };
    return make("section", {class: "layers", "aria-label": "Maps by layer"}, this.frameOfTable, this.full, this.spoken);
  }

  take({rows, columns, cells, start, scored}, rest) {
    Object.assign(this, {rows, columns, scored});
    this.cells = cells.map((row) => row.map(({panel, share, nss}) => ({...cellOf(panel, rest), share, nss})));
    this.lay();
    this.slider.max = rows.length - 1;
    this.rest();
    this.scaled = views.now.scale;
    this.go(this.wanted ?? start.join("/")) || this.go(start.join("/")) || this.open(rows.length - 1, 0);
    globalThis.addEventListener("hashchange", this.follow);
    globalThis.navigation?.addEventListener("currententrychange", this.hold);
    if (this.written) writeOpened(this.name);
    requestAnimationFrame(() => this.reveal(this.lines[this.row]));  // once the table has its size
  }

  // The table itself, made again only where other layers or columns come.
  lay() {
    const plan = JSON.stringify([this.rows, this.columns, this.scored]);
    if (plan === this.plan) return;
    this.plan = plan;
    const head = (title, about) => make("th", {scope: "col"}, make("span", {class: "title"}, title), make("span", {class: "about"}, about));
    this.heads = this.columns.map(({title, about}) => head(title, about));
    this.measured = make("span", {class: "about"});
    const share = make("th", {scope: "col", class: "number"}, make("span", {class: "title"}, "Positive"), this.measured);
    share.title = "Share of the absolute evidence that speaks for the question, in the column that is open";
    const nss = make("th", {scope: "col", class: "number", title: "Mean height of the map where people looked, in standard deviations; 0 is chance"},
      make("span", {class: "title"}, "NSS"));
    this.head.replaceChildren(make("tr", {}, make("th", {scope: "col"}, make("span", {class: "title"}, "Layer")),
      share, ...(this.scored ? [nss] : []), ...this.heads));
    this.thumbs = this.rows.map((_, row) => this.columns.map((_, column) => {
      const thumb = new Thumb();
      thumb.element.addEventListener("click", () => this.choose(row, column));
      return thumb;
    }));
    this.sides = this.rows.map(() => ({share: make("td", {class: "number"}), nss: make("td", {class: "number"})}));
    this.lines = this.rows.map(({name, grid, stride, channels}, row) => make("tr", {},
      make("th", {scope: "row"}, make("span", {class: "name"}, ...breakable(name)),
        make("span", {class: "about"}, grid), make("span", {class: "about"}, `stride ${stride}, ${channels} ch.`)),
      this.sides[row].share, ...(this.scored ? [this.sides[row].nss] : []),
      ...this.thumbs[row].map((thumb) => make("td", {}, thumb.element))));
    this.body.replaceChildren(...this.lines);
    this.element.classList.toggle("many", this.rows.length > 8);
    this.element.style.setProperty("--columns", this.columns.length);
  }

  get name() { return `${this.rows[this.row].name}/${this.columns[this.column].id}`; }

  // Open the cell of that name; whether there is one.
  go(name) {
    const cut = name.lastIndexOf("/");
    const row = this.rows.findIndex((each) => each.name === name.slice(0, cut));
    const column = this.columns.findIndex((each) => each.id === name.slice(cut + 1));
    if (row < 0 || column < 0) return false;
    this.open(row, column);
    return true;
  }

  open(row, column) {
    Object.assign(this, {row, column});
    const cell = this.cells[row][column];
    this.large.show(this.photo, cell, this.shared(row, cell));
    this.thumbs.forEach((line, i) => line.forEach(({element}, k) => {
      const here = i === row && k === column;
      element.setAttribute("aria-pressed", here);
      element.tabIndex = here ? 0 : -1;
    }));
    this.lines.forEach((line, i) => line.classList.toggle("here", i === row));
    this.heads.forEach((head, k) => head.classList.toggle("here", k === column));
    this.sides.forEach((side, i) => this.measure(side, this.cells[i][column]));
    say(this.measured, `of ${this.columns[column].title.toLowerCase()}`);
    const {name, grid} = this.rows[row];
    this.slider.value = row;
    this.slider.setAttribute("aria-valuetext", `${name}, ${grid}`);
    say(this.where, `${name}, ${grid}`);
    this.reveal(this.lines[row]);
  }

  // A person opened another cell: the address follows when the hand rests.
  moveTo(row, column) {
    if (row === this.row && column === this.column) return;
    this.open(row, column);
    this.wanted = shelf.layersCell = this.name;
    this.written = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => writeOpened(this.name), REST);
  }

  choose(row, column) {
    this.rest();
    this.moveTo(row, column);
    const box = this.full.getBoundingClientRect();
    if (box.top > innerHeight - 200 || box.bottom < 100) this.full.scrollIntoView({block: "nearest"});
  }

  travelTo(row) {
    this.rest();
    this.moveTo(row, this.column);
    say(this.spoken, told(this.cells[row][this.column]));
  }

  // Up and down: layers; left and right: columns. The ends hold.
  step(kind, by) {
    const inside = (i, n) => Math.min(n - 1, Math.max(0, i));
    const [down, across] = kind === "layer" ? [by, 0] : [0, by];
    this.rest();
    this.moveTo(inside(this.row + down, this.rows.length), inside(this.column + across, this.columns.length));
  }

  key(event) {
    const step = {ArrowUp: ["layer", -1], ArrowDown: ["layer", 1], ArrowLeft: ["foil", -1], ArrowRight: ["foil", 1]}[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.step(...step);
    this.thumbs[this.row][this.column].element.focus();
  }

  // From the first layer to the last at an even pace, until a person takes over.
  journey() {
    if (this.travelling) { this.rest(); return; }
    const from = this.row === this.rows.length - 1 ? 0 : this.row;
    this.moveTo(from, this.column);
    this.travelling = setInterval(() => {
      if (this.row === this.rows.length - 1) this.rest();
      else this.moveTo(this.row + 1, this.column);
    }, PACE / this.rows.length);
    this.sayPlay();
  }

  rest() {
    clearInterval(this.travelling);
    this.travelling = 0;
    this.sayPlay();
  }

  sayPlay() {
    const text = this.travelling ? "Stop" : "Play";
    say(this.play, this.travelling ? "\u25a0" : "\u25b6");
    this.play.title = this.travelling ? text : "Travel from edges to meaning";
    this.play.setAttribute("aria-label", this.play.title);
  }

  measure({share, nss}, cell) {
    share.style.setProperty("--share", cell.share ?? 0);
    say(share, cell.share === null ? "\u2013" : `${Math.round(100 * cell.share)}%`);
    share.classList.toggle("bar", cell.share !== null);
    say(nss, cell.nss === null ? "\u2013" : cell.nss.toFixed(2).replace("-", "\u2212"));
  }

  // With a shared scale, all maps of a layer that have one unit end at one value.
  shared(row, cell) {
    if (views.now.scale !== "shared") return null;
    return Math.max(...this.cells[row].filter(({panel}) => panel.group === cell.panel.group).map(endOf));
  }

  paint(tables) {
    this.cells.forEach((line, row) => line.forEach((cell, column) => {
      const {element} = this.thumbs[row][column];
      this.thumbs[row][column].draw(cell, this.shared(row, cell) ?? endOf(cell), tables, this.aspect);
      element.setAttribute("aria-label", `${this.rows[row].name}: ${told(cell)}`);
    }));
    if (views.now.scale !== this.scaled) {
      this.scaled = views.now.scale;
      this.open(this.row, this.column);
    }
  }

  // Bring a row into the part of the table that is seen; the page itself stays where it is.
  reveal(line) {
    const frame = this.frameOfTable;
    const [top, bottom] = [line.offsetTop - this.head.offsetHeight - GAP, line.offsetTop + line.offsetHeight + GAP];
    if (top < frame.scrollTop) frame.scrollTop = top;
    else if (bottom > frame.scrollTop + frame.clientHeight) frame.scrollTop = bottom - frame.clientHeight;
  }

  close() {
    super.close();
    this.rest();
    clearTimeout(this.timer);
    globalThis.removeEventListener("hashchange", this.follow);
    globalThis.navigation?.removeEventListener("currententrychange", this.hold);
  }
}

const start = (style) => oneForEachRoot(LayersGrid, style);
