'use strict';
// Sorting and filtering. All else works without.
(() => {
  const AT_ONCE = 200;
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
  const filter = document.getElementById('filter');
  if (!filter) return;
  // Absent without a baseline.
  const onlyChanges = document.getElementById('only-changes');

  // What a cell is sorted by: a number where it is one, and nothing where nothing is known.
  const key = (text) => {
    if (text === '' || text === '–') return null;
    if (text === '=') return 0;
    const number = Number(text.replace(/,/g, '').replace('−', '-'));
    return Number.isNaN(number) ? text : number;
  };
  // Numbers before words; what is not known last, whatever the direction.
  const compare = (a, b, direction) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    return direction * (typeof a === 'number' ? a - b : collator.compare(a, b));
  };

  const tables = [...document.querySelectorAll('table.rows')].map((table) => {
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const first = table.tBodies[0];
    const rest = table.tBodies[1] ?? null;
    const box = document.getElementById(`all-${table.id}`);
    const label = box && document.querySelector(`label[for="${box.id}"]`);
    const headings = [...table.tHead.rows[0].cells];
    const texts = new Map();
    let order = rows;
    let words = [];
    let changed = false;
    let matching = rows.length;

    const text = (row) => {
      let known = texts.get(row);
      if (known === undefined) texts.set(row, known = [...row.cells].map((cell) => cell.textContent).join('\n').toLowerCase());
      return known;
    };
    const isFound = (row) => (!changed || row.classList.contains('changed')) && words.every((word) => text(row).includes(word));
    const show = () => {
      const found = words.length || changed ? order.filter(isFound) : order;
      matching = found.length;
      first.replaceChildren(...found.slice(0, AT_ONCE));
      if (rest) {
        const more = document.createDocumentFragment();
        for (const row of found.slice(AT_ONCE)) more.append(row);
        rest.replaceChildren(more);
        box.hidden = label.hidden = found.length <= AT_ONCE;
        label.textContent = `Show all ${found.length.toLocaleString('en')} rows`;
      }
    };
    const sort = (column) => {
      const heading = headings[column];
      const before = heading.ariaSort;
      const numbers = heading.classList.contains('n');
      const [one, other] = numbers ? ['descending', 'ascending'] : ['ascending', 'descending'];
      const now = before === one ? other : before === other ? null : one;
      for (const each of headings) each.removeAttribute('aria-sort');
      order = rows;
      if (now) {
        heading.setAttribute('aria-sort', now);
        const direction = now === 'ascending' ? 1 : -1;
        order = rows.map((row) => [key(row.cells[column].textContent), row])
          .sort(([a], [b]) => compare(a, b, direction)).map(([, row]) => row);
      }
      show();
    };
    headings.forEach((heading, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...heading.childNodes);
      button.addEventListener('click', () => sort(column));
      heading.append(button);
    });
    table.classList.add('scripted');
    return {
      count: rows.length,
      filter(wanted, isChanged) {
        words = wanted;
        changed = isChanged;
        show();
        return matching;
      },
    };
  });

  const matches = document.getElementById('matches');
  const all = tables.reduce((sum, table) => sum + table.count, 0);
  const update = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const changed = onlyChanges?.checked ?? false;
    const found = tables.reduce((sum, table) => sum + table.filter(words, changed), 0);
    matches.value = words.length || changed ? `${found.toLocaleString('en')} of ${all.toLocaleString('en')}` : '';
  };
  filter.addEventListener('input', update);
  onlyChanges?.addEventListener('change', update);
  // A browser may restore the switch of a page that is loaded again.
  if (onlyChanges?.checked) update();
  document.getElementById('tools').hidden = false;
})();
