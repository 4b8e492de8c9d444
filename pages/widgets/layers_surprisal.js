// How surprised the network would be by each answer. The bars' scale begins at 0 and ends at the largest.

const PATIENCE = 5000;  // ms that a choice stays marked while older answers still come in

class Surprisal {
  constructor(root, style) {
    this.root = root;
    this.list = make("div", {class: "bars", role: "group", "aria-label": "Possible answers; choose one as Q"});
    this.list.addEventListener("keydown", (event) => this.key(event));
    const head = ["", "answer", "probability", "surprisal"].map((text) => make("span", {}, text));
    settleIn(root, style, make("section", {"aria-label": "Surprisal of each answer"},
      make("div", {class: "head", "aria-hidden": "true"}, ...head), this.list));
  }

  receive(component) {
    this.send = (foil) => component.setTriggerValue("event", {foil});
    this.told = unpack(component.data).header;
    if (this.pending === this.told.foil) this.pending = null;
    this.show();
  }

  get foil() { return this.pending ?? this.told.foil; }

  choose(index) {
    if (index === this.foil) return;
    this.pending = index;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.pending = null; this.show(); }, PATIENCE);
    this.show();
    this.send(index);
  }

  show() {
    const {bars, fact} = this.told;
    const most = Math.max(...bars.map(([, , , value]) => value));
    while (this.list.childElementCount < bars.length) this.list.append(this.bar());
    while (this.list.childElementCount > bars.length) this.list.lastChild.remove();
    bars.forEach(([index, name, p, value], i) => {
      const bar = this.list.children[i];
      const [isFact, isFoil] = [index === fact, index === this.foil];
      const [mark, label, chance, size] = bar.children;
      bar.index = index;
      bar.classList.toggle("fact", isFact);
      bar.classList.toggle("foil", isFoil);
      bar.style.setProperty("--size", most > 0 ? value / most : 0);
      bar.setAttribute("aria-pressed", isFoil);
      bar.setAttribute("aria-label", `${name}${isFact ? ", the fact P" : ""}${isFoil ? ", Q" : ""}: surprisal ${number(value)}, probability ${percent(p)}`);
      say(mark, `${isFact ? "P" : ""}${isFoil ? "Q" : ""}`);
      say(label, name);
      say(chance, percent(p));
      say(size, value >= 0.001 && value < 1000 ? value.toPrecision(3) : number(value));  // a column of one look
    });
  }

  bar() {
    const bar = make("button", {type: "button", onclick: () => this.choose(bar.index)},
      make("span", {class: "mark"}), make("span", {class: "label"}), make("span", {class: "chance"}), make("span", {class: "size"}));
    return bar;
  }

  key(event) {
    const by = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!by) return;
    event.preventDefault();
    const bars = [...this.list.children];
    bars[Math.min(bars.length - 1, Math.max(0, bars.indexOf(this.root.activeElement) + by))].focus();
  }

  close() { clearTimeout(this.timer); }
}

const start = (style) => oneForEachRoot(Surprisal, style);
