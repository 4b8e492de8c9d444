function start(style) {
  return ({data, parentElement}) => {
    const {header} = unpack(data);
    let pre = parentElement.querySelector("pre");
    if (!pre) { adopt(parentElement, style); pre = make("pre"); parentElement.append(pre); }
    say(pre, JSON.stringify(header, null, 1).slice(0, 1500));
  };
}
