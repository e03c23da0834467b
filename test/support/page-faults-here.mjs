/**
 * What is wrong with the page in which it runs, for those who do not see it as it was meant: an empty list where nothing
 * is. Runs in the browser, so it uses nothing from outside of itself.
 */
export function faultsHere() {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const textOf = (element) => (element.textContent ?? '').trim();
  const nameOf = (element) =>
    element.getAttribute('aria-label') ?? textOf(element.querySelector('title') ?? document.createElement('i'));

  for (const landmark of ['header', 'main', 'footer']) {
    if (all(landmark).length !== 1) faults.push(`there is not one ${landmark}`);
  }
  if (document.documentElement.lang === '') faults.push('no language');
  if (document.title.trim() === '') faults.push('no title');
  let level = 0;
  for (const heading of all('h1,h2,h3,h4,h5,h6')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) faults.push(`a heading jumps from ${level} to ${own}: ${textOf(heading)}`);
    if (textOf(heading) === '') faults.push('an empty heading');
    level = own;
  }
  if (all('h1').length !== 1) faults.push('not one h1');
  const ids = all('[id]').map(({ id }) => id);
  if (new Set(ids).size < ids.length) faults.push('an id stands twice');
  for (const section of all('section')) {
    const by = section.getAttribute('aria-labelledby') ?? '';
    if (document.getElementById(by) === null) faults.push(`a section without its heading: ${by}`);
  }
  for (const svg of all('svg')) {
    const isHidden = svg.getAttribute('aria-hidden') === 'true' || svg.closest('[aria-hidden=true],svg svg') !== null;
    const isInner = svg.parentElement?.closest('svg') !== null;
    if (!isHidden && !isInner && (svg.getAttribute('role') !== 'img' || nameOf(svg) === ''))
      faults.push('a drawing without words');
  }
  for (const table of all('table')) {
    if (table.querySelector('caption') === null) faults.push('a table without a caption');
    for (const th of table.querySelectorAll('th')) if (!th.hasAttribute('scope')) faults.push('a th without a scope');
    for (const row of table.querySelectorAll('tbody tr')) {
      if (row.querySelector('th[scope=row]') === null) faults.push('a row without its heading');
    }
  }
  for (const box of all('.scroll')) {
    if (box.getAttribute('tabindex') !== '0' || (box.getAttribute('aria-label') ?? '') === '') {
      faults.push('what scrolls cannot be reached by the keyboard');
    }
  }
  if (document.documentElement.scrollWidth > window.innerWidth) {
    faults.push(`wider than its window: ${document.documentElement.scrollWidth} > ${window.innerWidth}`);
  }

  const colourOf = (text) => {
    const [r = 0, g = 0, b = 0, a = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
    return [r, g, b, a];
  };
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = colourOf(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const contrast = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((one, other) => other - one);
    return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let looked = 0;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (element === null || (node.textContent ?? '').trim() === '' || element.closest('title,desc,style') !== null)
      continue;
    if (element.getClientRects().length === 0) continue;
    const style = getComputedStyle(element);
    const bar = element.closest('svg')?.querySelector(':scope > rect:not(.track)');
    const isOnBar = element.classList.contains('on') && bar !== null && bar !== undefined;
    const ground = isOnBar ? colourOf(getComputedStyle(bar).fill) : behind(element);
    const ink = colourOf(element instanceof SVGElement ? style.fill : style.color);
    looked += 1;
    const ratio = contrast(ink, ground);
    if (ratio < 4.5)
      faults.push(
        `contrast ${ratio.toFixed(2)}: ${(node.textContent ?? '').trim().slice(0, 40)} (${element.className.toString()})`,
      );
  }
  if (looked < 20) faults.push(`only ${looked} texts were looked at`);
  return [...new Set(faults)];
}
