// The page's own buttons (share, history, presenter mode), the keys of presenter mode, and the way in for a view that
// came with a bundle. What is presented is a part of the view: a link opens it, and nothing is asked of Python.

const STEPS = {ArrowLeft: ["foil", -1], ArrowRight: ["foil", 1], ArrowUp: ["layer", -1], ArrowDown: ["layer", 1]};
const OWN_KEYS = "input, textarea, select, [contenteditable], [role=combobox], [role=slider], [role=radio], [role=tab]";
const PRESSED = "button, a, summary, [role=button]";
const HELP = [
  ["\u2190 \u2192", "another foil Q"],
  ["\u2191 \u2193", "another layer: towards the photo, towards the answer"],
  ["Space", "hide the maps, show them again"],
  ["?", "these keys"],
  ["Esc", "leave presenter mode"],
];

class Desk {
  constructor(root, style) {
    const button = (name, text, act) =>
      make("button", {type: "button", class: name, title: text, onclick: act}, icon(name), make("span", {}, text));
    this.share = button("share", "Share", () => this.tell("share"));
    this.history = button("history", "History", () => this.tell("history"));
    this.start = button("present", "Present", () => look({present: "on"}));
    this.keys = button("help", "Keys", () => this.help());
    this.leave = button("close", "Leave", () => look({present: "off"}));
    this.list = make("div", {class: "keys"});
    this.dialog = make("dialog", {"aria-labelledby": "title"},
      make("h2", {id: "title"}, "Presenter mode"), this.list,
      make("button", {type: "button", onclick: () => this.dialog.close()}, "Close"));
    this.spoken = make("p", {class: "unseen", "aria-live": "polite"});
    this.element = make("div", {role: "group", "aria-label": "This view"},
      this.share, this.history, this.start, this.keys, this.leave, this.dialog, this.spoken);
    settleIn(root, style, this.element);
    this.typed = (event) => this.key(event);
  }

  receive(component) {
    this.open();
    const {header} = unpack(component.data);
    this.send = (event) => component.setTriggerValue("event", event);
    const {methods, maps, view} = header;
    Object.assign(this, {methods, maps});
    if (view && shelf.viewBrought !== view.id) {  // once: what a person changes afterwards stays
      shelf.viewBrought = view.id;
      look(viewFrom(view.text));
    }
    this.show();
  }

  open() {
    this.unwatch ??= watchView((names) => { if (names.includes("present")) this.show(); });
    document.addEventListener("keydown", this.typed, {capture: true});
  }

  close() {
    this.unwatch?.();
    this.unwatch = null;
    document.removeEventListener("keydown", this.typed, {capture: true});
    document.documentElement.removeAttribute("data-presenting");
  }

  tell(kind) {
    this.send({kind, view: viewText(views.now), address: location.href});
  }

  get presenting() { return this.maps && views.now.present === "on"; }

  show() {
    const before = document.documentElement.hasAttribute("data-presenting");
    document.documentElement.toggleAttribute("data-presenting", this.presenting);
    for (const button of [this.share, this.history, this.start]) button.hidden = this.presenting;
    if (!this.maps) this.start.hidden = true;
    for (const button of [this.keys, this.leave]) button.hidden = !this.presenting;
    if (this.presenting === before) return;
    if (this.presenting) say(this.spoken, "Presenter mode. Press question mark for its keys, Escape to leave.");
    else {
      this.dialog.close();
      say(this.spoken, "");
      this.start.focus();
    }
  }

  help() {
    const list = (keys) => make("dl", {}, ...keys.flatMap(([key, words]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, words)]));
    const numbers = this.methods.slice(0, 9).map(([, title], i) => [String(i + 1), title]);
    this.list.replaceChildren(list(HELP), ...(numbers.length ? [make("p", {}, "In the panel with the focus, else in the first:"), list(numbers)] : []));
    this.dialog.showModal();
  }

  key(event) {
    if (!this.presenting || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const [target] = event.composedPath();
    if (target.closest?.(OWN_KEYS)) return;
    if (this.dialog.open) { if (event.key === "?") this.dialog.close(); return; }
    const step = event.shiftKey ? null : STEPS[event.key];
    if (step) this.ask(...step);
    else if (/^[1-9]$/.test(event.key)) this.ask("method", Number(event.key));
    else if (event.key === " " && !target.closest?.(PRESSED)) this.veil();
    else if (event.key === "?") this.help();
    else if (event.key === "Escape") look({present: "off"});
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  ask(kind, by) {
    globalThis.dispatchEvent(new CustomEvent("expectancy-present", {detail: {kind, by}, cancelable: true}));
  }

  veil() {
    const hidden = views.now.maps === "shown";
    look({maps: hidden ? "hidden" : "shown"});
    say(this.spoken, hidden ? "Maps hidden" : "Maps shown");
  }
}

const start = (style) => oneForEachRoot(Desk, style);
