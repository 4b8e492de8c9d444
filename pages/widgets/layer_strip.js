// All layers as small maps; a click or the arrow keys choose the one that the panels show.

class Strip {
  constructor(root, style) {
    this.root = root;
    this.pending = null;
    this.element = make("div", {class: "strip", role: "radiogroup", "aria-label": "Layer"});
    this.element.addEventListener("keydown", (event) => {
      const by = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
      if (!by) return;
      event.preventDefault();
      this.step(by);
      this.element.querySelector("[aria-checked=true]")?.focus();
    });
    settleIn(root, style, this.element);
  }

  receive(component) {
    this.open();
    this.send = (layer) => component.setTriggerValue("event", {layer});
    const {header, rest} = unpack(component.data);
    this.layers = header.layers.map((layer) => ({...layer, grid: numbersAt(layer.values, rest)}));
    this.told = header.selected;
    if (this.pending === this.told) this.pending = null;
    this.element.style.setProperty("--aspect", header.aspect);
    this.show();
    this.draw();
  }

  get selected() { return this.pending ?? this.told; }

  choose(name) {
    if (name === this.selected) return;
    this.pending = name;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.pending = null; this.show(); }, 3000);
    this.show();
    this.send(name);
  }

  // Where each method is at its own layer, the way begins at the deepest: most methods are there.
  step(by) {
    const found = this.layers.findIndex(({name}) => name === this.selected);
    const at = found < 0 ? this.layers.length - 1 : found;
    const next = this.layers[Math.min(this.layers.length - 1, Math.max(0, at + by))];
    if (next) this.choose(next.name);
  }

  show() {
    while (this.element.childElementCount < this.layers.length) this.element.append(this.thumbnail());
    while (this.element.childElementCount > this.layers.length) this.element.lastChild.remove();
    this.layers.forEach(({name, h, w}, i) => {
      const button = this.element.children[i];
      const chosen = name === this.selected;
      button.layer = name;
      button.setAttribute("aria-checked", String(chosen));
      button.setAttribute("aria-label", `${name}, maps of ${h} by ${w}`);
      button.tabIndex = chosen ? 0 : -1;
      const [, label, size, none] = button.children;
      const nothing = this.nothing(i);
      button.classList.toggle("nothing", nothing);
      if (nothing) button.setAttribute("aria-label", `${name}, maps of ${h} by ${w}, no positive evidence`);
      say(label, name);
      say(size, `${h} \u00d7 ${w}`);
      say(none, nothing ? "none positive" : "");
    });
    const chosen = this.element.querySelector("[aria-checked=true]");
    if (!chosen) { if (this.element.lastChild) this.element.lastChild.tabIndex = 0; return; }
    const {offsetLeft, offsetWidth} = chosen;
    const {scrollLeft, clientWidth} = this.element;
    if (offsetLeft < scrollLeft || offsetLeft + offsetWidth > scrollLeft + clientWidth) {
      this.element.scrollLeft = offsetLeft - (clientWidth - offsetWidth) / 2;
    }
  }

  thumbnail() {
    const button = make("button", {type: "button", role: "radio", onclick: () => this.choose(button.layer)},
      make("canvas", {"aria-hidden": "true", width: "72", height: "72"}), make("span", {class: "label"}), make("span", {class: "size"}), make("span", {class: "size"}));
    return button;
  }

  // Whether a layer's map has no positive evidence: its picture is empty, and that is said.
  nothing(i) {
    const {grid} = this.layers[i];
    return Boolean(grid) && !(survey(grid).highest.value > 0);
  }

  draw() {
    const tables = lookup({colours: views.now.colours, signed: false, hide: 0, fade: false});
    this.layers.forEach(({grid}, i) => {
      const canvas = this.element.children[i].firstChild;
      const context = canvas.getContext("2d");
      if (!grid) { context.clearRect(0, 0, canvas.width, canvas.height); return; }
      const image = context.createImageData(canvas.width, canvas.height);
      const scale = {zero: 0, end: Math.max(0, survey(grid).highest.value)};
      const style = {view: {x: 0, y: 0, share: 1}, extent: [0, 0, 1, 1], smooth: views.now.look === "smooth", scale, tables, stripe: 8};
      paint(new Uint32Array(image.data.buffer), canvas.width, canvas.height, grid, style);
      context.putImageData(image, 0, 0);
    });
  }

  open() {
    this.stop ??= (() => {
      const unwatch = watchView((names) => { if (names.includes("colours") || names.includes("look")) this.draw(); });
      const asked = (event) => { event.preventDefault(); this.step(event.detail); };
      globalThis.addEventListener("expectancy-layer", asked);
      return () => {
        unwatch();
        globalThis.removeEventListener("expectancy-layer", asked);
      };
    })();
  }

  close() {
    this.stop?.();
    this.stop = null;
    clearTimeout(this.timer);
  }
}

const start = (style) => oneForEachRoot(Strip, style);
