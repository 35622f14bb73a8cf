/**
 * Shows the values of curves under the pointer. The page reads without it: every chart has a
 * table of its numbers, and marks and bars tell theirs by a title.
 */
export const HOVER_SCRIPT = `
(() => {
  const box = document.getElementById('hover');
  const pairs = (text) => text.split(' ').map((pair) => pair.split(',').map(Number));
  const show = (event) => {
    const svg = event.target.closest && event.target.closest('svg.chart');
    const curves = svg ? [...svg.querySelectorAll('[data-values]')] : [];
    if (curves.length === 0) { box.hidden = true; return; }
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let nearest = null;
    const lines = new Map();
    for (const curve of curves) {
      const values = pairs(curve.dataset.values);
      pairs(curve.getAttribute('points')).forEach(([x], i) => {
        const far = Math.abs(x - at.x);
        const best = lines.get(curve.dataset.name);
        if (!best || far < best.far) lines.set(curve.dataset.name, { far, value: values[i] });
        if (nearest === null || far < nearest.far) nearest = { far, x: values[i][0] };
      });
    }
    if (nearest === null || nearest.far > 24) { box.hidden = true; return; }
    const near = [...lines].filter(([, { far }]) => far <= 24);
    box.textContent = near.map(([name, { value }]) => name + ': ' + value[1] + ' at ' + value[0]).join('\\n');
    box.hidden = false;
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - box.offsetWidth - 4);
    box.style.left = Math.max(0, left) + 'px';
    box.style.top = Math.max(0, event.clientY - box.offsetHeight - 14) + 'px';
  };
  document.addEventListener('pointermove', show);
  document.addEventListener('pointerdown', show);
  document.addEventListener('scroll', () => { box.hidden = true; }, true);
})();`.trim();
