// Shows a fingerprint to people: as words that one can read aloud, and as a pattern of colours.
//
// A fingerprint is the SHA-256 of a public key. Each word is one byte of it. Two words (16 bits)
// tell members apart, but somebody can search for a key with the same two in a second; eight words
// (64 bits) are enough to compare the key of the server with its operator.

const words = `
  acorn actor album alley amber anchor apple apron arrow atlas attic autumn bacon badge baker bamboo
  banjo barley basil basin beacon beaver berry bishop bison blanket blossom bonnet border bottle
  bramble brass bread breeze brick bridge bronze brook bucket buffalo butter button cabin cactus
  camel candle canoe canyon carbon carpet carrot castle cedar cello chalk cherry chess cinder circle
  citrus clay clock clover cobalt cobra coffee comet copper coral cotton cradle crane crater cricket
  crystal daisy dancer delta denim desert diamond dolphin domino donkey dragon drum dune eagle
  earth echo elbow elder ember engine envoy fabric falcon feather fennel fern ferry fiddle field
  finch flame flint flute forest fossil fox galaxy garden garlic gecko ginger glacier globe goblet
  granite grape gravel guitar hammer harbor harvest hazel helmet heron hollow honey horizon hornet
  husky igloo indigo island ivory jacket jaguar jasmine jelly jersey jungle kayak kernel kettle
  kitten koala ladder lagoon lantern laurel lava lemon lentil lily linen lizard lobster locket
  lotus lumber magnet mango maple marble meadow melon mint mirror mitten monsoon moose mosaic
  mountain mustard nectar needle nickel noodle nutmeg oasis oboe ocean olive onion opal orbit
  orchid otter oyster paddle panda paper parrot peach pebble pelican pepper piano pigeon pillow
  pine planet plum pocket pollen poppy prairie prism puffin pumpkin puzzle quartz quill rabbit radish
  raven ribbon river robin rocket saddle saffron salmon sandal sapphire satin saturn shadow shell
  silver sparrow spruce squirrel summit sunset swan tango teapot thistle thunder tiger timber
  tulip tundra turtle umber valley velvet violin walnut walrus willow window zebra
`
  .trim()
  .split(/\s+/);

const bytesOf = (fingerprint) =>
  (fingerprint.replace(/^sha256:/, '').match(/[0-9a-f]{2}/g) ?? []).map((hex) => parseInt(hex, 16));

/** @returns {string[]} the first words of a fingerprint. */
export const wordsOf = (fingerprint, count = 2) =>
  bytesOf(fingerprint)
    .slice(0, count)
    .map((byte) => words[byte]);

/** A square of 5 x 5 cells, the same on the left and the right, in one of 256 hues. */
export function patternOf(fingerprint) {
  const [hue, high, low] = bytesOf(fingerprint).slice(8);
  const bits = high * 256 + low;
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '-1 -1 7 7');
  svg.setAttribute('class', 'pattern');
  svg.setAttribute('aria-hidden', 'true');
  svg.style.setProperty('--hue', String((hue * 360) / 256));
  const path = document.createElementNS(svg.namespaceURI, 'path');
  const cells = [0, 1, 2, 1, 0].flatMap((column, x) =>
    [0, 1, 2, 3, 4].filter((y) => (bits >> (column * 5 + y)) & 1).map((y) => `M${x} ${y}h1v1h-1z`),
  );
  path.setAttribute('d', cells.join(''));
  svg.append(path);
  return svg;
}
