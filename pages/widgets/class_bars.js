// Bars of the likeliest answers, with P and Q marked and a search over all classes.

const FOUND_MOST = 8;
const PATIENCE = 3000;  // ms that a choice stays marked while older answers still come in

class Bars {
  constructor(root, style) {
    this.root = root;
    this.pending = null;
    this.names = [];
    this.list = make("div", {class: "bars", role: "group", "aria-label": "Answers; choose one as the foil Q"});
    this.list.addEventListener("keydown", (event) => this.move(event));
    this.search = make("input", {type: "search", role: "combobox", placeholder: "Find any class", "aria-label": "Find a class to make it the foil",
      "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false",
      oninput: () => this.find(), onkeydown: (event) => this.type(event), onblur: () => this.fold()});
    this.found = make("ul", {class: "found", id: "found", role: "listbox", "aria-label": "Classes found", hidden: true});
    this.spoken = make("p", {class: "unseen", "aria-live": "polite"});
    settleIn(root, style, make("section", {"aria-label": "Answers"}, this.list,
      make("div", {class: "search"}, this.search, this.found), this.spoken));
  }

  async receive(component, turn) {
    this.listen();
    this.send = (foil) => component.setTriggerValue("event", {foil});
    const {header, rest} = unpack(component.data);
    if (this.digest !== header.names) {
      const {header: {names}} = await parcel(header.names);
      if (turn !== this.turn) return;
      Object.assign(this, {names, digest: header.names});
    }
    Object.assign(this, {told: header, probabilities: numbersAt(header.probabilities, rest)?.data ?? null});
    if (this.pending && header.foil === this.pending.foil) this.pending = null;
    this.show();
  }

  // A choice shows at once; what Python says counts again when it agrees, or when it should long have done so.
  get foil() { return this.pending?.foil ?? this.told.foil; }

  choose(foil) {
    this.fold();
    if (foil === this.foil) return;
    this.pending = {foil};
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.pending = null; this.show(); }, PATIENCE);
    this.show();
    say(this.spoken, `The foil is ${this.names[foil]}`);
    globalThis.dispatchEvent(new CustomEvent("expectancy-chosen", {detail: foil}));  // panels may have its maps already
    this.send(foil);
  }

  probability(index) {
    return this.told.answers.find(([each]) => each === index)?.[2] ?? this.probabilities?.[index] ?? null;
  }

  // The answers, and the foil and the fact below them where they are not among them.
  rows() {
    const {answers, fact, foil: told} = this.told;
    const kept = answers.filter(([index]) => index !== told || told === this.foil || this.rank(index) < 5).map(([index]) => index);
    for (const index of [fact, this.foil]) if (!kept.includes(index)) kept.push(index);
    return kept;
  }

  rank(index) { return this.told.answers.findIndex(([each]) => each === index); }

  show() {
    const {fact} = this.told;
    const rows = this.rows();
    while (this.list.childElementCount < rows.length) this.list.append(this.bar());
    while (this.list.childElementCount > rows.length) this.list.lastChild.remove();
    rows.forEach((index, i) => {
      const bar = this.list.children[i];
      const [isFact, isFoil] = [index === fact, index === this.foil];
      const p = this.probability(index);
      const name = this.names[index] ?? this.told.answers.find(([each]) => each === index)?.[1] ?? String(index);
      bar.index = index;
      bar.className = ["bar", isFact && "fact", isFoil && "foil", i >= 5 && "extra"].filter(Boolean).join(" ");
      bar.style.setProperty("--p", p ?? 0);
      bar.setAttribute("aria-pressed", isFoil);
      const role = isFact && isFoil ? ", the fact P and the foil Q" : isFact ? ", the fact P" : isFoil ? ", the foil Q" : "";
      bar.setAttribute("aria-label", `${name}, ${percent(p)}${role}`);
      bar.title = isFoil ? name : `${name}: make it the foil Q`;
      const [mark, label, value] = bar.children;
      say(mark, `${isFact ? "P" : ""}${isFoil ? "Q" : ""}`);
      say(label, name);
      say(value, percent(p));
    });
  }

  bar() {
    const bar = make("button", {type: "button", onclick: () => this.choose(bar.index)},
      make("span", {class: "mark"}), make("span", {class: "label"}), make("span", {class: "value"}));
    return bar;
  }

  // The next foil among the rows, skipping the fact.
  step(by) {
    const rows = this.rows().filter((index) => index !== this.told.fact);
    const at = rows.indexOf(this.foil);
    if (rows.length) this.choose(rows[at < 0 ? 0 : (at + by + rows.length) % rows.length]);
  }

  move(event) {
    const by = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!by) return;
    const bars = [...this.list.children];
    bars[(bars.indexOf(this.root.activeElement) + by + bars.length) % bars.length].focus();
    event.preventDefault();
  }

  // Left and right step through the foils wherever nothing else wants these keys.
  listen() {
    this.stop ??= (() => {
      const typed = (event) => {
        const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
        if (!by || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
        const focus = document.activeElement;
        const free = !focus || focus === document.body || focus === document.querySelector("section.stMain");
        const own = this.root.activeElement?.classList.contains("bar");
        if (!free && !own) return;
        event.preventDefault();
        this.step(by);
      };
      const asked = (event) => { event.preventDefault(); this.step(event.detail); };
      document.addEventListener("keydown", typed);
      globalThis.addEventListener("expectancy-foil", asked);
      return () => {
        document.removeEventListener("keydown", typed);
        globalThis.removeEventListener("expectancy-foil", asked);
      };
    })();
  }

  close() {
    this.stop?.();
    this.stop = null;
    clearTimeout(this.timer);
  }

  // Names that begin with the text, then names in which a word does, then names that hold it.
  matches(text) {
    const rank = (name) => {
      const at = name.toLowerCase().indexOf(text);
      return at === 0 ? 0 : at > 0 && /[\s,-]/.test(name[at - 1]) ? 1 : at > 0 ? 2 : 3;
    };
    return this.names.map((name, index) => [rank(name), index]).filter(([r]) => r < 3)
      .sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, index]) => index);
  }

  find() {
    const text = this.search.value.trim().toLowerCase();
    const all = text ? this.matches(text) : [];
    const options = all.slice(0, FOUND_MOST).map((index, i) => make("li",
      {role: "option", id: `option-${i}`, "data-index": index, "aria-selected": "false",
        onpointerdown: (event) => { event.preventDefault(); this.pick(index); }},
      make("span", {class: "label"}, this.names[index]), make("span", {class: "value"}, this.probabilities ? percent(this.probability(index)) : "")));
    if (all.length > FOUND_MOST) options.push(make("li", {class: "more", role: "presentation"}, `and ${all.length - FOUND_MOST} more`));
    if (text && !all.length) options.push(make("li", {class: "more", role: "presentation"}, "No class of that name"));
    this.found.replaceChildren(...options);
    this.found.hidden = !text;
    this.search.setAttribute("aria-expanded", String(Boolean(all.length)));
    this.mark(all.length ? 0 : -1);
    if (text) say(this.spoken, `${all.length} classes found`);
  }

  mark(i) {
    this.marked = i;
    const options = [...this.found.querySelectorAll("[role=option]")];
    options.forEach((option, k) => option.setAttribute("aria-selected", String(k === i)));
    if (options[i]) this.search.setAttribute("aria-activedescendant", options[i].id);
    else this.search.removeAttribute("aria-activedescendant");
  }

  type(event) {
    const options = [...this.found.querySelectorAll("[role=option]")];
    const by = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (by && options.length) this.mark((this.marked + by + options.length) % options.length);
    else if (event.key === "Enter" && options[this.marked]) this.pick(Number(options[this.marked].dataset.index));
    else if (event.key === "Escape") this.fold();
    else return;
    event.preventDefault();
  }

  pick(index) {
    this.search.value = "";
    this.choose(index);
    this.fold();
  }

  fold() {
    this.found.hidden = true;
    this.search.setAttribute("aria-expanded", "false");
    this.search.removeAttribute("aria-activedescendant");
  }
}

const start = (style) => oneForEachRoot(Bars, style);
