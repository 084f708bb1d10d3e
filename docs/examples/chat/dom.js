// Helpers to find and make elements. Text becomes text nodes only, so text of other people cannot
// run as HTML.

export const $ = (selector) => document.querySelector(selector);

/** Makes an element with properties and children: elements or text. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** One of the symbols in index.html. */
export function icon(id) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.append(document.createElementNS(svg.namespaceURI, 'use'));
  svg.firstChild.setAttribute('href', `#${id}`);
  svg.setAttribute('aria-hidden', 'true');
  return svg;
}
