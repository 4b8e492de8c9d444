// Another step is read from its beginning: the page does not stay where the last one ended.
class Top {
  constructor(root, style) {
    this.root = root;
    settleIn(root, style, make("span"));
  }

  receive(component) {
    const {step} = unpack(component.data).header;
    if (this.step && this.step !== step) this.root.host.closest("[data-testid=stMain]")?.scrollTo(0, 0);
    this.step = step;
  }

  close() {}
}

const start = (style) => oneForEachRoot(Top, style);
