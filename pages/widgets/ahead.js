// Files what was sent ahead; the row of panels looks there when a foil is chosen. It draws nothing.
const start = () => (component) => {
  const {header, rest} = unpack(component.data);
  shelf.ahead = {...header, rest};
  return () => {};
};
