// Two maps over each other, of the same photo or of two, with a divider that is dragged or moved by keys.

// What a panel needs of the row that it stands in, for one that stands alone: its photo, whole.
class Alone {
  constructor(photo) { this.photo = photo; }
  window() { return {x: 0, y: 0, share: 1}; }
  send() {}
  point() {}
  key() {}
}

// A panel of what Python described, with its numbers, over a decoded photo.
function standing(told, rest, photo, marks) {
  const panel = new Panel(new Alone(photo));
  const grids = Object.fromEntries(["values", "slope", "level"].map((name) => [name, numbersAt(told[name], rest)]));
  panel.receive({...told, method: null}, grids, [], marks);
  panel.end = panel.ownEnd();
  panel.point(null);
  return panel;
}

const LEFT = 0, RIGHT = 1;

class Side {
  constructor(swipe, name) {
    this.swipe = swipe;
    this.canvas = make("canvas", {"aria-hidden": "true"});
    this.select = make("select", {"aria-label": `Map on the ${name}`, onchange: () => this.choose(this.select.value)});
    this.words = make("div", {class: "words"});
    this.head = make("div", {class: "side"}, make("span", {class: "where"}, name), this.select);
  }

  async receive({look, photo, panels}, rest, marks, usual) {
    const bitmap = await bitmapOf(photo.digest);
    this.photo = {...photo, bitmap};
    this.panels = new Map(panels.map((told) => [told.id, [told, rest, this.photo, marks]]));
    fillSelect(this.select, panels.map(({id, title}) => [id, title]), "", "");
    const kept = this.look === look && this.panels.has(this.chosen);
    this.look = look;
    this.choose(kept ? this.chosen : [...this.panels.keys()][Math.min(usual, panels.length - 1)]);
  }

  choose(id) {
    this.chosen = this.select.value = id;
    this.panel = standing(...this.panels.get(id));
    const {question, legend, contrast, sentence} = this.panel;
    this.words.replaceChildren(question, legend, contrast.element, sentence);
    this.swipe.want();
  }

  draw(width, height) {
    const {w, h} = this.photo;
    const fit = Math.min(width / w, height / h);
    Object.assign(this.canvas, {width: Math.round(w * fit), height: Math.round(h * fit)});
    this.panel.settle();
    this.panel.end = this.panel.ownEnd();
    this.panel.stillInto(this.canvas.getContext("2d"), 0, 0, this.canvas.width, this.canvas.height, 8);
    if (this.panel.grid) this.panel.drawLegend(this.panel.style(this.panel.end), this.panel.end);
    if (this.panel.slope) this.panel.contrast.show();
  }
}

class Swipe {
  constructor() {
    this.sides = ["left", "right"].map((name) => new Side(this, name));
    this.at = 50;  // per cent of the width that show the left one
    this.divider = make("div", {class: "divider", role: "slider", tabindex: "0", "aria-label": "Divider between the two maps",
      "aria-valuemin": "0", "aria-valuemax": "100", "aria-orientation": "horizontal", onkeydown: (event) => this.key(event)},
      make("i", {"aria-hidden": "true"}));
    this.stage = make("div", {class: "swipe-stage"}, this.sides[LEFT].canvas, this.sides[RIGHT].canvas, this.divider);
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      this.stage.addEventListener(kind, (event) => this.point(event));
    }
    this.element = make("section", {class: "swipe", "aria-label": "Two maps compared"},
      make("div", {class: "heads"}, ...this.sides.map(({head}) => head)), this.stage,
      make("div", {class: "heads"}, ...this.sides.map(({words}) => words)));
    this.sizes = new ResizeObserver(() => this.want());
  }

  async receive(sides, rest, marks) {
    const one = sides[LEFT].look === sides[RIGHT].look;
    await Promise.all(this.sides.map((side, i) => side.receive(sides[i], rest, marks, one ? i : 0)));
    const {w, h} = sides[LEFT].photo;
    this.stage.style.aspectRatio = `${w} / ${h}`;
    this.stage.style.maxWidth = `calc(52vh * ${w / h})`;
    this.sizes.observe(this.stage);
    this.want();
  }

  close() {
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  want() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      const {clientWidth, clientHeight} = this.stage;
      if (!clientWidth || this.sides.some(({panel}) => !panel)) return;
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      for (const side of this.sides) side.draw(clientWidth * ratio, clientHeight * ratio);
      this.move(this.at);
    });
  }

  move(at) {
    this.at = Math.min(100, Math.max(0, Math.round(at)));
    this.sides[LEFT].canvas.style.clipPath = `inset(0 ${100 - this.at}% 0 0)`;
    this.sides[RIGHT].canvas.style.clipPath = `inset(0 0 0 ${this.at}%)`;
    this.divider.style.left = `${this.at}%`;
    const [left, right] = this.sides.map(({panel}) => panel.description());
    this.divider.setAttribute("aria-valuenow", this.at);
    this.divider.setAttribute("aria-valuetext", `${this.at} per cent on the left: ${left} The rest: ${right}`);
  }

  point(event) {
    if (event.type === "pointerdown" && event.button === 0) {
      this.stage.setPointerCapture(event.pointerId);
      this.dragged = true;
      this.divider.focus({preventScroll: true});
      event.preventDefault();
    } else if (event.type !== "pointermove") this.dragged = false;
    if (!this.dragged) return;
    const {left, width} = this.stage.getBoundingClientRect();
    this.move((100 * (event.clientX - left)) / width);
  }

  key(event) {
    const step = {ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10}[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) this.move(this.at + step * (event.shiftKey ? 5 : 1));
    else if (event.key === "Home") this.move(0);
    else if (event.key === "End") this.move(100);
    else return;
    event.preventDefault();
  }
}
