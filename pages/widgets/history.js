// Everything that was looked at as small pictures; two that are pinned lie under one divider above them.

class Looks {
  constructor(root, style) {
    this.swipe = new Swipe();
    this.list = make("ol", {class: "looks", "aria-label": "What was looked at, the newest first"});
    this.items = new Map();
    this.empty = make("p", {}, "Nothing yet: what you look at on the pages with maps comes to stand here.");
    this.invitation = make("p", {class: "invitation"}, "Pin one to compare its maps, or two to compare them with each other.");
    this.swipe.element.hidden = true;
    settleIn(root, style, make("div", {class: "history"}, this.list, this.empty,
      make("div", {class: "compared"}, this.invitation, this.swipe.element)));
  }

  async receive(component, turn) {
    this.unwatch ??= watchView(() => this.swipe.want());
    this.send = (event) => component.setTriggerValue("event", event);
    const {header, rest} = unpack(component.data);
    const {looks, pinned, sides, marks} = header;
    this.empty.hidden = looks.length > 0;
    const before = this.items;
    this.items = new Map(looks.map((look) => [look.id, before.get(look.id) ?? this.item(look)]));
    if ([...this.items.keys()].join() !== [...before.keys()].join()) this.list.replaceChildren(...this.items.values());
    for (const [id, item] of this.items) this.mark(item, pinned.includes(id));
    this.compare(sides, rest, marks);
    for (const look of looks) {  // one after the other: few decoded photos are kept at a time
      if (before.has(look.id)) continue;
      const bitmap = await bitmapOf(look.photo.digest);
      if (turn !== this.turn) return;
      const panel = standing(look.panel, rest, {...look.photo, bitmap}, marks);
      const canvas = this.items.get(look.id).querySelector("canvas");
      panel.stillInto(canvas.getContext("2d"), 0, 0, canvas.width, canvas.height, 8);
    }
  }

  compare(sides, rest, marks) {
    this.swipe.element.hidden = !sides.length;
    this.invitation.hidden = sides.length > 0 || this.empty.hidden === false;
    if (sides.length) this.swipe.receive(sides, rest, marks);
  }

  close() {
    this.unwatch?.();
    this.unwatch = null;
    this.swipe.close();
  }

  item({id, heading, photo, panel}) {
    const [width, height] = [240, Math.round((240 * photo.h) / photo.w)];
    return make("li", {},
      make("button", {type: "button", class: "look", onclick: () => this.send({kind: "back", look: id})},
        make("canvas", {width, height: Math.min(360, height), "aria-hidden": "true"}),
        make("span", {class: "heading"}, heading),
        make("span", {class: "what"}, [panel.title, photo.name, ...panel.notes.slice(0, 1)].join(", "))),
      make("button", {type: "button", class: "pin", title: `Pin for comparison: ${heading} ${panel.title}, ${photo.name}`,
        onclick: () => this.send({kind: "pin", look: id})}, icon("pin"), make("span")));
  }

  mark(item, isPinned) {
    const pin = item.querySelector(".pin");
    pin.setAttribute("aria-pressed", String(isPinned));
    say(pin.lastChild, isPinned ? "Pinned" : "Pin");
  }
}

const start = (style) => oneForEachRoot(Looks, style);
