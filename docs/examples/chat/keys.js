// The dialogs about keys: who a member is, who the server is, and the warning about another key.
import { $, make } from './dom.js';
import { patternOf, wordsOf } from './identity.js';

const wordsIn = (key, count) => wordsOf(key, count).map((word) => make('span', {}, word));

function showKey(title, key, count, sentences) {
  $('#who > div').replaceChildren(
    patternOf(key),
    make('h2', { id: 'who-title' }, make('bdi', {}, title)),
    make('p', { className: 'words' }, ...wordsIn(key, count)),
    ...sentences.map((sentence) => make('p', {}, sentence)),
    make('details', {}, make('summary', {}, 'Whole fingerprint'), make('code', {}, key)),
  );
  $('#who').showModal();
}

export function showPerson({ name, key }) {
  showKey(name, key, 2, [
    'The server has checked that this member owns this key. ' +
      'The same colours and words are the same key, under any name.',
    'You rely on the server for this. To be sure, ask the person for the whole fingerprint.',
  ]);
}

/** @param onRename - called if the user wants another name. */
export function showOwn({ name, key }, onRename) {
  showKey(name, key, 2, [
    'This is the key of this browser. It stays here, and no script can read its private part.',
    'The others see these colours and words beside your name, and the server vouches for them.',
  ]);
  const rename = make('button', { type: 'button' }, 'Change the name');
  rename.onclick = () => {
    $('#who').close();
    onRename();
  };
  $('#who > div').append(rename);
}

const howKnown = {
  pin: 'The page brought this key along, and accepts no other.',
  'known-hosts': 'This browser knew this key from an earlier visit, and accepts no other.',
  'first-use':
    'This browser sees this key for the first time, and from now on accepts no other. ' +
    'Compare the words with the operator to be sure that nobody was in between.',
};

/** @param peer - the peer of the socket. */
export function showServer({ fingerprint, how }) {
  showKey('Server', fingerprint, 8, [
    'Everything between this browser and the owner of this key is encrypted. ' +
      'Nobody on the way can read or change it.',
    'The server itself reads all messages: it decrypts them, and encrypts them again for each member.',
    howKnown[how],
  ]);
}

/**
 * Warns that the server has another key than before.
 *
 * @param onTrust - called if the user trusts the new key. Without it the user cannot.
 */
export function showWarning({ expected, actual }, onTrust) {
  $('#expected').replaceChildren(patternOf(expected), ...wordsIn(expected, 8));
  $('#actual').replaceChildren(patternOf(actual), ...wordsIn(actual, 8));
  $('#warning label').hidden = $('#trust').hidden = !onTrust;
  $('#warning input').checked = false;
  $('#warning input').onchange = (event) => {
    $('#trust').disabled = !event.target.checked;
  };
  $('#trust').disabled = true;
  $('#trust').onclick = () => {
    $('#warning').close();
    onTrust();
  };
  $('#stay').onclick = () => $('#warning').close();
  if (!$('#warning').open) $('#warning').showModal();
}
