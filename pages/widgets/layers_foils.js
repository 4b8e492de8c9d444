// All foils at one layer. Pointing at a map, or focusing it, shows it in full; a click makes its class the foil.

class Foils extends Cells {
  build() {
    this.strip = make("div", {class: "strip", role: "group", "aria-label": "Contrasts with every foil"});
    this.strip.addEventListener("pointerleave", () => this.look(this.kept));
    this.strip.addEventListener("focusout", (event) => { if (!this.strip.contains(event.relatedTarget)) this.look(this.kept); });
    this.strip.addEventListener("keydown", (event) => this.key(event));
    this.full = make("div", {class: "full"}, this.large.element);
    return make("section", {class: "layers", "aria-label": "All foils"}, this.strip, this.full);
  }

  take({cards, foil}, rest) {
    const before = this.cards?.[this.kept];
    this.cards = cards.map((card) => ({...card, ...cellOf(card.panel, rest)}));
    while (this.strip.childElementCount < cards.length) this.strip.append(this.card(this.strip.childElementCount));
    while (this.strip.childElementCount > cards.length) this.strip.lastChild.remove();
    this.fill();
    const overview = before && before.foil === null && foil === this.foil ? before.title : null;
    this.foil = foil;
    this.kept = this.cards.findIndex((card) => (overview ? card.title === overview : card.foil === foil));
    this.scaled = views.now.scale;
    this.look(this.kept);
  }

  card(at) {
    const thumb = new Thumb();
    const {element} = thumb;
    element.thumb = thumb;
    element.append(make("span", {class: "title"}), make("span", {class: "about"}), make("span", {class: "differs"}));
    element.addEventListener("pointerenter", () => this.look(at));
    element.addEventListener("focus", () => this.look(at));
    element.addEventListener("click", () => this.choose(at));
    return element;
  }

  fill() {
    this.cards.forEach((card, i) => {
      const element = this.strip.children[i];
      const [, title, about, differs] = element.children;
      const over = card.foil === null;
      element.classList.toggle("over", over);
      say(title, card.title);
      say(about, over ? "over all foils" : percent(card.probability));
      say(differs, over ? "" : card.differs === null ? "\u2013" : card.differs.toFixed(2));
      differs.style.setProperty("--differs", over || card.differs === null ? 0 : card.differs / 2);
      differs.classList.toggle("bar", !over && card.differs !== null);
      const numbers = over ? "" : `, ${percent(card.probability)}, differs from Grad-CAM by ${card.differs === null ? "an unknown amount" : card.differs.toFixed(2)}`;
      element.setAttribute("aria-label", `${card.title}${numbers}. ${told(card)}`);
    });
  }

  // Show a card in full, for as long as it is pointed at.
  look(at) {
    this.seen = this.cards[at] ? at : 0;
    const cell = this.cards[this.seen];
    this.large.show(this.photo, cell, this.shared(cell));
    [...this.strip.children].forEach((element, i) => {
      element.classList.toggle("seen", i === this.seen);
      element.setAttribute("aria-pressed", i === this.kept);
    });
  }

  // Keep it in full, and make its class the foil.
  choose(at) {
    this.kept = at;
    this.look(at);
    const {foil} = this.cards[at];
    if (foil !== null && foil !== this.foil) this.send({foil});
  }

  step(kind, by) {
    this.choose(Math.min(this.cards.length - 1, Math.max(0, this.seen + by)));
  }

  key(event) {
    const by = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const at = [...this.strip.children].indexOf(this.root.activeElement);
    this.strip.children[Math.min(this.cards.length - 1, Math.max(0, at + by))].focus();
  }

  shared(cell) {
    if (views.now.scale !== "shared") return null;
    return Math.max(...this.cards.filter(({panel}) => panel.group === cell.panel.group).map(endOf));
  }

  paint(tables) {
    this.cards.forEach((card, i) => this.strip.children[i].thumb.draw(card, this.shared(card) ?? endOf(card), tables, this.aspect));
    if (views.now.scale === this.scaled) return;
    this.scaled = views.now.scale;
    this.look(this.seen);
  }
}

const start = (style) => oneForEachRoot(Foils, style);
