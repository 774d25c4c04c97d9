// Players: each shows the frame that its slider names, and moves it on while it plays.
for (const player of document.querySelectorAll('.player')) {
  const { steps, frames, full, unit, digits, columns } =
    JSON.parse(player.querySelector('script').textContent);
  const slider = player.querySelector('input');
  const button = player.querySelector('button');
  const cells = player.querySelectorAll('td');
  const frameTime = Math.max(60, Math.min(300, 8000 / frames.length));
  let timer = null;

  function show() {
    const frame = frames[slider.value];
    cells.forEach((cell, place) => {
      const value = frame[place];
      const share = value === null ? 0 : Math.abs(value) / full[Math.floor(place / columns)];
      cell.textContent = value === null ? '–' : value.toFixed(digits) + unit;
      cell.style.setProperty('--share', 100 * share + '%');
    });
    player.querySelector('output').textContent = steps[slider.value];
    slider.setAttribute('aria-valuetext', steps[slider.value]);
  }
  function pause() {
    clearInterval(timer);
    timer = null;
    button.textContent = 'Play';
  }
  function play() {
    if (slider.value === slider.max) slider.value = 0;
    show();
    button.textContent = 'Pause';
    timer = setInterval(() => {
      slider.stepUp();
      show();
      if (slider.value === slider.max) pause();
    }, frameTime);
  }
  button.addEventListener('click', () => (timer === null ? play() : pause()));
  slider.addEventListener('input', () => { pause(); show(); });
  slider.value = slider.max;
  show();
  player.hidden = false;
}
