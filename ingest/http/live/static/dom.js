/* Makes and changes elements. Text is text: nothing here reads markup, whoever has written it. */

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

const grow = (made, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
};

/** An element of HTML; children are elements or text. */
export const element = (tag, attributes = {}, ...children) =>
  grow(document.createElement(tag), attributes, children);

/** An element of SVG. */
export const drawn = (tag, attributes = {}, ...children) =>
  grow(document.createElementNS(SVG, tag), attributes, children);

/** Set text, but only if it is another: screen readers and selections are left in peace. */
export const say = (target, text) => {
  if (target.textContent !== text) target.textContent = text;
};

const shown = new WeakMap();

/** Make a node like another one of its kind, and tell whether it could be done. */
const becomes = (node, wanted) => {
  if (node.nodeName !== wanted.nodeName) return false;
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return true;
  }
  for (const { name } of [...node.attributes]) if (!wanted.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  settle(node, [...wanted.childNodes]);
  return true;
};

/** Give an element the children that it should have, and change no more of those it has than is needed. */
const settle = (target, wanted) => {
  const there = [...target.childNodes];
  wanted.forEach((child, at) => {
    if (at >= there.length) target.append(child);
    else if (!becomes(there[at], child)) there[at].replaceWith(child);
  });
  for (const left of there.slice(wanted.length)) left.remove();
};

/**
 * Bring the children of an element up to date, but only if what they are made from has changed. What stays
 * the same stays in place: who reads or has marked a sentence keeps it while a figure beside it goes on.
 */
export const fill = (target, source, build) => {
  const key = JSON.stringify(source);
  if (shown.get(target) === key) return;
  shown.set(target, key);
  settle(target, build(source));
};

/** The rows of a definition list: pairs of a term and its text, with a remark if there is one. */
export const facts = (target, pairs) =>
  fill(target, pairs, () =>
    pairs.map(([term, text, remark, state]) =>
      element(
        "div",
        { "data-state": state },
        element("dt", {}, term),
        element("dd", {}, text, remark ? element("span", { class: "remark" }, remark) : null),
      ),
    ),
  );

/** A cell that also tells its column's name, for narrow screens. */
export const cell = (label, attributes, ...children) =>
  element("td", { "data-label": label, ...attributes }, ...children);
