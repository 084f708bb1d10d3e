// The parts of the layout that need a script: the drawer of a narrow page, the choice of colours.
import { $ } from './dom.js';

/** Opens or closes the lists of rooms and people where they lie over the room. */
export function setSide(isOpen) {
  document.body.classList.toggle('side-open', isOpen);
  $('main').inert = isOpen;
  $('#open-side').ariaExpanded = String(isOpen);
  if (isOpen) $('#close-side').focus();
}
$('#open-side').onclick = () => setSide(true);
$('#close-side').onclick = () => {
  setSide(false);
  $('#open-side').focus();
};
matchMedia('(width < 760px)').onchange = () => setSide(false);
addEventListener('click', ({ target }) => {
  // The room cannot be clicked while the lists are over it, so the body gets the click.
  if (target === document.body) setSide(false);
});
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && document.body.classList.contains('side-open')) $('#close-side').click();
});

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
}
setTheme(localStorage.getItem('theme') ?? '');
for (const choice of document.querySelectorAll('#theme input')) {
  choice.checked = choice.value === document.documentElement.dataset.theme;
  choice.onchange = () => setTheme(choice.value);
}
