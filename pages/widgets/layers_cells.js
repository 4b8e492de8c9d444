// What the widgets of the page "Layers" share: small maps over the photo, and one map in full, in a panel of its own.

const THUMB = 128;  // pixels that a small map is painted with, across

// A header and numbers as one message, in the form that frontend.pack gives them.
function packed(header, numbers) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(text.length / 4) * 4;
  const message = new Uint8Array(4 + length + numbers.byteLength).fill(32);
  new DataView(message.buffer).setUint32(0, length, true);
  message.set(text, 4);
  message.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), 4 + length);
  return message;
}

// A panel's part of the header with its numbers: what is drawn, and what its ends are.
function cellOf(panel, rest) {
  const grid = numbersAt(panel.values, rest);
  const extremes = grid && survey(grid);
  const common = commonEnd({values: grid, slope: null}, []);
  return {panel, grid, extremes, common, low: extremes?.lowest.value ?? 0, high: extremes?.highest.value ?? 0};
}

// Whether both signs are drawn, by the rules of the map panel.
function bothSigns({panel, low}) {
  const {values} = views.now;
  if (panel.range) return false;
  return values === "signed" ? panel.signed || low < 0 : values === "auto" && panel.signed;
}

// The end of a map's own scale.
function endOf(cell) {
  if (cell.common !== null) return cell.common;
  return bothSigns(cell) ? Math.max(Math.abs(cell.low), Math.abs(cell.high)) : Math.max(0, cell.high);
}

// The numbers of a map as a sentence, for those who do not see it.
function told({panel, grid, extremes}) {
  if (!grid) return `${panel.title}: no map. ${panel.sentence}`;
  const end = (word, {value, row, column}) =>
    `${word} ${number(value)} at row ${row}, column ${column} (${whereabouts({row, column}, grid)})`;
  return `${panel.title}, ${grid.h} by ${grid.w} cells: ${end("highest", extremes.highest)}, ${end("lowest", extremes.lowest)}.`;
}

// Colour tables for the present look, with one sign and with both.
function lookTables() {
  const {colours, hide, fade} = views.now;
  const [one, both] = [false, true].map((signed) => tablesOf({colours, signed, hide: hide / 100, fade: fade === "on"}));
  return (cell) => (bothSigns(cell) ? both : one);
}

// A small map: photo, map, and the value under the pointer. `tag` is "button" where it can be chosen.
class Thumb {
  constructor(tag = "button", attributes = {type: "button"}) {
    this.canvas = make("canvas", {width: THUMB, height: THUMB, "aria-hidden": "true"});
    this.readout = make("span", {class: "value", "aria-hidden": "true"});
    this.stage = make("span", {class: "stage"}, make("i", {class: "photo"}), this.canvas, this.readout);
    this.element = make(tag, {class: "thumb", ...attributes}, this.stage);
    this.stage.addEventListener("pointermove", (event) => this.point(event));
    this.stage.addEventListener("pointerleave", () => say(this.readout, ""));
  }

  // `aspect` is the photo's width over its height.
  draw(cell, end, tables, aspect) {
    this.cell = cell;
    const [width, height] = [THUMB, Math.max(1, Math.round(THUMB / aspect))];
    if (this.canvas.height !== height) this.canvas.height = height;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    this.element.classList.toggle("empty", !cell.grid);
    this.element.classList.toggle("nothing", Boolean(cell.grid) && !(endOf(cell) > 0));
    if (!cell.grid) return;
    const image = context.createImageData(width, height);
    const style = {view: {x: 0, y: 0, share: 1}, extent: cell.panel.extent, smooth: views.now.look === "smooth",
      scale: {zero: 0, end}, tables: tables(cell), stripe: 10};
    paint(new Uint32Array(image.data.buffer), width, height, cell.grid, style);
    context.putImageData(image, 0, 0);
    this.canvas.style.opacity = views.now.maps === "hidden" ? 0 : views.now.opacity / 100;
  }

  // The cell under the pointer, or null: {row, column}.
  at(event) {
    if (!this.cell?.grid) return null;
    const box = this.stage.getBoundingClientRect();
    const [left, top, right, bottom] = this.cell.panel.extent;
    const {h, w} = this.cell.grid;
    const column = held((((event.clientX - box.left) / box.width - left) / (right - left)) * w, w);
    const row = held((((event.clientY - box.top) / box.height - top) / (bottom - top)) * h, h);
    return row === null || column === null ? null : {row, column};
  }

  point(event) {
    const at = this.at(event);
    say(this.readout, at ? number(this.cell.grid.data[at.row * this.cell.grid.w + at.column]) : "");
  }
}

// The photo as a background for all small maps of a widget.
class Backdrop {
  constructor(element) {
    this.element = element;
  }

  async show({digest, w, h}) {
    this.element.style.setProperty("--aspect", `${w} / ${h}`);
    if (digest === this.digest) return;
    this.digest = digest;
    const {header, bytes} = await parcel(digest);
    if (digest !== this.digest) return;
    const url = URL.createObjectURL(new Blob([bytes], {type: header.type}));
    this.element.style.setProperty("--photo", `url("${url}")`);
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = url;
  }
}

// One map in full: the map panel itself, inside the widget, told in the browser what to show.
class Large {
  // `step(kind, by)` is asked for the neighbour: kind "foil" (left, right) or "layer" (up, down).
  constructor(step) {
    this.element = make("div", {class: "large"});
    this.root = this.element.attachShadow({mode: "open"});
    this.heard = (_, event) => { if (event.step) step(event.kind, event.step); };
  }

  show(photo, {panel, grid}, end) {
    const values = grid && {at: 0, h: grid.h, w: grid.w};
    const shown = {...panel, id: "full", values, slope: null, level: null, end, method: null, removable: false};
    const header = {photo, panels: [shown], methods: [], canAdd: false, marks: [], columns: null};
    this.message = packed(header, grid?.data ?? new Float32Array());
    const begin = () => {
      this.stop = shelf.widgets.map_panel({parentElement: this.root, data: this.message, setTriggerValue: this.heard});
    };
    if (shelf.widgets.map_panel) begin(); else shelf.waiting.push(["map_panel", begin]);
  }

  close() { this.stop?.(); }
}

// What all of these widgets do: take the photo and the cells, draw the small maps, and keep to the common look.
class Cells {
  constructor(root, style) {
    this.root = root;
    this.frame = 0;
    this.large = new Large((kind, by) => this.step(kind, by));
    this.element = this.build();
    this.backdrop = new Backdrop(this.element);
    settleIn(root, style, this.element);
  }

  receive(component) {
    this.send = (event) => component.setTriggerValue("event", event);
    const {header, rest} = unpack(component.data);
    this.photo = header.photo;
    this.backdrop.show(header.photo);
    this.unwatch ??= watchView(() => { this.frame ||= requestAnimationFrame(() => this.draw()); });
    this.take(header, rest);
    this.draw();
  }

  get aspect() { return this.photo.w / this.photo.h; }

  draw() {
    this.frame = 0;
    this.element.classList.toggle("grey", views.now.photo === "grey");
    this.paint(lookTables());
  }

  close() {
    this.unwatch?.();
    this.unwatch = null;
    this.large.close();
  }
}
